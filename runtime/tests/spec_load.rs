//! config.json and the root filesystem as files: the bad input that a bundle can be. One error, naming the path.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use integration::{skip, this_test};
use runc_rs::spec::{self, LoadOptions, MAX_SIZE, template};

/// A bundle in a directory of its own.
struct Bundle(PathBuf);

impl Bundle {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("runc-rs-spec-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("rootfs")).unwrap();
        let path = fs::canonicalize(path).unwrap();
        let bundle = Self(path);
        bundle.config(|_| {});
        bundle
    }

    fn config(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut config: serde_json::Value = serde_json::from_str(&template(false)).unwrap();
        config["process"]["terminal"] = false.into();
        change(&mut config);
        self.write(config.to_string().as_bytes());
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(self.file(), bytes).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.0.join("config.json")
    }

    fn load(&self) -> Result<String, String> {
        load(&self.0)
    }

    #[track_caller]
    fn refused(&self, words: &str) {
        assert_eq!(
            self.load().unwrap_err(),
            words.replace("BUNDLE", self.0.to_str().unwrap())
        );
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The root filesystem's path, or the error.
fn load(bundle: &Path) -> Result<String, String> {
    match spec::load(bundle, &LoadOptions::default()) {
        Ok(plan) => Ok(plan.init.rootfs.path),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_good_bundle_has_its_real_root() {
    let bundle = Bundle::new("good");
    let rootfs = bundle.0.join("rootfs").to_str().unwrap().to_owned();
    assert_eq!(bundle.load().unwrap(), rootfs);
    for path in ["./rootfs/", "x/../rootfs", &rootfs, &format!("{rootfs}//.")] {
        bundle.config(|config| config["root"]["path"] = path.into());
        assert_eq!(bundle.load().unwrap(), rootfs, "{path}");
    }
    // The bundle may be reached through a link: runc changes into it, and asks the kernel where it is.
    let link = bundle.0.join("link");
    symlink(&bundle.0, &link).unwrap();
    bundle.config(|_| {});
    assert_eq!(load(&link).unwrap(), rootfs);
    bundle.config(|config| config["root"]["path"] = link.join("rootfs").to_str().unwrap().into());
    bundle.refused("invalid rootfs: not an absolute path, or a symlink");
}

#[test]
fn a_root_that_is_missing_a_file_or_a_link() {
    let bundle = Bundle::new("root");
    fs::remove_dir(bundle.0.join("rootfs")).unwrap();
    bundle.refused("invalid rootfs: stat BUNDLE/rootfs: no such file or directory");
    File::create(bundle.0.join("rootfs")).unwrap();
    bundle.refused("invalid rootfs: open BUNDLE/rootfs: not a directory");
    fs::create_dir(bundle.0.join("other")).unwrap();
    fs::remove_file(bundle.0.join("rootfs")).unwrap();
    symlink("other", bundle.0.join("rootfs")).unwrap();
    bundle.refused("invalid rootfs: not an absolute path, or a symlink");
    fs::remove_file(bundle.0.join("rootfs")).unwrap();
    symlink("rootfs", bundle.0.join("rootfs")).unwrap();
    let error = bundle.load().unwrap_err();
    assert!(error.starts_with("invalid rootfs: open "), "{error}");
}

#[test]
fn a_config_that_is_missing_empty_truncated_or_binary() {
    let bundle = Bundle::new("config");
    let text = fs::read(bundle.file()).unwrap();
    bundle.write(b"");
    bundle.refused("config.json is empty");
    bundle.write(&[0; 100]);
    bundle.refused("config.json: expected value at line 1 column 1");
    bundle.write(b"\x7fELF\xff");
    bundle.refused("config.json is not UTF-8 text: invalid byte at offset 4");
    // A prefix is refused, and at its end.
    for end in (1..text.len()).step_by(13) {
        bundle.write(&text[..end]);
        let error = bundle.load().unwrap_err();
        assert!(
            error.contains(&format!("at line 1 column {end}")),
            "{end}: {error}"
        );
    }
    fs::remove_file(bundle.file()).unwrap();
    bundle.refused("JSON specification file config.json not found");
    let missing = bundle.0.join("missing");
    assert_eq!(
        load(&missing).unwrap_err(),
        format!("chdir {}: no such file or directory", missing.display())
    );
    assert!(load(Path::new("relative")).is_err());
}

#[test]
fn a_config_that_is_not_a_file() {
    let bundle = Bundle::new("kind");
    fs::remove_file(bundle.file()).unwrap();
    fs::create_dir(bundle.file()).unwrap();
    bundle.refused("config.json is not a regular file");
    fs::remove_dir(bundle.file()).unwrap();
    // Nobody will ever write to this fifo: opening it must not wait.
    nix::unistd::mkfifo(&bundle.file(), nix::sys::stat::Mode::S_IRUSR).unwrap();
    bundle.refused("config.json is not a regular file");
    fs::remove_file(bundle.file()).unwrap();
    symlink("config.json", bundle.file()).unwrap();
    let error = bundle.load().unwrap_err();
    assert!(
        error.starts_with("open ") && error.contains("config.json"),
        "{error}"
    );
}

#[test]
fn a_huge_config_is_refused_unread_and_one_at_the_limit_is_read() {
    let bundle = Bundle::new("huge");
    let size = |bytes: u64| {
        // A sparse file: of a file of this size nothing but the size may be looked at.
        File::create(bundle.file()).unwrap().set_len(bytes).unwrap();
    };
    for bytes in [100 << 20, 1 << 40, MAX_SIZE + 1] {
        size(bytes);
        bundle.refused(&format!(
            "config.json is larger than {MAX_SIZE} bytes, the most that is read"
        ));
    }
    let mut text = template(false).replace("\"terminal\": true", "\"terminal\": false");
    text.push_str(&" ".repeat(usize::try_from(MAX_SIZE).unwrap() - text.len()));
    bundle.write(text.as_bytes());
    assert!(bundle.load().is_ok());
}

#[test]
fn the_template_is_runcs_to_the_byte() {
    for (flags, rootless) in [(&[] as &[&str], false), (&["--rootless"], true)] {
        let bundle = Bundle::new(if rootless { "rootless" } else { "template" });
        fs::remove_file(bundle.file()).unwrap();
        let runc = std::process::Command::new("runc")
            .args(["spec", "--bundle", bundle.0.to_str().unwrap()])
            .args(flags)
            .status();
        match runc {
            Ok(status) => assert!(status.success()),
            Err(error) => {
                skip(&this_test(), &format!("runc cannot be run here: {error}"));
                return;
            }
        }
        let theirs = fs::read_to_string(bundle.file()).unwrap();
        let version = |text: &str| {
            let config: serde_json::Value = serde_json::from_str(text).unwrap();
            format!("{}", config["ociVersion"])
        };
        let ours = template(rootless);
        assert_eq!(ours.replace(&version(&ours), &version(&theirs)), theirs);
    }
}
