//! Networks: the engine makes them, the runtime only puts the container there.

use std::io::Read;
use std::net::TcpStream;

use super::{background, sh};
use crate::engine::{Engine, Kind};

pub fn none(e: &Engine) {
    let out = sh(e, &["--net", "none"], "ls /sys/class/net; ip route").ok();
    assert_eq!(out.text(), "lo");
}

pub fn bridge(e: &Engine) {
    background(
        e,
        "c1",
        &["--net", "bridge", "-p", "127.0.0.1:8099:80"],
        "ip -4 addr show eth0; exec nc -ll -p 80 -e echo from inside",
    );
    let mut text = String::new();
    let answered = crate::engine::until(|| {
        text.clear();
        let stream = TcpStream::connect("127.0.0.1:8099");
        stream.is_ok_and(|mut s| s.read_to_string(&mut text).is_ok() && text == "from inside\n")
    });
    assert!(answered, "{text:?}: {}", e.run(&["logs", "c1"]));
    let log = e.run(&["logs", "c1"]).ok().stdout;
    let net = if e.kind == Kind::Docker {
        "inet 172.17."
    } else {
        "inet 10.88."
    };
    assert!(log.contains(net), "{log}");
}

pub fn slirp(e: &Engine) {
    let out = sh(e, &["--net", "slirp4netns"], "ip -4 addr show tap0").ok();
    assert!(out.stdout.contains("inet 10.0.2.100/24"), "{out}");
}
