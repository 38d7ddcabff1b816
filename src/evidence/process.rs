//! Memory of the measured process.

use serde::{Deserialize, Serialize};

use crate::{
    process_memory::ProcessMemory,
    units::{Bytes, Count},
};

/// Memory of the measured process and of those that it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProcessEvidence {
    /// Resident memory before the check.
    pub rss_before_bytes: Bytes,
    /// Resident memory after it.
    pub rss_after_bytes: Bytes,
    /// The high-water mark since the process started, before the check.
    pub rss_peak_before_bytes: Bytes,
    /// The same after it.
    pub rss_peak_bytes: Bytes,
    /// How many processes these figures are of, where they are of several: what these share is in them
    /// once for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<Count>,
    /// The least that several processes surely held, before the check or after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_min_bytes: Option<Bytes>,
}

impl ProcessEvidence {
    /// What was read before a check and after it.
    pub fn of(before: ProcessMemory, after: ProcessMemory) -> Self {
        let processes = before.processes.max(after.processes);
        let several = processes > Count::new(1);
        Self {
            rss_before_bytes: before.rss,
            rss_after_bytes: after.rss,
            rss_peak_before_bytes: before.rss_peak,
            rss_peak_bytes: after.rss_peak,
            processes: several.then_some(processes),
            held_min_bytes: several.then_some(before.held_min.max(after.held_min)),
        }
    }

    /// The most resident memory that is known of the check itself; of several processes, what they hold
    /// at most.
    ///
    /// A high-water mark that did not rise is that of something earlier: of another check, or of
    /// the start of the process.
    pub fn rss_highest(&self) -> Bytes {
        let at_the_ends = self.rss_before_bytes.max(self.rss_after_bytes);
        let rose = self.rss_peak_bytes > self.rss_peak_before_bytes;
        if rose { at_the_ends.max(self.rss_peak_bytes) } else { at_the_ends }
    }
}
