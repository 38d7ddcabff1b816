//! The `passport` command.

use std::process::ExitCode;

use perf_passport::{
    allocation::{CountingAllocator, OracleAllocator},
    cli,
};

/// Counts allocations for each request; asks dhat only while an oracle pass runs.
#[global_allocator]
static ALLOCATOR: CountingAllocator<OracleAllocator> = CountingAllocator::wrapping(OracleAllocator);

fn main() -> ExitCode {
    cli::main()
}
