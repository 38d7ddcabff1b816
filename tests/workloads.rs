//! Tests of the code that benches/workloads measures.
#![expect(dead_code, reason = "what is measured and not tested by itself")]

#[path = "../benches/workloads/causal.rs"]
mod causal;
#[path = "../benches/workloads/growth.rs"]
mod growth;
#[path = "../benches/workloads/optics.rs"]
mod optics;
