//! How a report looks on a terminal.

/// How lines are dressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Plain ASCII.
    Plain,
    /// With ANSI colours, for a terminal.
    Colour,
}
