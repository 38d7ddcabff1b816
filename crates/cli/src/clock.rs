//! The clock of a run, refused where what is measured cannot be dated.

use std::time::SystemTime;

use anyhow::anyhow;

use super::exit::Failure;
use perf_passport::{
    clock::{Clock, SystemClock},
    timestamp::can_be_written,
};

/// The clock of this run, started.
pub(super) fn started() -> Result<SystemClock, Failure> {
    let clock = SystemClock::start();
    refuse_what_cannot_be_written(clock.now())?;
    Ok(clock)
}

fn refuse_what_cannot_be_written(now: SystemTime) -> Result<(), Failure> {
    if can_be_written(now) {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "the clock of this machine is before 1970 or after 9999, and a passport is dated: set the clock"
    )))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::exit::Code;

    #[test]
    fn a_clock_that_no_passport_can_be_dated_by_is_refused() {
        assert!(refuse_what_cannot_be_written(UNIX_EPOCH).is_ok());
        let failure = refuse_what_cannot_be_written(UNIX_EPOCH - Duration::from_secs(1));
        let failure = failure.unwrap_err();
        assert_eq!(failure.code, Code::Usage);
        assert!(failure.to_string().contains("set the clock"), "{failure}");
    }
}
