//! Everything observed of one check, and what holds of all of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    behaviour::Behaviour,
    bodies::Bodies,
    contradiction::{EvidenceError, holds, is_sha256},
    counts::{Counts, OracleCounts},
    heap_growth::HeapGrowth,
    process::ProcessEvidence,
    rows::RowCoverage,
};
use crate::{
    contract::Check,
    statistics::Histogram,
    units::{Count, Nanos, Ppm},
};

/// More samples than a contract may ask for. Bounds of quantiles are found by going through as many, so
/// that a passport from outside could else be verified for ever.
const SAMPLES_MAX: Count = Count::new(1 << 24);

/// Everything observed of one check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The files that the requests were made of, as the contract names them, with their SHA-256; left out
    /// where there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// What the responses were like; `null` when there was none.
    pub behaviour: Option<Behaviour>,
    /// What the service spent, exactly; `null` where nobody counted.
    pub counts: Option<Counts>,
    /// What the service keeps of requests; left out where the contract does not ask, and where nobody
    /// counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_growth: Option<HeapGrowth>,
    /// What dhat counted for one sample; `null` where it did not run.
    pub oracle: Option<OracleCounts>,
    /// How many of its rows were timed; left out where the check has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCoverage>,
    /// Latency of each timed sample, first byte sent to last byte received; in process without the
    /// time that was waited for a processor.
    pub latency: Histogram,
    /// How long the service says that it took for each timed sample of which it told every request.
    /// `null` where it tells nothing, or once more than the round trip took, and in process.
    pub server_latency: Option<Histogram>,
    /// Timed samples of which the service told a time above that of the round trip, as one in a wrong
    /// unit is: then none of its times is used.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub told_above_round_trip_samples: Count,
    /// What was left out of the samples of `latency`, all together: time in which the service could have run
    /// and another process had the processor. `null` where nobody knows.
    pub cpu_wait_ns: Option<Nanos>,
    /// Timed samples out of which nothing, or not all, was left, because a wait was no shorter than
    /// its request and so lay beside it at least in part.
    pub cpu_wait_kept_samples: Count,
    /// The share of the time of timing in which some thread of this machine waited for a processor;
    /// `null` in process, where that is left out, and where nobody knows.
    pub cpu_pressure_ppm: Option<Ppm>,
    /// Memory of the measured process; `null` where it could not be read.
    pub process: Option<ProcessEvidence>,
    /// Samples that were sent first and not counted.
    pub warmup_samples: Count,
    /// Samples that could not be measured.
    pub failed_samples: Count,
    /// Why the first of them could not; printable ASCII.
    pub first_failure: Option<String>,
    /// What is shown of the bodies while the process lives; in no file.
    #[serde(skip)]
    pub bodies: Bodies,
}

impl Evidence {
    /// Checks what holds of all evidence that was gathered for `check`, for some that was read from
    /// outside.
    ///
    /// # Errors
    ///
    /// [`EvidenceError`] naming the field that contradicts the others.
    pub fn validate(&self, check: &Check) -> Result<(), EvidenceError> {
        if let Some(behaviour) = &self.behaviour {
            behaviour.validate(check)?;
        }
        let files = check.files();
        let known = self.inputs.iter().all(|(name, it)| files.contains(&**name) && is_sha256(it));
        let whole = self.inputs.is_empty() || self.inputs.len() == files.len();
        holds("inputs", known && whole, "are not the files of the contract")?;
        let answered = self.behaviour.is_some();
        let unanswered = "is there, and no response is";
        holds("counts", answered || self.counts.is_none(), unanswered)?;
        holds("oracle", answered || self.oracle.is_none(), unanswered)?;
        if let Some(counts) = &self.counts {
            counts.validate()?;
        }
        holds("heap_growth", answered || self.heap_growth.is_none(), unanswered)?;
        if let Some(growth) = &self.heap_growth {
            growth.validate()?;
        }
        holds("rows", check.rows.is_some() || self.rows.is_none(), "is there, and no row is")?;
        if let Some(rows) = &self.rows {
            rows.validate()?;
        }
        let valid = |field, histogram: &Histogram| {
            let valid = histogram.validate();
            valid.map_err(|source| EvidenceError::Histogram { field, source })
        };
        valid("latency", &self.latency)?;
        let taken = self.latency.samples() <= SAMPLES_MAX;
        holds("latency", taken, "has more samples than a contract may ask for")?;
        if let Some(told) = &self.server_latency {
            valid("server_latency", told)?;
            let fits = !told.is_empty() && told.samples() <= self.latency.samples();
            holds("server_latency", fits, "has no sample, or more than `latency`")?;
        }
        let above = self.told_above_round_trip_samples;
        let fits = above == Count::ZERO || self.server_latency.is_none();
        holds(
            "told_above_round_trip_samples",
            fits && above <= self.latency.samples(),
            "is above the samples of `latency`, or there beside `server_latency`",
        )?;
        if let Some(process) = &self.process {
            let fits = process.processes.is_some() == process.held_min_bytes.is_some()
                && process.processes.is_none_or(|it| it > Count::new(1));
            holds("process.held_min_bytes", fits, "is not that of several processes")?;
            let most = process.rss_before_bytes.max(process.rss_after_bytes);
            let fits = process.held_min_bytes.is_none_or(|it| it <= most);
            holds("process.held_min_bytes", fits, "is above what all of them have")?;
        }
        if let Some(oracle) = &self.oracle {
            let within = oracle.request_allocations <= oracle.allocations;
            holds("oracle.request_allocations", within, "is above `allocations`")?;
        }
        let known = self.cpu_wait_ns.is_some() || self.cpu_wait_kept_samples == Count::ZERO;
        holds(
            "cpu_wait_kept_samples",
            known && self.cpu_wait_kept_samples <= self.latency.samples(),
            "is above the samples of which the wait is known",
        )?;
        holds(
            "first_failure",
            self.first_failure.is_some() == (self.failed_samples > Count::ZERO),
            "says that a sample failed, or none did, and `failed_samples` says otherwise",
        )
    }
}
