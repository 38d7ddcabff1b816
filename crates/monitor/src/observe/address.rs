//! The address of whom is asked: what of it is told, and what it must be.
//!
//! A path or a query may hold a secret. So scheme, host and port are told, and `/metrics`; what else there is
//! is told as `/...`.

use std::net::IpAddr;

use perf_passport::text::printable;

use super::{Access, Credentials, client::SECRET_MIN};

const SHOWN_MAX: usize = 300;
/// The path at which services expose metrics by default.
pub(super) const METRICS: &str = "/metrics";
/// Words of a path that everybody knows.
const KNOWN: [&str; 4] = ["metrics", "prometheus", "api", "query"];

/// The parts of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    scheme: &'a str,
    /// Host and port, with credentials where it has any.
    authority: &'a str,
    /// Path, query and fragment.
    rest: &'a str,
}

impl Access {
    /// The address as messages and documents have it.
    pub fn shown(&self) -> String {
        let Some(Parts { scheme, authority, rest }) = parts(&self.url) else {
            return "no address".to_owned();
        };
        let host = authority.rsplit('@').next().unwrap_or_default();
        let path = match rest {
            "" | "/" => "",
            METRICS => METRICS,
            _ => "/...",
        };
        printable(format!("{scheme}://{host}{path}").as_bytes(), SHOWN_MAX)
    }

    /// Host and port.
    pub fn host_and_port(&self) -> &str {
        parts(&self.url).map_or("", |it| it.authority)
    }

    /// The host.
    pub fn host(&self) -> &str {
        let authority = self.host_and_port();
        match authority.strip_prefix('[').and_then(|it| it.split_once(']')) {
            Some((address, _)) => address,
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    /// Base URL and path of what is scraped: `/metrics` where it has none.
    pub(super) fn split(&self) -> (String, String) {
        match parts(&self.url) {
            Some(Parts { scheme, authority, rest }) => {
                let path = match rest {
                    "" | "/" => METRICS.to_owned(),
                    query if query.starts_with('?') => format!("/{query}"),
                    path => path.to_owned(),
                };
                (format!("{scheme}://{authority}"), path)
            }
            None => (self.url.clone(), METRICS.to_owned()),
        }
    }

    /// What is wrong with the address, in a clause; `is_base` where it is one that paths are put after.
    pub(super) fn problem(&self, is_base: bool) -> Option<&'static str> {
        let Some(parts) = parts(&self.url) else {
            return Some("does not begin with http:// or https:// and a host");
        };
        if parts.authority.contains('@') {
            return Some(
                "has credentials: give them by --user and --password-file, or --token-file",
            );
        }
        if is_base && parts.rest.contains(['?', '#']) {
            return Some(
                "has a query or fragment: give the base URL, which other paths are put after",
            );
        }
        if parts.rest.contains('#') {
            return Some("has a fragment, which no server sees: leave it out");
        }
        let is_secret = !matches!(self.credentials, Credentials::None);
        let is_plain = parts.scheme.eq_ignore_ascii_case("http") && !is_loopback(self.host());
        (is_secret && is_plain && !self.allow_plain_http).then_some(
            "is plain http to another machine, and a secret could be read on its way: use https, or \
             --allow-plain-http",
        )
    }

    /// Parts of path and query that no message may repeat.
    pub(super) fn secrets(&self) -> Vec<String> {
        let rest = parts(&self.url).map_or("", |it| it.rest);
        let parts = rest.split(['/', '?', '&', '=', '#']);
        let secret = |it: &&str| it.len() >= SECRET_MIN && !KNOWN.contains(it);
        parts.filter(secret).map(str::to_owned).collect()
    }
}

fn parts(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let is_web = ["http", "https"].iter().any(|it| scheme.eq_ignore_ascii_case(it));
    (is_web && !authority.is_empty()).then_some(Parts { scheme, authority, rest })
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(url: &str) -> Access {
        Access { url: url.to_owned(), ..Access::default() }
    }

    #[test]
    fn metrics_are_at_the_path_of_the_url() {
        for (url, base, path) in [
            ("http://h:1", "http://h:1", "/metrics"),
            ("http://h:1/", "http://h:1", "/metrics"),
            ("http://h/a/metrics?x=1", "http://h", "/a/metrics?x=1"),
            ("http://h?x=1", "http://h", "/?x=1"),
            ("https://h/m", "https://h", "/m"),
        ] {
            assert_eq!(access(url).split(), (base.to_owned(), path.to_owned()), "{url}");
        }
    }

    #[test]
    fn a_path_and_a_query_are_not_told() {
        for (url, shown) in [
            ("http://h:9090", "http://h:9090"),
            ("http://h:9090/", "http://h:9090"),
            ("http://h/metrics", "http://h/metrics"),
            ("http://h/metrics?token=s3cret", "http://h/..."),
            ("https://h/s3cret/prometheus", "https://h/..."),
            ("https://u:s3cret@h", "https://h"),
            ("s3cret", "no address"),
        ] {
            assert_eq!(access(url).shown(), shown);
        }
        assert_eq!(
            access("https://h/s3cret/metrics?key=s3cr3t&a=b").secrets(),
            ["s3cret", "s3cr3t"]
        );
    }

    #[test]
    fn an_address_says_what_is_wrong_with_it() {
        for (url, said) in [
            ("localhost:9090", "http://"),
            ("ftp://h", "http://"),
            ("http://", "http://"),
            ("http://u@h", "--password-file"),
            ("http://h/?a=b", "base URL"),
            ("http://h/#/graph", "base URL"),
        ] {
            let problem = access(url).problem(true).unwrap();
            assert!(problem.contains(said), "{url}: {problem}");
        }
        assert_eq!(access("http://h/metrics?a=b").problem(false), None);
        assert!(access("http://h/metrics#a").problem(false).unwrap().contains("fragment"));
    }

    #[test]
    fn a_secret_goes_to_no_other_machine_in_plain_text() {
        let with = |url: &str, allow_plain_http: bool| {
            let credentials = Credentials::Bearer("s3cret".to_owned());
            Access { credentials, allow_plain_http, ..access(url) }.problem(true)
        };
        for url in ["http://localhost:1", "http://127.0.0.2", "http://[::1]:9090", "https://h"] {
            assert_eq!(with(url, false), None, "{url}");
        }
        for url in ["http://h", "HTTP://10.0.0.1:9090", "http://[fe80::1]", "http://127.0.0.1.h"] {
            assert!(with(url, false).unwrap().contains("plain http"), "{url}");
            assert_eq!(with(url, true), None, "{url}");
        }
        assert_eq!(access("http://h").problem(true), None);
    }
}
