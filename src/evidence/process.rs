//! Memory of the measured process.

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// Memory of the measured process.
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
}

impl ProcessEvidence {
    /// The most resident memory that is known of the check itself.
    ///
    /// A high-water mark that did not rise is that of something earlier: of another check, or of
    /// the start of the process.
    pub fn rss_highest(&self) -> Bytes {
        let at_the_ends = self.rss_before_bytes.max(self.rss_after_bytes);
        let rose = self.rss_peak_bytes > self.rss_peak_before_bytes;
        if rose { at_the_ends.max(self.rss_peak_bytes) } else { at_the_ends }
    }
}
