//! Production: what the counters of a running service say, held against the contract.
//!
//! [`ProductionEvidence`] is what was read: integer deltas of counters in windows that follow each other.
//! [`Production`] is what follows from that: of each objective and of each route with a budget a
//! [`WindowResult`], and the mix of routes. [`watched_routes`] says what must be read for that. All are pure
//! functions of contract and evidence, so that [`crate::passport::verify`] decides the same again. Nothing
//! here asks a service.

mod evidence;
mod limits;
mod result;
mod rule_1;
mod rule_2;
mod tally;

pub use evidence::{
    CounterDoubt, CounterSource, EdgeTally, LateStart, OtherRoute, ProductionEvidence,
    ProductionEvidenceError, RouteTally, UnsureTally, WINDOWS_MAX,
};
pub use limits::{WatchedRoute, watched_routes};
pub use result::{Production, RouteShare, ShareSummary, WindowResult};
