//! Tests of the code that benches/workloads and `examples/memory_bound` measure.

#[path = "../../benches/workloads/causal.rs"]
mod causal;
#[path = "../../benches/workloads/growth.rs"]
mod growth;
#[path = "../../benches/workloads/optics.rs"]
mod optics;
#[path = "../../examples/memory_bound/tables.rs"]
mod tables;

mod causal_truth;
mod growth_work;
mod memory_tables;
mod optics_laws;
