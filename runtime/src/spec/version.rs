//! `ociVersion`.

use super::error::{Error, Result};
use super::json::Str;

/// Accepts version 1, any minor: what a newer minor adds is either an unknown member, which the spec wants ignored, or
/// refused by name. runc does not look at the version at all.
pub(super) fn check(version: Option<Str<'_>>) -> Result<String> {
    let Some(version) = version else {
        return Err(Error::invalid("ociVersion", "must be given"));
    };
    if !is_version(&version) {
        return Err(Error::invalid(
            "ociVersion",
            format!("{:?} is not a version (1.3.0)", &*version),
        ));
    }
    if version.split('.').next() != Some("1") {
        return Err(Error::invalid(
            "ociVersion",
            format!("{} is not supported, only 1.x", &*version),
        ));
    }
    Ok(version.into_string())
}

/// `MAJOR.MINOR[.PATCH][-PRE][+BUILD]`, as semver.org has it, and the patch may be missing.
fn is_version(text: &str) -> bool {
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    let (core, pre) = match text.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (text, None),
    };
    let number = |part: &str| {
        (1..=9).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
    };
    let words = |words: &str| {
        words.split('.').all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    matches!(core.split('.').count(), 2 | 3)
        && core.split('.').all(number)
        && pre.is_none_or(words)
        && build.is_none_or(words)
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn versions_are_told_from_nonsense() {
        for good in [
            "1.0.2-dev",
            "1.3.0",
            "1.2",
            "1.2.1+dev",
            "1.0.0-rc6-dev",
            "0.5.0",
            "2.0.0",
            "1.2.0-rc.1+a.b",
        ] {
            assert!(is_version(good), "{good}");
        }
        for bad in [
            "",
            "banana",
            "1",
            "1.",
            "1..2",
            "v1.0.0",
            "1.0.0 ",
            "01.0.0",
            "1.2.3.4",
            "1.0-",
            "1.0+",
            "1.0.0-a..b",
        ] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
