//! One process that counts: when it was read, and when its counters began anew.

use super::CounterSample;

/// A time between two reads that is so many times the usual one is a gap.
pub(super) const GAP: i64 = 3;

/// A process that counts.
#[derive(Debug, Default)]
pub(super) struct Instance {
    /// When it was read, rising, each once, in milliseconds.
    times_ms: Vec<i64>,
    /// How often its counters began anew.
    pub(super) resets: u64,
}

/// Times at which a process was not read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gaps {
    /// How many there are.
    pub(super) number: u64,
    /// How long they are together, beyond the usual time between two reads.
    pub(super) missing_ms: u64,
    /// The time from the first read to the last.
    pub(super) all_ms: u64,
}

/// A time within which counters began anew: after `after_ms`, and not after `until_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Restart {
    after_ms: i64,
    until_ms: i64,
    /// Whether it was the process, and not one series of it.
    pub(super) is_of_all: bool,
}

impl Restart {
    /// Whether it lies between two samples.
    pub(super) const fn is_between(&self, from: CounterSample, to: CounterSample) -> bool {
        from.at_ms <= self.after_ms && self.until_ms <= to.at_ms
    }
}

impl Instance {
    /// Takes times of reads; those before what it has are known already.
    pub(super) fn read_at(&mut self, times: impl IntoIterator<Item = i64>) {
        let last = self.times_ms.last().copied().unwrap_or(i64::MIN);
        self.times_ms.extend(times.into_iter().filter(|it| *it > last));
    }

    /// When it was read first.
    pub(super) fn first_ms(&self) -> Option<i64> {
        self.times_ms.first().copied()
    }

    /// When it was read last.
    pub(super) fn last_ms(&self) -> Option<i64> {
        self.times_ms.last().copied()
    }

    /// The usual time between two reads; `None` of one read.
    pub(super) fn usual_ms(&self) -> Option<i64> {
        let mut between: Vec<i64> =
            self.times_ms.windows(2).map(|pair| pair[1] - pair[0]).collect();
        between.sort_unstable();
        between.get(between.len() / 2).copied()
    }

    pub(super) fn gaps(&self) -> Gaps {
        let between: Vec<i64> = self.times_ms.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let all_ms = between.iter().sum::<i64>().unsigned_abs();
        let Some(usual) = self.usual_ms() else { return Gaps::default() };
        let long = || between.iter().filter(|it| **it > usual * GAP);
        let missing_ms = long().map(|it| (it - usual).unsigned_abs()).sum();
        Gaps { number: long().count() as u64, missing_ms, all_ms }
    }
}

/// When counters of one process began anew, from the samples of all its series, each by rising time: a
/// counter never falls. Where most of those that had counted something fell, all began anew, also one that
/// has more than before.
pub(super) fn restarts(series: &[Vec<CounterSample>]) -> Vec<Restart> {
    let pairs = || series.iter().flat_map(|samples| samples.windows(2).map(|it| (it[0], it[1])));
    let mut fallen: Vec<(i64, i64)> = pairs()
        .filter(|(from, to)| to.value < from.value)
        .map(|(from, to)| (from.at_ms, to.at_ms))
        .collect();
    fallen.sort_unstable_by_key(|(after, until)| (*until, *after));
    let mut restarts: Vec<Restart> = Vec::new();
    for (after_ms, until_ms) in fallen {
        match restarts.last_mut() {
            Some(last) if after_ms < last.until_ms => last.after_ms = last.after_ms.max(after_ms),
            _ => restarts.push(Restart { after_ms, until_ms, is_of_all: false }),
        }
    }
    for restart in &mut restarts {
        let around =
            || pairs().filter(|(from, to)| from.value > 0 && restart.is_between(*from, *to));
        let fell = around().filter(|(from, to)| to.value < from.value).count();
        restart.is_of_all = fell * 2 > around().count();
    }
    restarts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(samples: &[(i64, u64)]) -> Vec<CounterSample> {
        samples
            .iter()
            .map(|(at_ms, value)| CounterSample { at_ms: *at_ms, value: *value })
            .collect()
    }

    #[test]
    fn a_process_that_restarts_is_told_from_a_series_that_does() {
        let all = [
            series(&[(0, 10), (15, 20), (30, 3)]),
            series(&[(0, 1), (15, 1), (30, 2)]),
            series(&[(0, 5), (15, 9), (30, 1)]),
        ];
        let found = restarts(&all);
        assert_eq!(found, [Restart { after_ms: 15, until_ms: 30, is_of_all: true }]);
        let one =
            [series(&[(0, 10), (15, 3)]), series(&[(0, 5), (15, 6)]), series(&[(0, 5), (15, 6)])];
        assert!(!restarts(&one)[0].is_of_all);
        assert_eq!(restarts(&[series(&[(0, 1), (15, 1)])]), []);
        let twice = [series(&[(0, 9), (15, 3), (30, 4), (45, 0)])];
        assert_eq!(restarts(&twice).len(), 2);
    }

    #[test]
    fn a_gap_is_longer_than_three_of_the_usual_times() {
        let mut instance = Instance::default();
        instance.read_at([0, 15, 30, 75, 90, 151]);
        instance.read_at([151, 166]);
        let gaps = Gaps { number: 1, missing_ms: 46, all_ms: 166 };
        assert_eq!(instance.gaps(), gaps);
        assert_eq!(Instance::default().gaps(), Gaps::default());
    }
}
