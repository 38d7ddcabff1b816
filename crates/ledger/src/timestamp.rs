//! Moments as the ledger stores and shows them: milliseconds since 1970, shown as RFC 3339 in UTC.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};

use super::database::DatabaseError;

/// 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write.
const LAST_MS: u64 = 253_402_300_799_999;

/// A moment, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestamp(SystemTime);

impl Timestamp {
    /// The moment so many milliseconds after the start of 1970.
    pub(super) fn from_ms(ms: u64) -> Result<Self, DatabaseError> {
        if ms > LAST_MS {
            return Err(DatabaseError::Corrupt("a time after the year 9999"));
        }
        Ok(Self(UNIX_EPOCH + Duration::from_millis(ms)))
    }

    /// The moment of a clock, held inside the years 1970 to 9999.
    pub(super) fn at(time: SystemTime) -> Self {
        Self(time.clamp(UNIX_EPOCH, UNIX_EPOCH + Duration::from_millis(LAST_MS)))
    }

    /// Whole seconds since the start of 1970.
    pub(super) fn seconds(self) -> u64 {
        self.0.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Milliseconds since the start of 1970.
    pub(super) fn ms(self) -> u64 {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(LAST_MS)
    }

    /// Microseconds since the start of 1970.
    pub(super) fn us(self) -> u64 {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&humantime::format_rfc3339_millis(self.0), f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_in_utc_and_impossible_ones_refused() {
        assert_eq!(
            Timestamp::from_ms(1_735_689_600_001).unwrap().to_string(),
            "2025-01-01T00:00:00.001Z"
        );
        assert_eq!(Timestamp::from_ms(LAST_MS).unwrap().to_string(), "9999-12-31T23:59:59.999Z");
        assert!(Timestamp::from_ms(LAST_MS + 1).is_err());
        let before = Timestamp::at(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!((before.ms(), before.seconds()), (0, 0));
    }
}
