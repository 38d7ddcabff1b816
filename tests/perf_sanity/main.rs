//! The endpoint sanity checks: the contract of the reference service, held against the real router
//! on a real database, dhat included; and a snapshot of the passport's hash and exact counts.
//!
//! `cargo test --features perf_sanity` runs them all, `-- --skip slow` leaves the slow ones out.

use std::process::ExitCode;

use perf_passport::{
    allocation::{CountingAllocator, OracleAllocator},
    harness::Harness,
    report, worker,
};
use perf_passport_ledger as ledger;

#[global_allocator]
static ALLOCATOR: CountingAllocator<OracleAllocator> = CountingAllocator::wrapping(OracleAllocator);

/// The seed that passport.toml names for its fixtures.
const SEED: u64 = 42;

fn main() -> ExitCode {
    Harness::new("passport.toml", |fixture| async move {
        match worker::cache_directory() {
            Some(directory) => ledger::service_from_copy(&fixture, SEED, &directory).await,
            None => ledger::service_for_fixture(&fixture, SEED, None).await,
        }
    })
    .inspect("passport", |passport| {
        insta::with_settings!({
            snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"),
            prepend_module_to_snapshot => false,
        }, {
            insta::assert_snapshot!("perf_sanity", report::exact_counts(passport));
        });
    })
    .run()
}
