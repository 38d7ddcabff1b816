//! The response headers, and numbers written without the formatting machinery.
//!
//! The length of both values is the same for every duration up to ten seconds, so that a probe
//! around the layer counts the same bytes in every run.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{allocation::AllocationCost, units::Nanos};

/// Seconds that the service took, as a decimal: `0.001234567`.
pub const PROCESS_TIME: HeaderName = HeaderName::from_static("x-process-time");

/// W3C Server Timing: `total` with its duration in milliseconds to seven digits, then the
/// allocation figures as descriptions.
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The most names of headers that a response may have and still get ours. `HeaderMap` panics when it is
/// full, at 24 576 names. http 1.0 cannot be asked to refuse instead.
const NAMES_MAX: usize = 6_000;

/// Adds both headers, unless there are very many already. An earlier `X-Process-Time` is replaced; an earlier `Server-Timing` stays
/// beside ours, as the standard allows.
pub(super) fn write(headers: &mut HeaderMap, elapsed: Nanos, cost: Option<AllocationCost>) {
    if headers.keys_len() > NAMES_MAX {
        return;
    }
    let digits = Digits::of(elapsed);
    let mut text = Text::new();
    text.seconds(&digits);
    if let Ok(value) = HeaderValue::from_bytes(text.written()) {
        headers.insert(PROCESS_TIME, value);
    }
    text.length = 0;
    text.push(b"total;dur=");
    text.milliseconds(&digits);
    if let Some(cost) = cost {
        text.push(b", alloc;desc=\"");
        text.number(cost.allocations.get());
        text.push(b"\", alloc-bytes;desc=\"");
        text.number(cost.bytes.get());
        text.push(b"\", heap-peak;desc=\"");
        text.number(cost.heap_peak.get());
        text.push(b"\"");
    }
    if let Ok(value) = HeaderValue::from_bytes(text.written()) {
        headers.append(SERVER_TIMING, value);
    }
}

/// Room for the longer value with the largest numbers there are; a test holds it.
const CAPACITY: usize = 144;

/// ASCII on the stack.
struct Text {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Text {
    const fn new() -> Self {
        Self { bytes: [0; CAPACITY], length: 0 }
    }

    fn written(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    #[inline]
    fn push(&mut self, text: &[u8]) {
        let end = self.length + text.len();
        self.bytes[self.length..end].copy_from_slice(text);
        self.length = end;
    }

    /// `0.001234567`: to the nanosecond.
    fn seconds(&mut self, Digits { digits, first }: &Digits) {
        self.push(&digits[(*first).min(POINT_OF_SECONDS - 1)..POINT_OF_SECONDS]);
        self.push(b".");
        self.push(&digits[POINT_OF_SECONDS..]);
    }

    /// `1.234567`, `12.34567`, `123.4567`: seven digits, or all of the whole part.
    fn milliseconds(&mut self, Digits { digits, first }: &Digits) {
        let first = (*first).min(POINT_OF_MILLISECONDS - 1);
        self.push(&digits[first..POINT_OF_MILLISECONDS]);
        self.push(b".");
        // The whole part has a digit at least, so this ends within the digits.
        self.push(&digits[POINT_OF_MILLISECONDS..(first + 7).max(POINT_OF_MILLISECONDS + 1)]);
    }

    /// `number` with as many digits as it has.
    #[inline]
    fn number(&mut self, number: u64) {
        let width = number.checked_ilog10().map_or(1, |power| power as usize + 1);
        let end = self.length + width;
        write_before(&mut self.bytes[self.length..end], number);
        self.length = end;
    }
}

/// Where the point stands in the digits of nanoseconds.
const POINT_OF_SECONDS: usize = 11;
const POINT_OF_MILLISECONDS: usize = 14;

/// The twenty digits of a number of nanoseconds.
struct Digits {
    digits: [u8; 20],
    /// The place of the first that is not a leading zero.
    first: usize,
}

impl Digits {
    #[inline]
    fn of(elapsed: Nanos) -> Self {
        let mut digits = [b'0'; 20];
        write_before(&mut digits, elapsed.get());
        let width = elapsed.get().checked_ilog10().map_or(0, |power| power as usize + 1);
        Self { first: digits.len() - width, digits }
    }
}

/// Writes `number` so that it ends where `places` ends, and leaves the places before it as they are.
#[inline]
fn write_before(places: &mut [u8], mut number: u64) {
    // PERF: two digits for each division; half the time of one at a time.
    for pair in places.rchunks_mut(2) {
        let (tens, ones) = ((number / 10 % 10) as u8, (number % 10) as u8);
        match pair {
            [first, second] => (*first, *second) = (b'0' + tens, b'0' + ones),
            [last] => *last = b'0' + ones,
            _ => {}
        }
        number /= 100;
        if number == 0 {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, Count};

    fn written(elapsed: u64, cost: Option<AllocationCost>) -> [String; 2] {
        let mut headers = HeaderMap::new();
        write(&mut headers, Nanos::new(elapsed), cost);
        [PROCESS_TIME, SERVER_TIMING].map(|name| headers[name].to_str().unwrap().to_owned())
    }

    fn cost(allocations: u64, bytes: u64, heap_peak: u64) -> AllocationCost {
        AllocationCost {
            allocations: Count::new(allocations),
            frees: Count::ZERO,
            bytes: Bytes::new(bytes),
            heap_peak: Bytes::new(heap_peak),
        }
    }

    #[test]
    fn durations_are_decimal_to_the_nanosecond() {
        assert_eq!(written(0, None), ["0.000000000", "total;dur=0.000000"]);
        assert_eq!(written(1_234_567, None), ["0.001234567", "total;dur=1.234567"]);
        assert_eq!(written(12_345_678, None), ["0.012345678", "total;dur=12.34567"]);
        assert_eq!(written(9_876_543_210, None), ["9.876543210", "total;dur=9876.543"]);
        assert_eq!(written(61_000_000_001, None), ["61.000000001", "total;dur=61000.00"]);
    }

    #[test]
    fn allocations_follow_the_duration() {
        let [_, server_timing] = written(1_500_000, Some(cost(11, 1103, 0)));
        let expected =
            r#"total;dur=1.500000, alloc;desc="11", alloc-bytes;desc="1103", heap-peak;desc="0""#;
        assert_eq!(server_timing, expected);
    }

    #[test]
    fn the_largest_numbers_fit() {
        let texts = written(u64::MAX, Some(cost(u64::MAX, u64::MAX, u64::MAX)));
        assert_eq!(texts[0], "18446744073.709551615");
        assert!(texts[1].len() <= CAPACITY, "{}", texts[1]);
    }

    #[test]
    fn the_length_does_not_depend_on_a_duration_below_ten_seconds() {
        let lengths = |elapsed| written(elapsed, None).map(|text| text.len());
        for power in 0..10 {
            assert_eq!(lengths(10_u64.pow(power)), lengths(0));
            assert_eq!(lengths(10_u64.pow(power) * 10 - 1), lengths(0));
        }
    }

    #[test]
    fn a_response_that_is_full_of_headers_stays_as_it_is() {
        for (names, added) in [(NAMES_MAX, 2), (NAMES_MAX + 1, 0), (32_768, 0)] {
            let mut headers = HeaderMap::new();
            for number in 0..names {
                let name = HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap();
                if headers.try_insert(name, HeaderValue::from_static("value")).is_err() {
                    break;
                }
            }
            let before = headers.len();
            write(&mut headers, Nanos::new(1), None);
            assert_eq!(headers.len(), before + added, "with {names} names before");
        }
    }

    #[test]
    fn other_metrics_of_the_service_stay() {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER_TIMING, HeaderValue::from_static("db;dur=5"));
        headers.insert(PROCESS_TIME, HeaderValue::from_static("0.5"));
        write(&mut headers, Nanos::new(1), None);
        let timings: Vec<_> = headers.get_all(SERVER_TIMING).iter().collect();
        assert_eq!(timings, ["db;dur=5", "total;dur=0.000001"]);
        assert_eq!(headers.get_all(PROCESS_TIME).iter().count(), 1);
    }
}
