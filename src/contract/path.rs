//! Which URLs and paths can be asked for.

/// What is wrong with the base URL of a service; `None` when a path can be put after it as it is.
///
/// It refuses all that [`crate::probe::HttpTarget`] refuses, without a URL parser, and never repeats
/// the URL, which may hold a password.
pub(crate) fn base_url_problem(url: &str) -> Option<&'static str> {
    const SHAPE: &str = "is not `http://HOST:PORT` or `https://HOST`";
    let Some(rest) = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme))
    else {
        return Some(SHAPE);
    };
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Some("holds a password: use a header with `${NAME}`");
    }
    if after.contains(['?', '#']) {
        return Some("has a query or fragment: write the query in the path of a check");
    }
    if !is_authority(authority) {
        return Some(SHAPE);
    }
    if after.is_empty() { None } else { path_problem(after) }
}

/// Whether this is a host and perhaps a port.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, ""),
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(port.is_empty() || port.parse::<u16>().is_ok()) {
        return false;
    }
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').unwrap_or_default();
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    // As in a URL, a host whose last label is a number is an address.
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|c: char| c.is_ascii_digit());
    let address = !is_number || host.parse::<std::net::Ipv4Addr>().is_ok();
    !host.is_empty() && host.bytes().all(plain) && address
}

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
    fn a_base_url_is_scheme_host_and_perhaps_port_and_path() {
        for good in [
            "http://h",
            "https://h.example:8443",
            "http://127.0.0.1:8000/",
            "http://[::1]:80/a/b",
            "http://h_1.x-y",
            "https://h:",
            "http://h/a%20b",
        ] {
            assert_eq!(base_url_problem(good), None, "{good}");
        }
        for (bad, said) in [
            ("ftp://h", "is not"),
            ("h:80", "is not"),
            ("http://", "is not"),
            ("http:///a", "is not"),
            ("http://:80", "is not"),
            ("http://h:x", "is not"),
            ("http://h:70000", "is not"),
            ("http://h h", "is not"),
            ("http://1.2.3.999", "is not"),
            ("http://[::1", "is not"),
            ("http://u@h", "password"),
            ("http://u:p@h/a", "password"),
            ("http://h?a=1", "query"),
            ("http://h/a?", "query"),
            ("http://h/#a", "query"),
            ("http://h/../a", "segment"),
            ("http://h/a b", "ASCII"),
            ("http://h\\a", "start with"),
        ] {
            let problem = base_url_problem(bad).unwrap_or_default();
            assert!(problem.contains(said), "{bad}: {problem}");
        }
    }

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
