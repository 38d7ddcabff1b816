//! What a comparison is of: workers, or servers.

use crate::{servers::Servers, side::Sides};

/// What is compared.
#[derive(Debug, Clone)]
pub enum Subjects<'a> {
    /// Executables that are workers.
    Workers(Box<Sides>),
    /// Servers that are asked over HTTP.
    Servers(Box<Servers<'a>>),
}

impl Subjects<'_> {
    /// Whether the same processes answer in all sessions.
    pub(crate) fn are_running(&self) -> bool {
        match self {
            Self::Workers(_) => false,
            Self::Servers(servers) => servers.are_running(),
        }
    }
}
