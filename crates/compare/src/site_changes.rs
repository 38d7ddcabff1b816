//! Which places allocate more than before.
//!
//! Code that is moved has other lines and is not changed. So the lines of one function are aligned by
//! what they allocate, as `diff` aligns lines by their text, and only what is left over changed. What
//! is left over on both sides and allocates the same is a function that was moved or renamed.

use std::collections::BTreeMap;

use serde::Serialize;

use perf_passport::{
    allocation::{AllocationSite, Place},
    units::{Bytes, Count},
};

/// A place that allocates otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteChange {
    /// The place in the current build, or in the baseline where only that allocates there.
    pub at: Place,
    /// What it calls to allocate, where that changed most; equal to `at` where it allocates itself.
    pub within: Place,
    /// Allocations of the baseline.
    pub allocations_before: Count,
    /// Those of the current build.
    pub allocations_after: Count,
    /// Bytes that the baseline allocates.
    pub allocated_bytes_before: Bytes,
    /// Those of the current build.
    pub allocated_bytes_after: Bytes,
    /// Bytes that were live when most were, in the baseline.
    pub peak_bytes_before: Bytes,
    /// Those of the current build.
    pub peak_bytes_after: Bytes,
}

impl SiteChange {
    /// Whether something got worse here.
    pub fn is_worse(&self) -> bool {
        self.allocations_after > self.allocations_before
            || self.allocated_bytes_after > self.allocated_bytes_before
    }

    /// Allocations that were added; negative where some are gone.
    pub fn allocations_more(&self) -> i128 {
        i128::from(self.allocations_after.get()) - i128::from(self.allocations_before.get())
    }

    /// Bytes that were added; negative where some are gone.
    pub fn allocated_bytes_more(&self) -> i128 {
        i128::from(self.allocated_bytes_after.get()) - i128::from(self.allocated_bytes_before.get())
    }

    fn of(before: Option<&SourceLine>, after: Option<&SourceLine>) -> Option<Self> {
        let at = after.or(before)?.at.clone();
        let sum = |line: Option<&SourceLine>, get: fn(&Amount) -> u64| {
            line.map_or(0, |line| line.within.values().map(get).fold(0, u64::saturating_add))
        };
        let counts = |get: fn(&Amount) -> u64| (sum(before, get), sum(after, get));
        let (allocations, bytes, peak) =
            (counts(|it| it.allocations), counts(|it| it.bytes), counts(|it| it.peak));
        Some(Self {
            within: changed_most(before, after).unwrap_or_else(|| at.clone()),
            at,
            allocations_before: Count::new(allocations.0),
            allocations_after: Count::new(allocations.1),
            allocated_bytes_before: Bytes::new(bytes.0),
            allocated_bytes_after: Bytes::new(bytes.1),
            peak_bytes_before: Bytes::new(peak.0),
            peak_bytes_after: Bytes::new(peak.1),
        })
    }
}

/// The places that allocate otherwise than before: those with the most allocations more first, and
/// of these with the most bytes more.
pub fn site_changes(before: &[AllocationSite], after: &[AllocationSite]) -> Vec<SiteChange> {
    let (mut gone, mut new): (Vec<SourceLine>, Vec<SourceLine>) = (Vec::new(), Vec::new());
    let mut changes = Vec::new();
    let (mut before, mut after) = (by_function(before), by_function(after));
    let functions: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
    for function in functions {
        let was = before.remove(&function).unwrap_or_default();
        let is = after.remove(&function).unwrap_or_default();
        for (was, is) in aligned(&was, &is) {
            match (was, is) {
                (Some(was), None) => gone.push(was),
                (None, Some(is)) => new.push(is),
                (was, is) => changes.extend(SiteChange::of(was.as_ref(), is.as_ref())),
            }
        }
    }
    leave_out_moved(&mut gone, &mut new);
    changes.extend(gone.iter().filter_map(|line| SiteChange::of(Some(line), None)));
    changes.extend(new.iter().filter_map(|line| SiteChange::of(None, Some(line))));
    // Stable, so that equals stay in the order of their places.
    changes.sort_by(|a, b| a.at.cmp(&b.at));
    changes.sort_by_key(|it| std::cmp::Reverse((it.allocations_more(), it.allocated_bytes_more())));
    changes
}

/// What was allocated at one line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SourceLine {
    at: Place,
    within: BTreeMap<Place, Amount>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Amount {
    allocations: u64,
    bytes: u64,
    peak: u64,
}

impl SourceLine {
    /// What of it stays when code is moved: which functions it calls to allocate what.
    fn signature(&self) -> Vec<(&str, u64, u64)> {
        let within = self.within.iter();
        let mut parts: Vec<_> = within
            .map(|(within, amount)| {
                let name = if *within == self.at { "" } else { within.function.as_str() };
                (name, amount.allocations, amount.bytes)
            })
            .collect();
        parts.sort_unstable();
        parts
    }

    /// The name of the function without its module.
    fn name(&self) -> &str {
        let function = self.at.function.as_str();
        function.rsplit_once("::").map_or(function, |(_, name)| name)
    }
}

/// The lines of each function in each file, in their order.
fn by_function(sites: &[AllocationSite]) -> BTreeMap<(String, Option<String>), Vec<SourceLine>> {
    let mut lines: BTreeMap<&Place, BTreeMap<Place, Amount>> = BTreeMap::new();
    for site in sites {
        let within = lines.entry(&site.at).or_default();
        let amount = within.entry(site.within.clone()).or_default();
        amount.allocations = amount.allocations.saturating_add(site.allocations.get());
        amount.bytes = amount.bytes.saturating_add(site.allocated_bytes.get());
        amount.peak = amount.peak.saturating_add(site.peak_bytes.get());
    }
    let mut functions: BTreeMap<_, Vec<SourceLine>> = BTreeMap::new();
    for (at, within) in lines {
        let key = (at.function.clone(), at.file.clone());
        functions.entry(key).or_default().push(SourceLine { at: at.clone(), within });
    }
    functions
}

/// The lines of one function before and after that do not allocate the same: pairs of those that
/// stand for each other, and those that stand for none.
///
/// The longest common subsequence of what the lines allocate is left out; of several, the one with
/// most lines that stayed where they are.
fn aligned(
    before: &[SourceLine],
    after: &[SourceLine],
) -> Vec<(Option<SourceLine>, Option<SourceLine>)> {
    let (rows, columns) = (before.len(), after.len());
    let signatures = |lines: &[SourceLine]| -> Vec<_> {
        lines.iter().map(|line| format!("{:?}", line.signature())).collect::<Vec<String>>()
    };
    let (was, is) = (signatures(before), signatures(after));
    let equal = |row: usize, column: usize| was[row] == is[column];
    // How many lines can be left out from here on, and how many of these stayed.
    let mut longest = vec![vec![(0_usize, 0_usize); columns + 1]; rows + 1];
    let with = |(count, stayed): (usize, usize), row: usize, column: usize| {
        let stays = before[row].at.line == after[column].at.line;
        (count + 1, stayed + usize::from(stays))
    };
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let best = longest[row + 1][column].max(longest[row][column + 1]);
            longest[row][column] = if equal(row, column) {
                best.max(with(longest[row + 1][column + 1], row, column))
            } else {
                best
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    let (mut pairs, mut removed, mut added) = (Vec::new(), Vec::new(), Vec::new());
    while row < rows || column < columns {
        let here = longest[row][column];
        if column == columns || (row < rows && longest[row + 1][column] == here) {
            removed.push(before[row].clone());
            row += 1;
        } else if row == rows || longest[row][column + 1] == here {
            added.push(after[column].clone());
            column += 1;
        } else {
            pairs.extend(paired(std::mem::take(&mut removed), std::mem::take(&mut added)));
            (row, column) = (row + 1, column + 1);
        }
    }
    pairs.extend(paired(removed, added));
    pairs
}

/// Lines between two that are left out: those at the same line stand for each other, then those of
/// equal rank.
fn paired(
    removed: Vec<SourceLine>,
    mut added: Vec<SourceLine>,
) -> Vec<(Option<SourceLine>, Option<SourceLine>)> {
    let (mut pairs, mut rest) = (Vec::new(), Vec::new());
    for line in removed {
        match added.iter().position(|it| it.at.line == line.at.line) {
            Some(index) => pairs.push((Some(line), Some(added.remove(index)))),
            None => rest.push(line),
        }
    }
    let mut added = added.into_iter();
    pairs.extend(rest.into_iter().map(|line| (Some(line), added.next())));
    pairs.extend(added.map(|line| (None, Some(line))));
    pairs
}

/// Leaves out what is gone in one place and new in another with the same allocations: first where
/// the function has the same name.
fn leave_out_moved(gone: &mut Vec<SourceLine>, new: &mut Vec<SourceLine>) {
    for same_name in [true, false] {
        gone.retain(|line| {
            let found = new.iter().position(|it| {
                it.signature() == line.signature() && (!same_name || it.name() == line.name())
            });
            found.map(|index| new.remove(index)).is_none()
        });
    }
}

/// What a line calls to allocate, where that changed most.
fn changed_most(before: Option<&SourceLine>, after: Option<&SourceLine>) -> Option<Place> {
    let amount = |line: Option<&SourceLine>, within: &Place| {
        line.and_then(|line| line.within.get(within).copied()).unwrap_or_default()
    };
    let all = [after, before].into_iter().flatten().flat_map(|line| line.within.keys());
    let change = |within: &&Place| {
        let (was, is) = (amount(before, within), amount(after, within));
        let more = |is: u64, was: u64| is.abs_diff(was);
        (more(is.allocations, was.allocations), more(is.bytes, was.bytes))
    };
    all.max_by_key(change).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(function: &str, line: u32) -> Place {
        let file = function.split("::").next().map(|it| format!("src/{it}.rs"));
        Place { function: function.to_owned(), file, line: Some(line) }
    }

    /// So many blocks of eight bytes at a line of a function, by calling another.
    fn site(function: &str, line: u32, within: &str, blocks: u64) -> AllocationSite {
        AllocationSite {
            at: place(function, line),
            within: place(within, 1),
            allocations: Count::new(blocks),
            allocated_bytes: Bytes::new(blocks * 8),
            peak_bytes: Bytes::new(blocks),
        }
    }

    fn sites(lines: &[(u32, u64)]) -> Vec<AllocationSite> {
        lines.iter().map(|(line, blocks)| site("orders::list", *line, "string", *blocks)).collect()
    }

    /// Function, line, and allocations before and after, of what changed.
    fn changes(
        before: &[AllocationSite],
        after: &[AllocationSite],
    ) -> Vec<(String, u32, u64, u64)> {
        site_changes(before, after)
            .into_iter()
            .map(|it| {
                let (before, after) = (it.allocations_before.get(), it.allocations_after.get());
                (it.at.function, it.at.line.unwrap(), before, after)
            })
            .collect()
    }

    /// The same of sites of one function.
    fn lines(before: &[(u32, u64)], after: &[(u32, u64)]) -> Vec<(u32, u64, u64)> {
        let changes = changes(&sites(before), &sites(after));
        changes.into_iter().map(|(_, line, before, after)| (line, before, after)).collect()
    }

    #[test]
    fn what_allocates_the_same_is_no_news_wherever_it_is() {
        let none: [(u32, u64, u64); 0] = [];
        assert_eq!(lines(&[(10, 1), (11, 5)], &[(10, 1), (11, 5)]), none);
        // Moved down together, and one of them by more.
        assert_eq!(lines(&[(10, 1), (11, 5)], &[(12, 1), (20, 5)]), none);
        assert_eq!(lines(&[(10, 1), (11, 1), (12, 1)], &[(11, 1), (12, 1), (13, 1)]), none);
        // Moved to another module, and renamed.
        let before = [site("orders::list", 10, "string", 3), site("orders::page", 2, "vec", 1)];
        let moved = [site("basket::list", 90, "string", 3), site("orders::page", 2, "vec", 1)];
        let renamed = [site("orders::all", 10, "string", 3), site("orders::page", 2, "vec", 1)];
        assert_eq!(changes(&before, &moved), []);
        assert_eq!(changes(&before, &renamed), []);
        assert_eq!(changes(&renamed, &moved), []);
    }

    #[test]
    fn what_is_new_is_found_among_what_moved() {
        // Pushed down by a line that is put before them.
        assert_eq!(lines(&[(10, 1), (11, 5)], &[(10, 36), (11, 1), (12, 5)]), [(10, 0, 36)]);
        assert_eq!(lines(&[(10, 1), (11, 5)], &[(10, 1), (11, 36), (12, 5)]), [(11, 0, 36)]);
        assert_eq!(lines(&[(10, 1)], &[(10, 1), (11, 1)]), [(11, 0, 1)]);
        assert_eq!(lines(&[], &[(88, 36)]), [(88, 0, 36)]);
        // And the other way round.
        assert_eq!(lines(&[(10, 36), (11, 1), (12, 5)], &[(10, 1), (11, 5)]), [(10, 36, 0)]);
        assert_eq!(lines(&[(88, 36)], &[]), [(88, 36, 0)]);
    }

    #[test]
    fn what_is_hotter_stays_one_place() {
        assert_eq!(lines(&[(10, 1), (11, 5)], &[(10, 1), (11, 40)]), [(11, 5, 40)]);
        // Moved as well.
        assert_eq!(lines(&[(10, 1), (11, 5)], &[(12, 1), (13, 40)]), [(13, 5, 40)]);
        assert_eq!(lines(&[(11, 5)], &[(10, 36), (11, 40)]), [(10, 0, 36), (11, 5, 40)]);
        let bytes = |bytes: u64| AllocationSite {
            allocated_bytes: Bytes::new(bytes),
            ..site("a::b", 1, "c", 1)
        };
        let found = site_changes(&[bytes(10)], &[bytes(99)]);
        assert_eq!((found.len(), found[0].is_worse()), (1, true));
        assert!(!site_changes(&[bytes(99)], &[bytes(10)])[0].is_worse());
    }

    #[test]
    fn the_worst_comes_first_with_what_it_calls() {
        let before = [site("orders::list", 10, "string", 2), site("orders::list", 10, "vec", 7)];
        let after = [
            site("orders::list", 10, "string", 9),
            site("orders::list", 10, "vec", 7),
            site("orders::sum", 40, "orders::sum", 20),
        ];
        let found = site_changes(&before, &after);
        let more: Vec<i128> = found.iter().map(SiteChange::allocations_more).collect();
        assert_eq!(more, [20, 7]);
        assert_eq!(found[1].within.function, "string");
        assert_eq!(
            (found[1].allocations_before, found[1].allocations_after),
            (Count::new(9), Count::new(16))
        );
        assert_eq!(found[1].peak_bytes_after, Bytes::new(16));
    }

    proptest::proptest! {
        /// Nothing is lost: the changes add up to the difference of all allocations, and the same
        /// sites at other lines are none.
        #[test]
        fn changes_add_up(
            before in proptest::collection::btree_map(1_u32..30, 1_u64..4, 0..12),
            after in proptest::collection::btree_map(1_u32..30, 1_u64..4, 0..12),
            moved in 0_u32..50,
        ) {
            let flat = |it: &BTreeMap<u32, u64>| it.iter().map(|(a, b)| (*a, *b)).collect::<Vec<_>>();
            let (before, after) = (flat(&before), flat(&after));
            let sum = |it: &[(u32, u64)]| it.iter().map(|(_, blocks)| i128::from(*blocks)).sum::<i128>();
            let found = site_changes(&sites(&before), &sites(&after));
            let more: i128 = found.iter().map(SiteChange::allocations_more).sum();
            proptest::prop_assert_eq!(more, sum(&after) - sum(&before));
            let shifted: Vec<_> = before.iter().map(|(line, blocks)| (line + moved, *blocks)).collect();
            proptest::prop_assert_eq!(lines(&before, &shifted), []);
        }
    }
}
