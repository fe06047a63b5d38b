//! `manual man DIR`, `manual completions DIR`: writes the files into DIR.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (files, dir) = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["man", dir] => (manual::man::pages(), dir),
        ["completions", dir] => (manual::completions(), dir),
        _ => {
            eprintln!("usage: manual man|completions DIR");
            return ExitCode::from(2);
        }
    };
    for (name, text) in files {
        let path = Path::new(dir).join(name);
        if let Err(error) = std::fs::write(&path, text) {
            eprintln!("manual: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
