//! Replays the checked-in corpora of the fuzz targets. `UPDATE_CORPUS=1` writes the seeds anew.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use sync_model::draw::{CONVERSATIONS, walk};
use sync_model::frame::encode;
use sync_model::{Bootstrap, Features, Kind, Level, LogLine, Message, Step, WireError, fuzzing};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target)
}

/// Runs the target over each file, after writing the seeds if asked to.
fn replay(target: &str, seeds: &[(String, Vec<u8>)], body: fn(&[u8])) {
    let folder = corpus(target);
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in seeds {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(
        files.len() >= seeds.len(),
        "seeds are missing in {}",
        folder.display()
    );
    for file in &files {
        // A failure of the body names the file by this line.
        println!("{target}: {}", file.display());
        body(&std::fs::read(file).unwrap());
    }
    println!("{target}: {} inputs replayed", files.len());
}

#[test]
fn frame_decode() {
    let full = Bootstrap::new(Features::ALL, Level::Debug);
    let error = WireError {
        step: Step::Exec,
        errno: 2,
        path: "/bin/x".to_owned(),
        message: "no such file".to_owned(),
    };
    let bare = Kind::ALL.iter().filter_map(|kind| kind.bare());
    // `Run` comes below, with a payload.
    let mut messages: Vec<Message> = bare.filter(|it| it.kind() != Kind::Run).collect();
    messages.extend([
        Message::Bootstrap(full),
        Message::Config((0..=255).collect()),
        Message::Run((0..=255).collect()),
        Message::Error(error),
        Message::Log(LogLine {
            level: Level::Warn,
            message: "mounted".to_owned(),
        }),
    ]);
    let mut seeds = Vec::new();
    let mut all = vec![1];
    for message in &messages {
        let mut wire = vec![0];
        encode(message, &mut wire).unwrap();
        encode(message, &mut all).unwrap();
        seeds.push((message.kind().name().to_lowercase(), wire));
    }
    let mut broken = all.clone();
    broken.truncate(broken.len() - 3);
    seeds.push(("everything".to_owned(), all));
    seeds.push(("cut-short".to_owned(), broken));
    seeds.push((
        "too-long".to_owned(),
        vec![0, 0xc1, Kind::Config.number(), 1, 0, 0, 1],
    ));
    seeds.push(("not-ours".to_owned(), b"\0GET / HTTP/1.1\r\n".to_vec()));
    replay("frame_decode", &seeds, fuzzing::frame_decode);
}

#[test]
fn handshake_ops() {
    let mut seeds = Vec::new();
    for (which, (opener, answerer, _)) in (0_u8..).zip(CONVERSATIONS) {
        // The targets' order: exec comes before the gate's clients.
        let which = [0, 2, 3, 1][usize::from(which)];
        for bits in [0, 2, 4, 6, 8, 14_u8] {
            if which != 0 && bits != 0 && bits != 4 {
                continue;
            }
            let (exchanges, _) = walk(*opener, *answerer, Features::from_bits(bits).unwrap());
            let mut ops = vec![which, bits];
            for exchange in &exchanges {
                // The opener sends and init hears, or the other way round.
                ops.extend(if exchange.sender == *opener {
                    [0x10, 0xf7]
                } else {
                    [0x11, 0xf6]
                });
            }
            let name = format!("{opener}-{bits:02}").replace(' ', "-");
            // ... and init dies after each message, with the last bytes lost or not.
            for (step, op) in [0x1d, 0x0d]
                .into_iter()
                .cycle()
                .take(exchanges.len())
                .enumerate()
            {
                let mut dying = ops[..2 + 2 * step + 1].to_vec();
                dying.extend([op, 0xfe]);
                seeds.push((format!("{name}-dies-{step:02}"), dying));
            }
            ops.extend([0x0b, 0xfe]);
            seeds.push((name, ops));
        }
    }
    let place = |wanted| {
        let place = Kind::ALL.iter().position(|kind| *kind == wanted);
        u8::try_from(place.unwrap()).unwrap()
    };
    let (start, abort) = (place(Kind::Start), place(Kind::Abort));
    seeds.push((
        "crowd".to_owned(),
        vec![4, 0, 1, 0, 2, start, 3, abort, 4, start],
    ));
    seeds.push((
        "crowd-abort".to_owned(),
        vec![4, 0, 9, 16, 2, abort, 2, start, 2, abort],
    ));
    replay("handshake_ops", &seeds, fuzzing::handshake_ops);
}
