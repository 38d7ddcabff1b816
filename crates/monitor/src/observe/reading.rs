//! Counters as they were read, whoever read them.

use perf_passport::{
    contract::{ObservedRoute, WatchedService},
    units::Nanos,
};

use super::error::{ObserveError, list, said};

/// The largest count that a passport holds.
const COUNT_MAX: f64 = 9_007_199_254_740_992.0;
/// The largest edge of a bucket, in seconds: ten days.
const EDGE_MAX: f64 = 864_000.0;

/// What a series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measured {
    /// Requests of a status.
    Requests,
    /// Requests within an edge of the histogram; `None` is all of them.
    Within(Option<Nanos>),
    /// All requests, as the histogram counts them besides its buckets.
    Count,
}

/// Which metric a series is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Requests,
    Buckets,
    Count,
}

/// A series, by all that tells it from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The process that counts.
    pub instance: String,
    /// What is counted.
    pub measured: Measured,
    /// Of which route.
    pub route: ObservedRoute,
    /// Of which status.
    pub status: String,
    /// Other labels, sorted.
    pub others: Vec<(String, String)>,
}

/// A value of a counter at a time, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CounterSample {
    /// When.
    pub at_ms: i64,
    /// The value.
    pub value: u64,
}

/// The samples of a series, by rising time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterReading {
    /// The series.
    pub key: SeriesKey,
    /// Its samples.
    pub samples: Vec<CounterSample>,
}

impl SeriesKey {
    /// The key of a series with these labels; `None` where a bucket has no edge.
    ///
    /// # Errors
    ///
    /// [`ObserveError::Answer`] where the edge is no number, or the status none.
    pub(super) fn of<'a>(
        service: &WatchedService,
        metric: Metric,
        labels: impl IntoIterator<Item = (&'a str, String)>,
        from: &'static str,
    ) -> Result<Option<Self>, ObserveError> {
        let (mut instance, mut status, mut edge) = (String::new(), String::new(), None);
        let mut route = ObservedRoute { route: String::new(), method: String::new() };
        let mut others = Vec::new();
        for (label, value) in labels {
            match label {
                "__name__" => {}
                "instance" => instance = value,
                "le" if metric == Metric::Buckets => edge = Some(value),
                _ if *label == *service.route_label => route.route = value,
                _ if *label == *service.method_label => route.method = value,
                _ if *label == *service.status_label => status = value,
                _ => others.push((label.to_owned(), value)),
            }
        }
        others.sort();
        // Of a status that nobody knows it is not known whether the request failed.
        if metric == Metric::Requests && !is_status(&status) {
            let label = &service.status_label;
            let problem = if status.is_empty() {
                let there: Vec<String> =
                    others.iter().map(|(label, _)| format!("`{}`", said(label))).collect();
                format!(
                    "has series of `{}` without the label `{label}`: see `status_label` of [service]; \
                     further labels are {}",
                    service.requests,
                    list(&there)
                )
            } else {
                format!(
                    "has `{}` of `{label}`, where a class such as `5xx` or a code is: see `status_label` \
                     of [service]",
                    said(&status)
                )
            };
            return Err(ObserveError::answer(from, problem));
        }
        let measured = match (metric, edge) {
            (Metric::Requests, _) => Measured::Requests,
            (Metric::Count, _) => Measured::Count,
            (Metric::Buckets, None) => return Ok(None),
            (Metric::Buckets, Some(edge)) => {
                let problem =
                    || format!("has a bucket with the edge `{}`, which is no time", said(&edge));
                Measured::within(&edge).ok_or_else(|| ObserveError::answer(from, problem()))?
            }
        };
        Ok(Some(Self { instance, measured, route, status, others }))
    }

    /// Whether the requests failed: a status of 500 or more, or given up by the client.
    pub(super) fn is_error(&self) -> bool {
        self.status.starts_with('5') || self.status == "aborted"
    }
}

/// Whether it is a class, a code, or what our telemetry says of a client that gave up.
fn is_status(status: &str) -> bool {
    let is_known = match status.as_bytes() {
        [b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => true,
        [b'1'..=b'5', tens, ones] => tens.is_ascii_digit() && ones.is_ascii_digit(),
        _ => false,
    };
    is_known || status == "aborted"
}

impl Measured {
    /// What a bucket with this edge counts; one version writes an edge as `1` and another one as `1.0`. `None`
    /// where the edge is no time.
    pub(super) fn within(edge: &str) -> Option<Self> {
        if matches!(edge, "+Inf" | "Inf") {
            return Some(Self::Within(None));
        }
        let seconds: f64 = edge.parse().ok()?;
        // What is longer than anybody waits is no edge that a contract has.
        (0.0..=EDGE_MAX).contains(&seconds).then(|| Self::Within(Some(nanos(seconds))))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most ten days")]
fn nanos(seconds: f64) -> Nanos {
    Nanos::new((seconds * 1e9).round() as u64)
}

/// The value of a counter, which is whole.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 2^53, and whole"
)]
pub(super) fn count(value: f64) -> Option<u64> {
    let is_count = (0.0..=COUNT_MAX).contains(&value) && value.fract() == 0.0;
    is_count.then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_the_same_however_it_is_written() {
        let one = Some(Measured::Within(Some(Nanos::new(1_000_000_000))));
        for text in ["1", "1.0", "1.00", "1e0", "1.0e+00"] {
            assert_eq!(Measured::within(text), one, "{text}");
        }
        assert_eq!(Measured::within("+Inf"), Some(Measured::Within(None)));
        assert_eq!(Measured::within("0.0005"), Some(Measured::Within(Some(Nanos::new(500_000)))));
        for text in ["", "x", "NaN", "-1", "1e300"] {
            assert_eq!(Measured::within(text), None, "{text}");
        }
    }

    #[test]
    fn only_whole_numbers_count() {
        assert_eq!((count(0.0), count(1e6)), (Some(0), Some(1_000_000)));
        for value in [0.5, -1.0, f64::NAN, f64::INFINITY, 1e16] {
            assert_eq!(count(value), None, "{value}");
        }
    }
}
