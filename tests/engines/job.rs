//! A job: one engine with one runtime, all its checks, one after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use integration::poll_exit;
use serde_json::{Value, json};

use crate::engine::{Engine, Kind, processes};
use crate::image::Images;
use crate::sandbox::{Sandbox, WORK, job};
use crate::{OURS, checks, known};

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    pub kind: Kind,
    pub runtime: &'static str,
}

/// How a check ended.
#[derive(Debug, Clone)]
pub struct Result {
    pub kind: Kind,
    pub runtime: String,
    pub check: String,
    /// `None`: it passed.
    pub failure: Option<String>,
    pub took: Duration,
}

const RESULTS: &str = "results";

impl Job {
    /// Does it, in a sandbox, and says what came of each check.
    pub fn start(self, images: &Images, words: &[String]) -> Vec<Result> {
        let began = Instant::now();
        let name = format!("{}-{}", self.kind, self.runtime);
        let sandbox = Sandbox::new(&name);
        let dir = sandbox.dir.path();
        let runtime = runtime_file(self.runtime);
        let inside = dir.join("bin").join(self.runtime);
        std::fs::copy(&runtime, &inside).unwrap_or_else(|e| panic!("copy {runtime:?}: {e}"));
        // For what finds its runtime by the name. The others must take what they are configured with.
        if matches!(self.kind, Kind::Docker | Kind::Containerd) {
            std::os::unix::fs::symlink(
                format!("{WORK}/bin/{}", self.runtime),
                dir.join("path/runc"),
            )
            .unwrap();
        }
        for image in images.files() {
            std::fs::copy(&image, dir.join(image.file_name().unwrap())).unwrap();
        }
        let kind = self.kind.to_string();
        let mut args = vec![dir.to_str().unwrap(), &kind, self.runtime];
        args.extend(words.iter().map(String::as_str));
        let mut child = sandbox.start(&args);
        let mut trouble = None;
        if !poll_exit(child.id(), job()) {
            trouble = Some(format!("the job did not end in {:?}", job()));
            let _ = child.kill();
        }
        let status = child.wait().unwrap();
        if !status.success() {
            trouble.get_or_insert(format!("the job ended with {status}"));
        }
        let text = std::fs::read_to_string(dir.join(RESULTS)).unwrap_or_default();
        let mut results: Vec<Result> = text.lines().map(|line| self.parse(line)).collect();
        // A check that is not there has not run.
        for check in checks::chosen(self.kind, self.runtime, words) {
            if !results.iter().any(|r| r.check == check.name) {
                let why = trouble.clone().unwrap_or("it did not run".into());
                let log = std::fs::read_to_string(dir.join("daemon.log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                let why = format!(
                    "{why}\n{}",
                    tail.into_iter().rev().collect::<Vec<_>>().join("\n")
                );
                results.push(self.result(check.name, Some(why), Duration::ZERO));
            }
        }
        println!(
            "{name}: {} checks in {:.0} s",
            results.len(),
            began.elapsed().as_secs_f32()
        );
        results
    }

    fn result(self, check: &str, failure: Option<String>, took: Duration) -> Result {
        Result {
            kind: self.kind,
            runtime: self.runtime.to_owned(),
            check: check.to_owned(),
            failure,
            took,
        }
    }

    fn parse(self, line: &str) -> Result {
        let value: Value = serde_json::from_str(line).unwrap();
        self.result(
            value["check"].as_str().unwrap(),
            value["failure"].as_str().map(String::from),
            Duration::from_secs_f64(value["took"].as_f64().unwrap()),
        )
    }
}

/// Ours is what `RUNTIME` names, or the release, or what was built beside this program.
fn runtime_file(runtime: &str) -> std::path::PathBuf {
    if runtime != OURS {
        return ["/usr/sbin", "/usr/bin"]
            .map(|dir| std::path::Path::new(dir).join(runtime))
            .into_iter()
            .find(|p| p.exists())
            .unwrap_or_else(|| panic!("no {runtime} (apt-get install {runtime})"));
    }
    integration::runtime_binary()
}

/// Inside: the engine, its checks, and the results in a file.
pub fn run(args: &[String]) {
    let kind: Kind = args[0].parse().unwrap();
    let runtime = &args[1];
    let words = &args[2..];
    static SAID: Mutex<String> = Mutex::new(String::new());
    std::panic::set_hook(Box::new(|info| {
        let mut said = SAID.lock().unwrap();
        *said = format!("{said}{info}\n");
    }));
    let write = |check: &str, failure: Option<&str>, took: Duration| {
        use std::io::Write;
        let line = json!({"check": check, "failure": failure, "took": took.as_secs_f64()});
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(format!("{WORK}/{RESULTS}"))
            .unwrap();
        writeln!(file, "{line}").unwrap();
    };
    let engine = match catch_unwind(|| Engine::start(kind, runtime)) {
        Ok(engine) => engine,
        Err(_) => {
            eprintln!("{kind} {runtime} does not start: {}", SAID.lock().unwrap());
            std::process::exit(1);
        }
    };
    for check in checks::chosen(kind, runtime, words) {
        let began = Instant::now();
        // What went wrong, and whether a second try can say more: not after a hang, and not when something is left over.
        let attempt = || {
            SAID.lock().unwrap().clear();
            let done = catch_unwind(AssertUnwindSafe(|| (check.run)(&engine)));
            // A failed check leaves nothing to the next one either.
            let cleaned = catch_unwind(AssertUnwindSafe(|| clean(&engine)));
            let said = SAID.lock().unwrap().clone();
            let again = cleaned.is_ok() && !said.contains("hang: ");
            (done.is_err() || cleaned.is_err()).then_some((said, again))
        };
        let mut failure = attempt();
        if let Some((first, _)) = failure
            .as_ref()
            .filter(|(_, again)| *again || runtime != OURS)
        {
            // Engines, and runc, have races of their own. A check that never passes is wrong; one that was missed once is named.
            println!("{kind} {runtime} {}: once more: {first}", check.name);
            failure = attempt();
        }
        let failure = failure.map(|(said, _)| said);
        let took = began.elapsed();
        let word = match (&failure, known::reason(kind, runtime, check.name)) {
            (None, None) => "ok",
            (None, Some(_)) => "PASSES, and is listed as failing",
            (Some(_), None) => "FAILED",
            (Some(_), Some(_)) => "not yet",
        };
        println!(
            "{kind} {runtime} {}: {word} ({:.1} s)",
            check.name,
            took.as_secs_f32()
        );
        write(check.name, failure.as_deref(), took);
    }
    let _ = catch_unwind(AssertUnwindSafe(|| engine.stop()));
}

/// Removes every container, and looks for what is left.
fn clean(engine: &Engine) {
    checks::remove_all(engine);
    // The monitors of removed containers end a moment later.
    let mut left = Vec::new();
    let gone = crate::engine::until(|| {
        left = processes();
        for idle in &engine.idle {
            if let Some(at) = left.iter().position(|l| l == idle) {
                left.remove(at);
            }
        }
        left.is_empty()
    });
    assert!(gone, "left over: processes {left:?}");
    let left = checks::leftovers(engine);
    assert!(left.is_empty(), "left over: {left:?}");
}
