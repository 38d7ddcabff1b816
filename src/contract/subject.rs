//! What claims are about, by name.

use std::fmt;

/// The name of a subject: of what a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectId<'a> {
    /// A check, as `endpoint/variant`.
    Check(&'a str),
    /// An operation over all its sizes as `name`, or at one of them as `name/size`.
    Operation(&'a str),
    /// A window of production: an objective by its name, or a route as `GET /orders/{id}`.
    Window(&'a str),
}

impl<'a> SubjectId<'a> {
    /// The name among subjects of its sort.
    pub const fn name(self) -> &'a str {
        match self {
            Self::Check(name) | Self::Operation(name) | Self::Window(name) => name,
        }
    }

    /// What sort of subject it is, in a word.
    pub const fn sort(self) -> &'static str {
        match self {
            Self::Check(_) => "check",
            Self::Operation(_) => "operation",
            Self::Window(_) => "window",
        }
    }
}

impl fmt::Display for SubjectId<'_> {
    /// The name among all subjects: that of a check, or `operation::name/size` or `production::name`,
    /// which no check has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(name) => f.write_str(name),
            Self::Operation(name) => write!(f, "operation::{name}"),
            Self::Window(name) => write!(f, "production::{name}"),
        }
    }
}
