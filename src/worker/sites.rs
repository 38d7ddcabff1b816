//! Where work allocates, told by dhat in a worker that does nothing else meanwhile.

use crate::{
    allocation::{self, AllocationSite, BacktraceError, Measuring, OracleError, Watched},
    probe::COLLECTED,
};

/// What to do about a harness that dhat cannot see into.
const NOT_INSTALLED: &str = "declare `CountingAllocator::wrapping(OracleAllocator)` as the global \
                             allocator of the harness";

/// The modules of this package that measure.
const MEASURING: Measuring<'_> = Measuring {
    name: "perf_passport",
    sources: concat!(env!("CARGO_MANIFEST_DIR"), "/src/"),
    modules: &["harness", "pipeline", "probe", "worker"],
};

/// Does the work under dhat; what it came to, and where it allocated below the function that is collected.
///
/// # Errors
///
/// What the work says, or why nobody can tell.
pub(super) fn watched<T>(
    work: impl FnOnce() -> Result<T, String>,
) -> Result<(T, Vec<AllocationSite>), String> {
    let directory = super::cache_directory().ok_or("the worker has no directory")?;
    let file = directory.join(format!("dhat-{}.json", std::process::id()));
    let below = COLLECTED.trim_matches('*');
    let watched = Watched { file: &file, below, asker: Some(MEASURING) };
    let found = allocation::sites_with_dhat(&watched, work);
    let (done, sites) = found.map_err(|error| match error {
        BacktraceError::Oracle(OracleError::NotInstalled) => NOT_INSTALLED.to_owned(),
        error => error.to_string(),
    })?;
    Ok((done?, sites))
}
