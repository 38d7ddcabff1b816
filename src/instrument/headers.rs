//! The response headers: both values in one block of fixed size.
//!
//! The size of the block does not depend on the digits, so that a probe around the layer counts the
//! same bytes for every run.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{allocation::AllocationCost, units::Nanos};

/// Seconds that the service took, as a decimal: `0.001234567`.
pub const PROCESS_TIME: HeaderName = HeaderName::from_static("x-process-time");

/// W3C Server Timing: `total` with its duration in milliseconds, then the allocation figures.
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Adds both headers. An earlier `X-Process-Time` is replaced; an earlier `Server-Timing` stays
/// beside ours, as the standard allows.
#[inline]
pub(super) fn write(headers: &mut HeaderMap, elapsed: Nanos, cost: Option<AllocationCost>) {
    let mut text = Text::new();
    text.seconds(elapsed);
    let seconds_end = text.length;
    text.push(b"total;dur=");
    text.milliseconds(elapsed);
    if let Some(cost) = cost {
        text.push(b", alloc;desc=\"");
        text.number(cost.allocations.get());
        text.push(b"\", alloc-bytes;desc=\"");
        text.number(cost.bytes.get());
        text.push(b"\", heap-peak;desc=\"");
        text.number(cost.heap_peak.get());
        text.push(b"\"");
    }
    let mut server_timing = text.into_bytes();
    let process_time = server_timing.split_to(seconds_end);
    // A map that is full, at 32 768 headers, keeps what it has.
    if let Ok(value) = HeaderValue::from_maybe_shared(process_time) {
        let _ = headers.try_insert(PROCESS_TIME, value);
    }
    if let Ok(value) = HeaderValue::from_maybe_shared(server_timing) {
        let _ = headers.try_append(SERVER_TIMING, value);
    }
}

/// Room for both values with the largest numbers there are; a test holds it.
const CAPACITY: usize = 168;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLISECOND: u64 = 1_000_000;

/// ASCII on the stack.
struct Text {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Text {
    const fn new() -> Self {
        Self { bytes: [0; CAPACITY], length: 0 }
    }

    #[inline]
    fn push(&mut self, text: &[u8]) {
        let end = self.length + text.len();
        self.bytes[self.length..end].copy_from_slice(text);
        self.length = end;
    }

    fn seconds(&mut self, elapsed: Nanos) {
        self.number(elapsed.get() / NANOS_PER_SECOND);
        self.push(b".");
        self.padded::<9>(elapsed.get() % NANOS_PER_SECOND);
    }

    fn milliseconds(&mut self, elapsed: Nanos) {
        self.number(elapsed.get() / NANOS_PER_MILLISECOND);
        self.push(b".");
        self.padded::<6>(elapsed.get() % NANOS_PER_MILLISECOND);
    }

    /// `number` with as many digits as it has.
    #[inline]
    fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = digit(number);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.push(&digits[start..]);
    }

    /// The last `WIDTH` digits of `number`, with leading zeros.
    #[inline]
    fn padded<const WIDTH: usize>(&mut self, mut number: u64) {
        let mut digits = [0; WIDTH];
        for place in digits.iter_mut().rev() {
            *place = digit(number);
            number /= 10;
        }
        self.push(&digits);
    }

    /// All that was written, in one block of which the rest is unused.
    fn into_bytes(self) -> Bytes {
        // PERF: an owned block is counted from the start, so splitting it in two allocates nothing;
        // splitting a `Vec`'s bytes would allocate the counter.
        let mut bytes = Bytes::from_owner(self.bytes);
        bytes.truncate(self.length);
        bytes
    }
}

/// The last digit of `number` in ASCII.
#[inline]
const fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
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
        assert_eq!(written(61_000_000_001, None), ["61.000000001", "total;dur=61000.000001"]);
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
        let length: usize = texts.iter().map(String::len).sum();
        assert!(length <= CAPACITY, "{length}");
        assert_eq!(texts[0], "18446744073.709551615");
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
