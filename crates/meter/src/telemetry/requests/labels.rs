//! The values of the labels `method` and `status`: few, whatever a request brings.

use http::Method;

/// The value of `method`: one of nine, or `OTHER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MethodLabel(u8);

pub(super) const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "OTHER"];

impl MethodLabel {
    #[inline]
    pub(super) fn of(method: &Method) -> Self {
        Self(match *method {
            Method::GET => 0,
            Method::HEAD => 1,
            Method::POST => 2,
            Method::PUT => 3,
            Method::DELETE => 4,
            Method::CONNECT => 5,
            Method::OPTIONS => 6,
            Method::TRACE => 7,
            Method::PATCH => 8,
            _ => 9,
        })
    }

    pub(super) const fn is_head(self) -> bool {
        self.0 == 1
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) const fn as_str(self) -> &'static str {
        METHODS[self.0 as usize]
    }
}

/// The value of `status`: a class, or `aborted` for a request that nobody waited for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(u8);

pub(super) const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "aborted"];

impl Class {
    pub(super) const FAILED: Self = Self(4);
    pub(super) const ABORTED: Self = Self(5);

    /// The class of a status. One above 599 is the server's fault (RFC 9110, section 15).
    #[inline]
    pub(super) fn of(status: u16) -> Self {
        Self(match status {
            100..200 => 0,
            200..300 => 1,
            300..400 => 2,
            400..500 => 3,
            _ => 4,
        })
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) const fn as_str(self) -> &'static str {
        CLASSES[self.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_methods_have_their_name() {
        for name in &METHODS[..9] {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(MethodLabel::of(&method).as_str(), *name);
        }
        for name in ["get", "BREW", "GETGETGETGETGETGETGET", "OTHER", "~"] {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(MethodLabel::of(&method).as_str(), "OTHER");
        }
    }

    #[test]
    fn every_status_has_a_class() {
        for code in 100..1000 {
            let expected = if code < 600 { format!("{}xx", code / 100) } else { "5xx".to_owned() };
            assert_eq!(Class::of(code).as_str(), expected);
        }
    }
}
