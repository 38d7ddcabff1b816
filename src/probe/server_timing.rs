//! What a service says of its own cost, read from a response.
//!
//! [`ServerTiming`] is read from `Server-Timing` headers, [`process_time`] from `X-Process-Time`,
//! and [`performance_block`] from a JSON body. All of it comes from outside: what is malformed or
//! contradicts itself says nothing, and nothing here panics. Whether it is true is not checked.

use serde::{Deserialize, de::IgnoredAny};

use super::exchange::Cost;
use crate::{
    evidence::CountSource,
    units::{Bytes, Count, Nanos},
};

/// Characters of a number; what is longer was not written by a measurement.
const NUMBER_LENGTH_MAX: usize = 64;

/// More allocations or bytes than any one request has: what tells of as many is wrong, and tells nothing.
/// A thousand times as many, which a sample may have, still have an exact hash.
const COUNT_MAX: u64 = 1 << 43;

/// The metrics of `Server-Timing` headers that this crate knows.
///
/// `total;dur=1.25, alloc;desc="45", alloc-bytes;desc="1234", heap-peak;desc="5678"`: the duration
/// is in milliseconds, as the W3C's Server Timing says; counts and bytes are integers in the
/// description, quoted or not, because `dur` is for durations. A metric that is given twice with
/// different values is not known, and neither is a count above 2^43.
///
/// ```
/// use perf_passport::{probe::ServerTiming, units::{Count, Nanos}};
///
/// let said = ServerTiming::parse(&[br#"db;dur=1, total;dur=1.25, alloc;desc="45""#]);
/// assert_eq!(said.total, Some(Nanos::new(1_250_000)));
/// assert_eq!(said.allocations, Some(Count::new(45)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerTiming {
    /// `total;dur`: what the service spent on the request.
    pub total: Option<Nanos>,
    /// `alloc;desc`: its allocations.
    pub allocations: Option<Count>,
    /// `alloc-bytes;desc`: their bytes.
    pub allocated_bytes: Option<Bytes>,
    /// `heap-peak;desc`: the largest heap that the request held.
    pub heap_peak: Option<Bytes>,
}

impl ServerTiming {
    /// Reads the values of all `Server-Timing` headers of a response, in any number of lines.
    pub fn parse(lines: &[&[u8]]) -> Self {
        let duration = |value: &[u8]| decimal(value, 6);
        Self {
            total: metric(lines, b"total", b"dur", duration).map(Nanos::new),
            allocations: metric(lines, b"alloc", b"desc", integer).map(Count::new),
            allocated_bytes: metric(lines, b"alloc-bytes", b"desc", integer).map(Bytes::new),
            heap_peak: metric(lines, b"heap-peak", b"desc", integer).map(Bytes::new),
        }
    }

    /// The cost, where the allocations were counted.
    pub fn cost(&self) -> Option<Cost> {
        Some(Cost {
            source: CountSource::ServerTiming,
            allocations: self.allocations?,
            allocated_bytes: self.allocated_bytes,
            heap_peak: self.heap_peak,
            process_allocations: None,
            several_threads: false,
        })
    }
}

/// The duration in an `X-Process-Time` header, which is in seconds: `0.0123` or `5.2e-05`.
pub fn process_time(value: &[u8]) -> Option<Nanos> {
    decimal(value.trim_ascii(), 9).map(Nanos::new)
}

/// The cost in the `performance` object of a JSON body.
///
/// `allocations` is required; `allocated_bytes` and `heap_peak_bytes` may be left out. Other keys
/// are ignored: an `object_delta` is what stayed alive and not what was allocated. `None` for a
/// body that is not such JSON or repeats one of these keys.
pub fn performance_block(body: &[u8]) -> Option<Cost> {
    #[derive(Deserialize)]
    struct Body {
        performance: Block,
    }

    #[derive(Deserialize)]
    struct Block {
        allocations: u64,
        allocated_bytes: Option<u64>,
        heap_peak_bytes: Option<u64>,
        // Derived structs also read arrays, unless they flatten; only an object is meant.
        #[serde(flatten)]
        _others: IgnoredAny,
    }

    // The same for the body, which flattening would copy.
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let Body { performance } = serde_json::from_slice(body).ok()?;
    Some(Cost {
        source: CountSource::PerformanceBlock,
        allocations: credible(performance.allocations).map(Count::new)?,
        allocated_bytes: performance.allocated_bytes.and_then(credible).map(Bytes::new),
        heap_peak: performance.heap_peak_bytes.and_then(credible).map(Bytes::new),
        process_allocations: None,
        several_threads: false,
    })
}

/// The one value that all metrics called `name` give for `parameter`.
fn metric(
    lines: &[&[u8]],
    name: &[u8],
    parameter: &[u8],
    read: impl Fn(&[u8]) -> Option<u64>,
) -> Option<u64> {
    let mut values = lines.iter().flat_map(|line| split(line, b',')).filter_map(|metric| {
        let mut parts = split(metric, b';');
        (parts.next()?.trim_ascii() == name).then(|| first(parts, parameter).and_then(&read))
    });
    let value = values.next()??;
    values.all(|other| other == Some(value)).then_some(value)
}

/// The value of the first parameter of this name: the standard says that the first one counts.
fn first<'a>(parts: impl Iterator<Item = &'a [u8]>, name: &[u8]) -> Option<&'a [u8]> {
    let value = parts.into_iter().find_map(|part| {
        let equals = part.iter().position(|&byte| byte == b'=')?;
        let (key, value) = (&part[..equals], &part[equals + 1..]);
        key.trim_ascii().eq_ignore_ascii_case(name).then_some(value.trim_ascii())
    })?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.strip_suffix(b"\""),
        None => Some(value),
    }
}

/// The parts between separators that are not within quotes; at least one.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |&byte| {
        let between = byte == separator && !quoted;
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && quoted && !escaped;
        between
    })
}

/// An integer of digits only: `u64::from_str` would take a sign.
fn integer(text: &[u8]) -> Option<u64> {
    let digits = text.len() <= NUMBER_LENGTH_MAX && text.iter().all(u8::is_ascii_digit);
    credible(str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()?)
}

/// The count, where a request can have as many.
fn credible(count: u64) -> Option<u64> {
    (count <= COUNT_MAX).then_some(count)
}

/// A decimal such as `12.5` or `5.2e-05`, times ten to the `scale`, rounded down. `None` when it
/// is negative, no number, or too large.
fn decimal(text: &[u8], scale: i32) -> Option<u64> {
    let text = str::from_utf8(text).ok().filter(|text| text.len() <= NUMBER_LENGTH_MAX)?;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // Where the decimal point lies, counted in significant digits.
    let zeros = i32::try_from(digits.len() - significant.len()).ok()?;
    let point = i32::try_from(whole.len()).ok()? + i32::from(exponent) + scale - zeros;
    let kept = usize::try_from(point.max(0)).ok().filter(|&kept| kept <= 20)?;
    let padded = significant.bytes().chain(std::iter::repeat(b'0'));
    padded
        .take(kept)
        .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(line: &str) -> ServerTiming {
        ServerTiming::parse(&[line.as_bytes()])
    }

    #[test]
    fn the_four_metrics_are_read_quoted_or_not_over_several_lines() {
        let full = ServerTiming {
            total: Some(Nanos::new(12_345_678)),
            allocations: Some(Count::new(45)),
            allocated_bytes: Some(Bytes::new(1234)),
            heap_peak: Some(Bytes::new(5678)),
        };
        let quoted = r#"total;dur=12.345678, alloc;desc="45", alloc-bytes;desc="1234",heap-peak;desc="5678""#;
        assert_eq!(parse(quoted), full);
        let lines: [&[u8]; 3] = [
            b"cache;desc=\"a, b; \\\" alloc;desc=7\" , alloc ; DESC = 45",
            b"alloc-bytes;x=1;desc=1234;desc=9, heap-peak;desc=5678",
            b"total;desc=\"all of it\";dur=12.3456789, alloc;desc=45",
        ];
        assert_eq!(ServerTiming::parse(&lines), full);
        assert_eq!(full.cost().unwrap().allocations, Count::new(45));
    }

    #[test]
    fn what_is_malformed_or_contradicts_itself_says_nothing() {
        for line in [
            "",
            "alloc",
            "alloc;desc",
            "alloc;desc=",
            "alloc;desc=\"",
            "alloc;desc=\"45",
            "alloc;desc=45\"",
            "alloc;desc=\"45\"x",
            "alloc;desc=-1",
            "alloc;desc=+1",
            "alloc;desc=4.5",
            "alloc;desc=\"4 5\"",
            "alloc;desc=\u{665}",
            "alloc;desc=18446744073709551616",
            "alloc;desc=\"9007199254740993\"",
            "heap-peak;desc=8796093022209",
            "alloc;desc=45;, alloc;desc=46",
            "alloc;desc=45, alloc",
            "alloc;dur=45",
            "ALLOC;desc=45",
            "x;desc=\"alloc;desc=45",
            "total;dur=-1",
            "total;dur=NaN",
            "total;dur=inf",
            "total;dur=1ms",
            "total;dur=1e99",
            "total;dur=1e99999",
            "total;dur=.",
            "total;dur=1.2.3",
            "total;dur=e5",
            ",;,;=,\"\\",
        ] {
            assert_eq!(parse(line), ServerTiming::default(), "{line:?}");
        }
        assert_eq!(parse("total;dur=5").cost(), None);
    }

    #[test]
    fn durations_are_exact_and_rounded_down() {
        let seconds = |text: &str| process_time(text.as_bytes()).map(Nanos::get);
        assert_eq!(seconds(" 0.0123 "), Some(12_300_000));
        assert_eq!(seconds("5.1975250244140625e-05"), Some(51_975));
        assert_eq!(seconds("1e-10"), Some(0));
        assert_eq!(seconds("0.0e300"), Some(0));
        assert_eq!(seconds("1E+1"), Some(10_000_000_000));
        assert_eq!(seconds("18446744073.709551615"), Some(u64::MAX));
        assert_eq!(seconds("18446744073.709551616"), None);
        assert_eq!(seconds("12 ms"), None);
        assert_eq!(seconds(&"0".repeat(65)), None);
    }

    #[test]
    fn a_performance_block_needs_a_count_of_allocations() {
        let full = br#" {"x":1,"performance":{"allocations":45,"allocated_bytes":1234,
            "heap_peak_bytes":5678,"latency_ms":0.5}}"#;
        let cost = performance_block(full).unwrap();
        assert_eq!(cost.source, CountSource::PerformanceBlock);
        assert_eq!((cost.allocations, cost.heap_peak), (Count::new(45), Some(Bytes::new(5678))));
        assert!(performance_block(br#"{"performance":{"allocations":0}}"#).is_some());
        let absurd = br#"{"performance":{"allocations":1,"heap_peak_bytes":9007199254740993}}"#;
        assert_eq!(performance_block(absurd).unwrap().heap_peak, None);
        for body in [
            r#"{"performance":{"object_delta":3}}"#,
            r#"{"performance":{"allocations":4.5}}"#,
            r#"{"performance":{"allocations":-1}}"#,
            r#"{"performance":{"allocations":9007199254740993}}"#,
            r#"{"performance":{"allocations":"45"}}"#,
            r#"{"performance":{"allocations":1,"allocations":2}}"#,
            r#"{"performance":{"allocations":1},"performance":{"allocations":2}}"#,
            r#"{"performance":null}"#,
            r#"{"performance":[1,2,3]}"#,
            r#"[{"allocations":1}]"#,
            "",
        ] {
            assert_eq!(performance_block(body.as_bytes()), None, "{body}");
        }
        // Depth is bounded by the parser.
        assert_eq!(performance_block("[".repeat(100_000).as_bytes()), None);
        let deep = format!("{{\"x\":{}", "[".repeat(100_000));
        assert_eq!(performance_block(deep.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(
            raw in prop::collection::vec(any::<u8>(), 0..200),
            near in "(total|alloc|,|;|=|\"|\\\\|desc|dur|[0-9]{1,25}|e-?[0-9]{1,6}|\\.| ){0,30}",
        ) {
            let _ = ServerTiming::parse(&[&raw, near.as_bytes()]);
            let _ = (process_time(&raw), process_time(near.as_bytes()), performance_block(&raw));
        }

        #[test]
        fn numbers_come_back(
            allocations in 0..=COUNT_MAX,
            bytes in 0..=COUNT_MAX,
            peak in 0..=COUNT_MAX,
            nanos: u64,
        ) {
            let line = format!(
                "alloc;desc=\"{allocations}\", alloc-bytes;desc={bytes}, heap-peak;desc=\"{peak}\",\
                 total;dur={}.{:06}", nanos / 1_000_000, nanos % 1_000_000,
            );
            prop_assert_eq!(parse(&line), ServerTiming {
                total: Some(Nanos::new(nanos)),
                allocations: Some(Count::new(allocations)),
                allocated_bytes: Some(Bytes::new(bytes)),
                heap_peak: Some(Bytes::new(peak)),
            });
        }
    }
}
