//! What a request may ask for.

/// What is wrong with the path and query of a request; `None` when it can be sent as written.
pub(crate) fn path_problem(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("must start with `/`");
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\')) {
        return Some("must be printable ASCII; percent-encode spaces, `#`, `\\` and the rest");
    }
    // A URL parser resolves these, which would send another path than the one written.
    let segments = path.split('?').next().unwrap_or_default().split('/');
    let mut dots = segments.map(|segment| segment.to_ascii_lowercase().replace("%2e", "."));
    dots.any(|segment| segment == "." || segment == "..")
        .then_some("has a segment `.` or `..`; write the path that is meant")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_are_sent_as_written_are_accepted() {
        for good in ["/", "/a", "/a/b.c?d=../e&f=%20", "/...", "//", "/a%2Fb"] {
            assert_eq!(path_problem(good), None, "{good}");
        }
        for bad in ["", "a", "http://h/", "/a b", "/\u{e9}", "/a#b", "/a\\b", "/a/./b", "/%2E./"] {
            assert!(path_problem(bad).is_some(), "{bad}");
        }
    }
}
