//! [`BucketEdges`]: where the buckets of a histogram end.

use std::{fmt::Write as _, sync::Arc};

use crate::units::Nanos;

/// Edges of a histogram at most. Each is a series for every label set.
pub const EDGES_MAX: usize = 200;

/// Edges that are passed one by one.
const SCANNED: usize = 12;

/// The default edges of a time, in microseconds. Half of the usual ones lie below 5 ms, as a service
/// whose budget is 10 ms lives there.
const LATENCY_MICROS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Where the buckets of a histogram end: ascending, each once, none zero, at most [`EDGES_MAX`].
///
/// A value that equals an edge is in its bucket. What is above the last edge is in `+Inf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketEdges {
    edges: Arc<[Edge]>,
    per_unit: u64,
}

/// An edge, and whether half a nanosecond is added to it: half of an odd budget. No value lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) value: u64,
    pub(super) and_a_half: bool,
}

impl BucketEdges {
    /// Edges of a time, which is shown in seconds. They may come in any order; what is zero, twice
    /// there, or beyond the first [`EDGES_MAX`] is left out.
    pub fn times(edges: impl IntoIterator<Item = Nanos>) -> Self {
        Self::of_edges(edges.into_iter().map(|edge| whole(edge.get())))
    }

    /// Edges of a time, some of which end with half a nanosecond.
    pub(super) fn of_edges(edges: impl IntoIterator<Item = Edge>) -> Self {
        Self::of(edges.into_iter(), 1_000_000_000)
    }

    /// Edges of a size or a number, which is shown as it is.
    pub fn sizes(edges: impl IntoIterator<Item = u64>) -> Self {
        Self::of(edges.into_iter().map(whole), 1)
    }

    /// The edges of a time where nothing else is known: 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250
    /// and 500 ms, 1, 2.5, 5 and 10 s.
    pub fn latency() -> Self {
        Self::times(LATENCY_MICROS.map(|micros| Nanos::new(micros * 1_000)))
    }

    fn of(edges: impl Iterator<Item = Edge>, per_unit: u64) -> Self {
        let mut edges: Vec<Edge> = edges.filter(|edge| *edge > whole(0)).collect();
        edges.sort_unstable();
        edges.dedup();
        edges.truncate(EDGES_MAX);
        Self { edges: edges.into(), per_unit }
    }

    /// These edges of a time and those of another.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        Self::of(self.edges.iter().chain(&*others.edges).copied(), self.per_unit)
    }

    /// The edges as they are shown, ascending: `0.005`, `1`.
    pub fn texts(&self) -> Vec<String> {
        let text = |edge: &Edge| {
            let text = self.text(edge.value);
            if !edge.and_a_half {
                return text;
            }
            let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
            format!("{whole}.{rest:0<9}5")
        };
        self.edges.iter().map(text).collect()
    }

    /// How many buckets there are: one for each edge, and `+Inf`.
    pub(super) fn buckets(&self) -> usize {
        self.edges.len() + 1
    }

    /// The bucket of `value`.
    ///
    /// PERF: most values lie in the first ones, and a few edges are passed sooner than halved.
    #[inline]
    pub(super) fn bucket(&self, value: u64) -> usize {
        let (low, high) = self.edges.split_at(self.edges.len().min(SCANNED));
        let scanned = low.iter().position(|edge| edge.value >= value);
        scanned.unwrap_or_else(|| low.len() + high.partition_point(|edge| edge.value < value))
    }

    /// A value in the unit that is shown, as exact decimal text without trailing zeros.
    pub(super) fn text(&self, value: u64) -> String {
        let (whole, rest) = (value / self.per_unit, value % self.per_unit);
        let mut text = whole.to_string();
        if rest > 0 {
            let _ = write!(text, ".{rest:09}");
            text.truncate(text.trim_end_matches('0').len());
        }
        text
    }
}

const fn whole(value: u64) -> Edge {
    Edge { value, and_a_half: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ns(values: &[u64]) -> BucketEdges {
        BucketEdges::times(values.iter().copied().map(Nanos::new))
    }

    #[test]
    fn edges_are_ascending_and_once_and_shown_exactly() {
        let edges = ns(&[1_000_000_000, 5_000_000, 0, 5_000_000, 1, 12_345_678_901]);
        assert_eq!(edges.texts(), ["0.000000001", "0.005", "1", "12.345678901"]);
        assert_eq!(BucketEdges::sizes([1024, 10]).texts(), ["10", "1024"]);
        let default = BucketEdges::latency();
        assert_eq!(default.texts()[..3], ["0.0001", "0.00025", "0.0005"]);
        assert_eq!(default.with(&ns(&[20_000_000])).buckets(), 18);
    }

    #[test]
    fn a_value_that_equals_an_edge_is_in_its_bucket() {
        let edges = ns(&[10, 20]);
        assert_eq!([0, 10, 11, 20, 21, u64::MAX].map(|it| edges.bucket(it)), [0, 0, 1, 1, 2, 2]);
        assert_eq!(ns(&[]).bucket(5), 0);
    }

    #[test]
    fn each_value_is_in_its_bucket_however_many_there_are() {
        for count in 0..40 {
            let edges = BucketEdges::sizes((1..=count).map(|it| it * 10));
            for value in 0..420 {
                let expected = (1..=count).filter(|it| it * 10 < value).count();
                assert_eq!(edges.bucket(value), expected, "{value} of {count}");
            }
        }
    }

    #[test]
    fn half_a_nanosecond_is_an_edge() {
        let edge = |value, and_a_half| Edge { value, and_a_half };
        let edges = [edge(617_283, true), edge(617_283, false), edge(1, true), edge(0, true)];
        let edges = BucketEdges::of_edges(edges);
        let texts = ["0.0000000005", "0.0000000015", "0.000617283", "0.0006172835"];
        assert_eq!(edges.texts(), texts);
        assert_eq!([0, 1, 2, 617_283, 617_284].map(|it| edges.bucket(it)), [0, 1, 2, 2, 4]);
    }

    #[test]
    fn there_are_not_more_than_the_most() {
        assert_eq!(BucketEdges::sizes(1..1000).buckets(), EDGES_MAX + 1);
    }

    proptest! {
        #[test]
        fn the_text_is_the_number(value in any::<u64>()) {
            let text = ns(&[]).text(value);
            let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
            let padded = format!("{rest:0<9}");
            let back = whole.parse::<u64>().unwrap() * 1_000_000_000 + padded.parse::<u64>().unwrap();
            prop_assert_eq!(back, value);
        }
    }
}
