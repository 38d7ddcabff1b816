//! Probes: they send one request and say what came back and what it cost.
//!
//! A [`Probe`] is synchronous and sends one request at a time; what drives it (an executor, a
//! connection pool) is its own. It judges nothing: whether a response was the right one is decided
//! by [`crate::pipeline`]. In process a probe drives a `tower::Service` and perturbs the latency by
//! nothing but two clock reads; over HTTP it measures any base URL, and each latency holds the cost
//! of the client and of the loopback or network as well.

#[cfg(any(feature = "http", feature = "instrument"))]
mod cpu_pressure;
#[cfg(feature = "instrument")]
mod cpu_wait;
mod collected;
mod json_string;
mod ignored;
mod json_form;
mod pointed;
mod request;
mod exchange;
mod error;
mod target;
mod values;
mod rows;
mod materials;
mod planned_text;
mod planned;
mod plan;
#[cfg(feature = "instrument")]
mod instance;
mod response;
#[cfg(any(feature = "http", feature = "instrument"))]
mod response_headers;
mod server_timing;
#[cfg(feature = "http")]
mod http_client;
#[cfg(feature = "instrument")]
mod in_process;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod ready;

pub use collected::{COLLECTED, SAMPLE_ENDS};
pub(crate) use collected::{collected, end_sample};
pub use error::ProbeError;
pub use exchange::{Cost, Exchange};
#[cfg(feature = "http")]
pub use http::{HttpProbe, HttpSettings, HttpTarget};
pub(crate) use ignored::IgnoredPointers;
#[cfg(feature = "instrument")]
pub use in_process::{InProcessTarget, Request};
pub use materials::{PlanError, input_digest};
pub use plan::SamplePlan;
pub(crate) use plan::{Answered, Continue};
pub(crate) use pointed::{is_json, values_at};
#[cfg(feature = "http")]
pub use ready::{Awaited, ReadyWhen, wait_until_ready};
pub use request::{PreparedRequest, SetupRequest};
pub use response::{Normalised, header_digests, wire_digest};
pub use server_timing::{ServerTiming, performance_block, process_time};
pub use target::{Pass, Probe, Target};
pub(crate) use values::{Values, forms, markup_form};
