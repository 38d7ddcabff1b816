//! Whether histograms can be what a process counted.

use std::collections::BTreeMap;

use perf_passport::units::Nanos;

use super::{Measured, SeriesKey};

/// What was read of one histogram at one time.
#[derive(Debug, Default)]
struct Histogram {
    /// By rising edge.
    within: BTreeMap<Nanos, u64>,
    all: Option<u64>,
    count: Option<u64>,
}

impl Histogram {
    /// Buckets hold all that smaller ones hold, the last one holds all, and the count is as many
    /// (`OpenMetrics` 1.0, "Histogram").
    fn is_broken(&self) -> bool {
        let counts: Vec<u64> = self.within.values().copied().chain(self.all).collect();
        let falls = counts.windows(2).any(|pair| pair[0] > pair[1]);
        falls || self.all.zip(self.count).is_some_and(|(all, count)| all != count)
    }
}

/// Whether a histogram among these series, read at one time, contradicts itself.
pub(super) fn any_is_broken(values: &[(&SeriesKey, u64)]) -> bool {
    let mut histograms: BTreeMap<_, Histogram> = BTreeMap::new();
    for (key, value) in values {
        if key.measured == Measured::Requests {
            continue;
        }
        let of = histograms.entry((&key.route, &key.status, &key.others)).or_default();
        match key.measured {
            Measured::Within(Some(edge)) => drop(of.within.insert(edge, *value)),
            Measured::Within(None) => of.all = Some(*value),
            Measured::Count => of.count = Some(*value),
            Measured::Requests => {}
        }
    }
    histograms.values().any(Histogram::is_broken)
}

#[cfg(test)]
mod tests {
    use perf_passport::contract::ObservedRoute;

    use super::*;

    fn is_broken(within: &[(u64, u64)], all: Option<u64>, count: Option<u64>) -> bool {
        let key = |measured| SeriesKey {
            instance: "i".to_owned(),
            measured,
            route: ObservedRoute { route: "/a".to_owned(), method: "GET".to_owned() },
            status: "2xx".to_owned(),
            others: Vec::new(),
        };
        let edge = |ms: u64| Measured::Within(Some(Nanos::new(ms * 1_000_000)));
        let mut all: Vec<(SeriesKey, u64)> =
            all.into_iter().map(|it| (key(Measured::Within(None)), it)).collect();
        all.extend(within.iter().map(|(ms, count)| (key(edge(*ms)), *count)));
        all.extend(count.map(|it| (key(Measured::Count), it)));
        all.push((key(Measured::Requests), 1));
        let values: Vec<(&SeriesKey, u64)> = all.iter().map(|(key, it)| (key, *it)).collect();
        any_is_broken(&values)
    }

    #[test]
    fn what_no_histogram_can_have_is_found() {
        assert!(!is_broken(&[(5, 1), (10, 1), (20, 7)], Some(9), Some(9)));
        assert!(!is_broken(&[(5, 1)], None, Some(9)));
        assert!(!is_broken(&[], Some(9), None));
        assert!(is_broken(&[(5, 10)], Some(9), None));
        assert!(is_broken(&[(5, 3), (10, 2)], Some(9), None));
        assert!(is_broken(&[(5, 3)], Some(9), Some(8)));
        assert!(is_broken(&[], Some(9), Some(10)));
    }
}
