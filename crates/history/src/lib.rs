//! What changed, and at which commit: a history of performance passports.
//!
//! A [`Store`](store::Store) keeps passports by their hash, and records of what people decided beside
//! them. An [`Index`](index::Index) is derived of it, and may be deleted. A
//! [`Timeline`](timeline::Timeline) puts the figures of passports on the line of first parents of a
//! git repository. [`events`] finds where exact figures changed, and [`chart`] nominates suspicions
//! among times. [`log`], [`trend`] and [`site`] show it.
//!
//! Nothing here measures, and nothing here convicts: a suspicion is for `passport compare` to prove.

pub mod error;
pub mod git;
pub mod figures;
pub mod store;
pub mod record;
pub mod index;
pub mod timeline;
pub mod events;
pub mod chart;
pub mod suspicions;
pub mod history;
pub mod log;
pub mod prune;
pub mod curve;
pub mod trend;
pub mod site;
pub mod gathered;

pub use error::HistoryError;
pub use history::History;
