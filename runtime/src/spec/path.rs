//! Paths as text: the lexical rules of Go's `filepath.Clean`, which runc applies.

/// `path` below `/`, without `.`, `..`, `//` or a trailing `/`. `..` never climbs over the root.
pub(super) fn absolute(path: &str) -> String {
    join("", path)
}

/// `path` if it is absolute, else `path` below `base` (absolute, or empty for `/`); clean.
pub(super) fn join(base: &str, path: &str) -> String {
    let mut clean = String::with_capacity(base.len() + path.len() + 1);
    let base = if path.starts_with('/') { "" } else { base };
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => clean.truncate(clean.rfind('/').unwrap_or(0)),
            part => {
                clean.push('/');
                clean.push_str(part);
            }
        }
    }
    if clean.is_empty() {
        clean.push('/');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, clean) in [
            ("/", "/"),
            ("", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("/a/", "/a"),
            ("a/b", "/a/b"),
            ("/a/./b//c", "/a/b/c"),
            ("/a/../b", "/b"),
            ("../../a", "/a"),
            ("/a/b/../..", "/"),
            ("/...", "/..."),
            ("/.a/..b", "/.a/..b"),
        ] {
            assert_eq!(absolute(path), clean, "{path:?}");
        }
        assert_eq!(join("/bundle", "rootfs"), "/bundle/rootfs");
        assert_eq!(join("/bundle/", "../rootfs/"), "/rootfs");
        assert_eq!(join("/bundle", "/rootfs"), "/rootfs");
        assert_eq!(join("/bundle", ""), "/bundle");
    }
}
