//! Moments as text: RFC 3339 in UTC.
//!
//! Such text has four digits for the year, and a file system or a clock may tell of any other year.
//! [`rfc3339`] writes the nearest moment then, and [`can_be_written`] says whether that is another one.
//! Nothing here reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 9999-12-31T23:59:59.999Z, in milliseconds.
const LAST_MS: u64 = 253_402_300_799_999;

/// A moment to the millisecond; that nearest to it of the years 1970 to 9999.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use perf_passport::timestamp::rfc3339;
///
/// assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(1)), "1970-01-01T00:00:00.001Z");
/// assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_millis(1)), "1970-01-01T00:00:00.000Z");
/// ```
pub fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at.clamp(UNIX_EPOCH, last())).to_string()
}

/// Whether a moment is of the years 1970 to 9999.
pub fn can_be_written(at: SystemTime) -> bool {
    (UNIX_EPOCH..=last()).contains(&at)
}

fn last() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(LAST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_outside_of_the_years_that_can_be_written_are_held_inside() {
        let year = Duration::from_secs(366 * 86_400);
        for (at, text) in
            [(UNIX_EPOCH, "1970-01-01T00:00:00.000Z"), (last(), "9999-12-31T23:59:59.999Z")]
        {
            assert!(can_be_written(at));
            assert_eq!(rfc3339(at), text);
        }
        assert!(!can_be_written(UNIX_EPOCH - year) && !can_be_written(last() + year));
        assert_eq!(rfc3339(UNIX_EPOCH - year), rfc3339(UNIX_EPOCH));
        assert_eq!(rfc3339(last() + year), rfc3339(last()));
    }
}
