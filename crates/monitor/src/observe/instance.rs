//! One process that counts, read again and again: what it counted between two reads, and how sure that is.
//!
//! Whether it is the same process as before says `process_start_time_seconds`, where there is such a series
//! (Prometheus, "Writing client libraries", standard metrics). Then a restart is known, and a counter that
//! falls without one is none. Without it counters that fall are taken for a restart, and nothing that is
//! counted anew is sure: it may be of another process behind the same address, or of an older sample.

use std::collections::{BTreeMap, BTreeSet};

use perf_passport::production::CounterDoubt;

use super::{CounterSample, Measured, SeriesKey};

/// A time between two reads that is so many times the usual one is a gap.
pub(super) const GAP: i64 = 3;
/// Starts that are no further apart are of one process. Libraries compute them from the time of boot, which
/// Linux tells in whole seconds, and which moves when the clock of the machine is set (proc(5), `btime`).
const SAME_START_MS: i64 = 2_000;
/// As many times as many requests as ever before are not believed to be of one process: so many as make a gap.
const LEAP: f64 = 3.0;
/// From so many times on that counters fell and came back, it is two processes.
const RETURNS: u32 = 2;

/// What was read of a process at one time.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) at_ms: i64,
    /// When the process began, where it tells that.
    pub(super) start_ms: Option<i64>,
    /// Its series, each once.
    pub(super) values: Vec<(&'a SeriesKey, u64)>,
}

/// What a series counted until a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Increment<'a> {
    pub(super) key: &'a SeriesKey,
    pub(super) at_ms: i64,
    pub(super) more: u64,
    /// Whether it was counted in this time for sure.
    pub(super) is_sure: bool,
}

/// A process that counts.
#[derive(Debug, Default)]
pub(super) struct Instance {
    /// When its counters were read, rising, each once, in milliseconds.
    times_ms: Vec<i64>,
    /// When anything of it was read first, and last.
    seen_ms: Option<(i64, i64)>,
    /// The usual time between two reads, of those that were read last.
    recent_ms: i64,
    start_ms: Option<i64>,
    series: BTreeMap<SeriesKey, SeriesState>,
    /// What it had at its first read.
    first: Vec<(SeriesKey, u64)>,
    /// Series that began while it was read.
    begun: Vec<Begun>,
    returns: u32,
    /// The most requests in a millisecond between two reads so far, where it did not tell when it began.
    most_a_ms: Option<f64>,
    /// How often its counters began anew.
    pub(super) resets: u64,
    pub(super) doubts: BTreeSet<CounterDoubt>,
}

/// What is known of a series.
#[derive(Debug, Clone, Copy)]
struct SeriesState {
    first_ms: i64,
    last: CounterSample,
    /// That it fell and is below what it had, where that was no sure restart.
    fall: Option<Fall>,
}

#[derive(Debug, Clone, Copy)]
struct Fall {
    from: u64,
    to: u64,
}

/// A series that began, with what it had then.
#[derive(Debug)]
struct Begun {
    key: SeriesKey,
    at_ms: i64,
    value: u64,
    /// Whether it was there before, ended, and had more.
    is_again: bool,
}

/// How two reads of a process follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passage {
    /// It is read for the first time, and may have counted before.
    First,
    /// It is read for the first time, and began in this time.
    Began,
    /// It went on.
    Same,
    /// Its counters began anew; `true` where it is sure that they did, and in this time.
    Anew(bool),
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

impl Instance {
    /// Takes note of the times of the reads that come next.
    pub(super) fn expect(&mut self, times_ms: impl IntoIterator<Item = i64>) {
        let times: Vec<i64> = self.seen_ms.map(|it| it.1).into_iter().chain(times_ms).collect();
        if let Some(usual) = usual(&times) {
            self.recent_ms = usual;
        }
    }

    /// Takes the next read, and says what was counted since the one before. `from_ms` is when the time that
    /// is observed begins.
    pub(super) fn read<'a>(&mut self, read: &Read<'a>, from_ms: i64) -> Vec<Increment<'a>> {
        let passage = self.passage(read, from_ms);
        let increments = match passage {
            Passage::First => {
                let first = read.values.iter().filter(|it| it.1 > 0);
                self.first = first.map(|(key, value)| ((*key).clone(), *value)).collect();
                self.keep(read);
                Vec::new()
            }
            Passage::Began => self.anew(read, true),
            Passage::Anew(is_sure) => {
                self.resets += 1;
                self.anew(read, is_sure)
            }
            Passage::Same => self.same(read),
        };
        self.start_ms = read.start_ms.or(self.start_ms);
        self.seen_ms = Some((self.seen_ms.map_or(read.at_ms, |it| it.0), read.at_ms));
        if !read.values.is_empty() {
            self.times_ms.push(read.at_ms);
        }
        increments
    }

    fn passage(&mut self, read: &Read<'_>, from_ms: i64) -> Passage {
        let Some((_, last_ms)) = self.seen_ms else {
            let began = read.start_ms.is_some_and(|it| from_ms < it && it <= read.at_ms);
            return if began { Passage::Began } else { Passage::First };
        };
        let Some((before, now)) = self.start_ms.zip(read.start_ms) else {
            if !self.most_fell(read) {
                return Passage::Same;
            }
            if self.resets == 0 && self.most_go_on(read) {
                self.doubts.insert(CounterDoubt::SeveralProcesses);
            }
            return Passage::Anew(false);
        };
        if (now - before).abs() <= SAME_START_MS {
            return Passage::Same;
        }
        // A process that began before goes on beside it, and so does one that both were there of for long.
        let is_beside = now < before || last_ms - now > self.recent_ms * GAP;
        if is_beside {
            self.doubts.insert(CounterDoubt::SeveralProcesses);
        }
        Passage::Anew(!is_beside && now >= from_ms)
    }

    /// Whether most of the series that had counted something fell.
    fn most_fell(&self, read: &Read<'_>) -> bool {
        let counted = || {
            let known = |it: &(&SeriesKey, u64)| Some((self.series.get(it.0)?.last.value, it.1));
            read.values.iter().filter_map(known).filter(|it| it.0 > 0)
        };
        counted().filter(|(before, now)| now < before).count() * 2 > counted().count()
    }

    /// Whether most of what fell has at least what it had at the first read: then it is the process of that
    /// read, and another one was read meanwhile.
    fn most_go_on(&self, read: &Read<'_>) -> bool {
        let (mut fallen, mut more) = (0_usize, 0_usize);
        for (key, now) in &read.values {
            if self.series.get(*key).is_none_or(|it| it.last.value <= *now) {
                continue;
            }
            fallen += 1;
            let first = self.first.binary_search_by(|(it, _)| it.cmp(key)).ok();
            more += usize::from(first.is_some_and(|at| self.first[at].1 <= *now));
        }
        more * 2 > fallen
    }

    /// Whether far more was counted than ever before. Where nobody tells when the process began, it may be
    /// another one, which has counted more.
    fn leaps(&mut self, read: &Read<'_>) -> bool {
        if self.start_ms.is_some() && read.start_ms.is_some() {
            return false;
        }
        let last_ms = self.seen_ms.map_or(read.at_ms, |it| it.1);
        let more: u64 = (read.values.iter())
            .filter(|(key, _)| key.measured == Measured::Requests)
            .filter_map(|(key, now)| now.checked_sub(self.series.get(*key)?.last.value))
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "only compared")]
        let a_ms = more as f64 / (read.at_ms - last_ms).max(1) as f64;
        let most = self.most_a_ms;
        self.most_a_ms = Some(a_ms.max(most.unwrap_or(0.0)));
        most.is_some_and(|most| a_ms > most * LEAP)
    }

    /// All that is there is counted anew.
    fn anew<'a>(&mut self, read: &Read<'a>, is_sure: bool) -> Vec<Increment<'a>> {
        let mut increments = Vec::new();
        for (key, value) in &read.values {
            let before = self.series.get(*key).map_or(0, |it| it.last.value);
            let fall = (!is_sure && *value < before).then_some(Fall { from: before, to: *value });
            self.set(key, read.at_ms, *value, fall);
            increments.push(Increment { key, at_ms: read.at_ms, more: *value, is_sure });
        }
        if is_sure {
            // What else there is, is of the process before.
            self.series.retain(|_, it| it.last.at_ms == read.at_ms);
        }
        increments
    }

    /// What is more than before is counted, and what begins.
    fn same<'a>(&mut self, read: &Read<'a>) -> Vec<Increment<'a>> {
        let (at_ms, last_ms) = (read.at_ms, self.seen_ms.map_or(read.at_ms, |it| it.1));
        let is_sure = !(self.leaps(read) | self.comes_back(read));
        let mut increments = Vec::new();
        for (key, value) in read.values.iter().copied() {
            let begun = |is_again| Begun { key: key.clone(), at_ms, value, is_again };
            let Some(state) = self.series.get(key).copied() else {
                self.begun.extend((value > 0).then(|| begun(false)));
                self.set(key, at_ms, value, None);
                continue;
            };
            let before = state.last.value;
            // The process was read, and the series was not there.
            let was_away =
                state.last.at_ms < last_ms && at_ms - state.last.at_ms > self.recent_ms * GAP;
            if value >= before {
                increments.push(Increment { key, at_ms, more: value - before, is_sure });
                if was_away {
                    // It may have begun anew meanwhile.
                    increments.push(Increment { key, at_ms, more: before, is_sure: false });
                }
                self.set(key, at_ms, value, state.fall.filter(|it| value < it.from));
                continue;
            }
            if was_away {
                self.begun.push(begun(true));
            } else {
                self.doubts.insert(CounterDoubt::CountersFell);
            }
            self.set(key, at_ms, value, Some(Fall { from: before, to: value }));
        }
        increments
    }

    /// Whether counters that fell have at once what they had before, or more: then another process was read,
    /// and what is more than at the last read is no count.
    fn comes_back(&mut self, read: &Read<'_>) -> bool {
        let (mut fallen, mut back) = (0_usize, 0_usize);
        for (key, value) in &read.values {
            let Some(state) = self.series.get(*key) else { continue };
            let Some(Fall { from, to }) = state.fall else { continue };
            fallen += 1;
            // A process that counts on comes there step by step.
            let step = value.saturating_sub(state.last.value);
            back += usize::from(*value >= from && step.saturating_mul(2) >= from - to);
        }
        if back * 2 > fallen {
            self.returns += 1;
        }
        if self.returns >= RETURNS {
            self.doubts.insert(CounterDoubt::SeveralProcesses);
        }
        back > 0
    }

    fn keep(&mut self, read: &Read<'_>) {
        for (key, value) in &read.values {
            self.set(key, read.at_ms, *value, None);
        }
    }

    fn set(&mut self, key: &SeriesKey, at_ms: i64, value: u64, fall: Option<Fall>) {
        let last = CounterSample { at_ms, value };
        if let Some(state) = self.series.get_mut(key) {
            (state.last, state.fall) = (last, fall);
        } else {
            self.series.insert(key.clone(), SeriesState { first_ms: at_ms, last, fall });
        }
    }

    /// What only the end of reading tells: series that began counted from zero, unless they stand in the place
    /// of others that ended. A process that joined late may have counted before, or not. `usual_ms` is the
    /// usual time between two reads of any process.
    pub(super) fn settled(&self, from_ms: i64, usual_ms: i64) -> Vec<Increment<'_>> {
        let mut settled = Vec::new();
        let first_ms = self.first_seen_ms().unwrap_or(from_ms);
        if first_ms - from_ms > usual_ms * GAP {
            settled.extend(self.first.iter().map(|(key, more)| Increment {
                key,
                at_ms: first_ms,
                more: *more,
                is_sure: false,
            }));
        }
        settled.extend(self.begun.iter().map(|it| Increment {
            key: &it.key,
            at_ms: it.at_ms,
            more: it.value,
            is_sure: !it.is_again && !self.is_replaced(it),
        }));
        settled
    }

    /// Whether another series of the same requests ended when it began, as when labels change.
    fn is_replaced(&self, begun: &Begun) -> bool {
        let Some(last_ms) = self.last_ms() else { return false };
        let least = SeriesKey { others: Vec::new(), ..begun.key.clone() };
        let alike = self.series.range(&least..).take_while(|(key, _)| {
            (key.measured, &key.route, &key.status) == (least.measured, &least.route, &least.status)
        });
        let ended = |state: &SeriesState| {
            state.first_ms < begun.at_ms
                && state.last.at_ms < last_ms
                && state.last.at_ms <= begun.at_ms + self.recent_ms * GAP
        };
        alike.into_iter().any(|(key, state)| *key != begun.key && ended(state))
    }

    /// Series that are known.
    pub(super) fn series(&self) -> usize {
        self.series.len()
    }

    /// When anything of it was read first.
    pub(super) fn first_seen_ms(&self) -> Option<i64> {
        self.seen_ms.map(|it| it.0)
    }

    /// When anything of it was read last.
    pub(super) fn last_seen_ms(&self) -> Option<i64> {
        self.seen_ms.map(|it| it.1)
    }

    /// When its counters were read last.
    pub(super) fn last_ms(&self) -> Option<i64> {
        self.times_ms.last().copied()
    }

    /// The usual time between two reads; `None` of one read.
    pub(super) fn usual_ms(&self) -> Option<i64> {
        usual(&self.times_ms)
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

/// The median of the times between rising times.
fn usual(times_ms: &[i64]) -> Option<i64> {
    let mut between: Vec<i64> = times_ms.windows(2).map(|pair| pair[1] - pair[0]).collect();
    between.sort_unstable();
    between.get(between.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use perf_passport::contract::ObservedRoute;

    use super::*;

    fn key(status: &str, version: &str) -> SeriesKey {
        SeriesKey {
            instance: "i".to_owned(),
            measured: Measured::Requests,
            route: ObservedRoute { route: "/a".to_owned(), method: "GET".to_owned() },
            status: status.to_owned(),
            others: vec![("version".to_owned(), version.to_owned())],
        }
    }

    /// Start in seconds, where it is told; and what two series have, where they are there.
    type Seen = (Option<i64>, [Option<u64>; 2]);

    /// Reads each 15 s from 15 on: what is sure and what is not, of each series, and the process.
    #[expect(clippy::needless_pass_by_value, reason = "each test makes its own")]
    fn read(series: [SeriesKey; 2], reads: &[Seen]) -> ([[u64; 2]; 2], Instance) {
        let mut instance = Instance::default();
        let times = |place: usize| (i64::try_from(place).unwrap() + 1) * 15_000;
        instance.expect((0..reads.len()).map(times));
        let mut sums = [[0; 2]; 2];
        let mut add = |it: &Increment<'_>| {
            let place = usize::from(*it.key == series[1]);
            sums[place][usize::from(!it.is_sure)] += it.more;
        };
        for (place, (start, values)) in reads.iter().enumerate() {
            let there = series.iter().zip(values).filter_map(|(key, it)| Some((key, (*it)?)));
            let start_ms = start.map(|it| it * 1000);
            let read = Read { at_ms: times(place), start_ms, values: there.collect() };
            instance.read(&read, 0).iter().for_each(&mut add);
        }
        instance.settled(0, 15_000).iter().for_each(&mut add);
        (sums, instance)
    }

    const TWO: fn() -> [SeriesKey; 2] = || [key("2xx", ""), key("5xx", "")];

    fn doubts(instance: &Instance) -> Vec<CounterDoubt> {
        instance.doubts.iter().copied().collect()
    }

    #[test]
    fn a_restart_that_the_process_tells_counts_from_zero() {
        let before = Some(-5_000);
        let (sums, instance) = read(
            TWO(),
            &[
                (before, [Some(100), Some(1)]),
                (before, [Some(110), Some(1)]),
                // Began anew 5 s before this read, and has more of one than before.
                (Some(40), [Some(7), Some(3)]),
                (Some(40), [Some(9), Some(3)]),
            ],
        );
        assert_eq!(sums, [[10 + 9, 0], [3, 0]]);
        assert_eq!((instance.resets, doubts(&instance)), (1, vec![]));
    }

    #[test]
    fn a_restart_that_nobody_tells_is_not_sure() {
        let reads = [
            (None, [Some(100), Some(1)]),
            (None, [Some(110), Some(1)]),
            (None, [Some(7), Some(0)]),
            (None, [Some(9), Some(0)]),
        ];
        let (sums, instance) = read(TWO(), &reads);
        assert_eq!(sums, [[10 + 2, 7], [0, 0]]);
        assert_eq!((instance.resets, doubts(&instance)), (1, vec![]));
    }

    /// Two processes in turns, as behind a load balancer: whether they tell when they began, or not.
    #[test]
    fn two_processes_behind_one_name_are_told_from_restarts() {
        for tells in [true, false] {
            let reads: Vec<Seen> = (0..8)
                .map(|it: u64| {
                    let (start, all) =
                        if it.is_multiple_of(2) { (-900, 10_000) } else { (-600, 200) };
                    (tells.then_some(start), [Some(all + it), Some(0)])
                })
                .collect();
            let (sums, instance) = read(TWO(), &reads);
            assert_eq!(doubts(&instance), [CounterDoubt::SeveralProcesses], "{tells}");
            assert_eq!(sums[0][0], 0, "{tells}: {sums:?}");
        }
        // One that has counted more is read for a while.
        let reads: Vec<Seen> = [100, 105, 9_000, 9_005, 110, 115]
            .map(|it| (None, [Some(it), Some(it / 100)]))
            .to_vec();
        let (sums, instance) = read(TWO(), &reads);
        assert_eq!(doubts(&instance), [CounterDoubt::SeveralProcesses]);
        assert_eq!(sums, [[5 + 5 + 5, 8_895 + 110], [0, 89 + 1]]);
        // Or for good.
        let (sums, _) = read(TWO(), &reads[..4]);
        assert_eq!(sums, [[5 + 5, 8_895], [0, 89]]);
        // The later one is read from some time on, and was there long before.
        let reads = [(Some(-900), [Some(9), Some(0)]), (Some(-600), [Some(99), Some(0)])];
        let (sums, instance) = read(TWO(), &reads);
        assert_eq!(doubts(&instance), [CounterDoubt::SeveralProcesses]);
        assert_eq!(sums[0], [0, 99]);
    }

    #[test]
    fn starts_that_the_clock_moves_are_of_one_process() {
        let reads = [
            (Some(-900), [Some(10), Some(0)]),
            (Some(-899), [Some(12), Some(0)]),
            (Some(-900), [Some(15), Some(0)]),
        ];
        let (sums, instance) = read(TWO(), &reads);
        assert_eq!((sums[0], instance.resets, doubts(&instance)), ([5, 0], 0, vec![]));
    }

    #[test]
    fn a_counter_that_falls_a_little_is_no_restart() {
        for start in [Some(-900), None] {
            // One of two series, as most did not fall.
            let reads = [
                (start, [Some(1_000), Some(5)]),
                (start, [Some(998), Some(5)]),
                (start, [Some(1_010), Some(5)]),
            ];
            let (sums, instance) = read(TWO(), &reads);
            assert_eq!(doubts(&instance), [CounterDoubt::CountersFell], "{start:?}");
            assert!(sums[0][0] <= 12, "{start:?}: {sums:?}");
        }
        // All of them, and the process says that it went on.
        let reads = [(Some(-900), [Some(1_000), Some(5)]), (Some(-900), [Some(998), Some(4)])];
        let (sums, instance) = read(TWO(), &reads);
        assert_eq!(doubts(&instance), [CounterDoubt::CountersFell]);
        assert_eq!(sums, [[0, 0], [0, 0]]);
        // All of them, and nobody says so: nothing of it is sure.
        let reads = [(None, [Some(1_000), Some(5)]), (None, [Some(998), Some(4)])];
        let (sums, _) = read(TWO(), &reads);
        assert_eq!(sums, [[0, 998], [0, 4]]);
    }

    #[test]
    fn a_series_that_begins_counted_from_zero_unless_another_one_ended() {
        let start = Some(-900);
        let reads = |last: Option<u64>| {
            vec![
                (start, [Some(100), None]),
                (start, [Some(110), None]),
                (start, [last, Some(114)]),
                (start, [last, Some(120)]),
            ]
        };
        // Errors that begin.
        let (sums, _) = read(TWO(), &reads(Some(111)));
        assert_eq!(sums, [[11, 0], [120, 0]]);
        // The same requests by another label: what the new series has may be from before.
        let (sums, _) = read([key("2xx", "1"), key("2xx", "2")], &reads(None));
        assert_eq!(sums, [[10, 0], [6, 114]]);
        // Both go on.
        let (sums, _) = read([key("2xx", "1"), key("2xx", "2")], &reads(Some(111)));
        assert_eq!(sums, [[11, 0], [120, 0]]);
        // A process that was read before it had counted anything.
        let (sums, _) = read(TWO(), &[(start, [None, None]), (start, [Some(2), Some(1)])]);
        assert_eq!(sums, [[2, 0], [1, 0]]);
    }

    #[test]
    fn a_process_that_joins_counts_from_zero_where_it_began_in_this_time() {
        let late = |start: Option<i64>| {
            let mut instance = Instance::default();
            let series = key("5xx", "");
            let values = vec![(&series, 4)];
            let read = Read { at_ms: 600_000, start_ms: start, values };
            let mut all = instance.read(&read, 0);
            let settled = instance.settled(0, 15_000);
            all.extend(settled.iter().map(|it| Increment { key: &series, ..*it }));
            all.iter().map(|it| (it.more, it.is_sure)).collect::<Vec<_>>()
        };
        assert_eq!(late(Some(590_000)), [(4, true)]);
        assert_eq!(late(Some(-5_000)), [(4, false)]);
        assert_eq!(late(None), [(4, false)]);
        // Its clock is wrong.
        assert_eq!(late(Some(900_000)), [(4, false)]);
    }

    #[test]
    fn a_series_that_was_away_may_have_begun_anew() {
        let start = Some(-900);
        let mut reads = vec![(start, [Some(100), Some(3)])];
        reads.extend([(start, [Some(110), None]); 5]);
        let back = |value: u64| {
            let mut reads = reads.clone();
            reads.push((start, [Some(111), Some(value)]));
            let (sums, instance) = read(TWO(), &reads);
            (sums[1], doubts(&instance))
        };
        assert_eq!(back(5), ([2, 3], vec![]));
        assert_eq!(back(2), ([0, 2], vec![]));
    }

    #[test]
    fn a_gap_is_longer_than_three_of_the_usual_times() {
        let series = key("2xx", "");
        let mut instance = Instance::default();
        for at_ms in [0, 15, 30, 75, 90, 151, 166] {
            instance.read(&Read { at_ms, start_ms: None, values: vec![(&series, 1)] }, 0);
        }
        let gaps = Gaps { number: 1, missing_ms: 46, all_ms: 166 };
        assert_eq!(instance.gaps(), gaps);
        assert_eq!(Instance::default().gaps(), Gaps::default());
    }
}
