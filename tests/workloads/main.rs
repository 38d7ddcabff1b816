//! Tests of the code that benches/workloads measures.

#[path = "../../benches/workloads/causal.rs"]
mod causal;
#[path = "../../benches/workloads/growth.rs"]
mod growth;
#[path = "../../benches/workloads/optics.rs"]
mod optics;

mod causal_truth;
mod growth_work;
mod optics_laws;
