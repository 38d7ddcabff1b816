//! Durations on the command line: `20s`, `2m`, or seconds.

use perf_passport::units::Nanos;

/// The longest, a hundred years.
const SECONDS_MAX: u64 = 3_153_600_000;

/// Reads a duration; a bare number is seconds.
pub(super) fn parse(text: &str) -> Result<Nanos, String> {
    let seconds = text.parse().ok().map(std::time::Duration::from_secs);
    let duration = match seconds {
        Some(duration) => duration,
        None => humantime::parse_duration(text)
            .map_err(|error| format!("{error}: write 20s, 2m, or seconds"))?,
    };
    if duration.as_secs() > SECONDS_MAX {
        return Err("it is longer than a hundred years".to_owned());
    }
    Ok(Nanos::from_duration(duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_bare_numbers_are_seconds() {
        let read = |text: &str| parse(text).map(|it| it.get() / 1_000_000);
        for (text, ms) in
            [("20", 20_000), ("0", 0), ("20s", 20_000), ("2m", 120_000), ("1m 5s", 65_000)]
        {
            assert_eq!(read(text), Ok(ms), "{text}");
        }
        assert_eq!(read("250ms"), Ok(250));
        for text in ["", "-1", "s", "2 parsecs", "20s20", "1000years", "99999999999999999999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
