//! The reference service: a small real API on a real database, to show this crate on.

pub mod merkle;
pub mod hash;
