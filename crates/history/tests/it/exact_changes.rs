//! A hundred exact changes in a real history with squashes, rebases, reverts, merges and gaps.

use std::collections::BTreeMap;

use perf_passport_history::{events::Event, figures::Kind};
use perf_passport_test_support::repository::GitRepository;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::opened::{Fixture, commit};

/// What the code of a commit is: it is in a file, and decides the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Code {
    allocations: u64,
    body: u64,
}

impl Code {
    fn text(self) -> String {
        format!("{} {}\n", self.allocations, self.body)
    }

    fn parse(text: &str) -> Self {
        let mut numbers = text.split_whitespace().map(|it| it.parse().unwrap());
        Self { allocations: numbers.next().unwrap(), body: numbers.next().unwrap() }
    }

    fn of(repository: &GitRepository, commit: &str) -> Self {
        Self::parse(&repository.git(&["show", &format!("{commit}:code")]))
    }
}

struct Story {
    fixture: Fixture,
    random: ChaCha8Rng,
    next: u64,
    /// Commits that were measured, on any branch.
    measured: Vec<String>,
}

impl Story {
    fn chance(&mut self, of: u32) -> bool {
        self.random.next_u32().is_multiple_of(of)
    }

    fn now(&self) -> Code {
        Code::parse(&std::fs::read_to_string(self.fixture.repository.path().join("code")).unwrap())
    }

    /// A change that nobody made before, of one figure or the other.
    fn change(&mut self) {
        self.next += 1;
        let code = self.now();
        let code = if self.chance(2) {
            Code { allocations: 100 + self.next, ..code }
        } else {
            Code { body: self.next, ..code }
        };
        commit(&self.fixture.repository, "code", &code.text());
    }

    /// A change of the tree that costs nothing.
    fn note(&mut self) {
        self.next += 1;
        commit(&self.fixture.repository, "notes", &self.next.to_string());
    }

    fn measure(&mut self) {
        let code = self.now();
        self.fixture.keep(code.allocations, code.body);
        self.measured.push(self.fixture.repository.git(&["rev-parse", "HEAD"]));
    }

    fn git(&self, arguments: &[&str]) {
        self.fixture.repository.git(arguments);
    }

    /// One step of the first-parent line, by the way that somebody works.
    fn step(&mut self) {
        match self.random.next_u32() % 8 {
            0 | 1 => self.note(),
            2 | 3 => self.change(),
            4 => {
                // A branch with several changes, merged.
                self.git(&["checkout", "--quiet", "-b", "topic"]);
                self.change();
                self.measure();
                self.change();
                self.git(&["checkout", "--quiet", "main"]);
                self.git(&["merge", "--quiet", "--no-ff", "--no-edit", "topic"]);
                self.git(&["branch", "--quiet", "-D", "topic"]);
            }
            5 => {
                // A branch that was measured, squashed: the tree is the same, the commit is not.
                self.git(&["checkout", "--quiet", "-b", "topic"]);
                self.change();
                self.note();
                self.measure();
                self.git(&["checkout", "--quiet", "main"]);
                self.git(&["merge", "--quiet", "--squash", "topic"]);
                self.git(&["commit", "--quiet", "--message", "squashed"]);
                self.git(&["branch", "--quiet", "-D", "topic"]);
                return;
            }
            6 => {
                // A branch that was measured, and then worded otherwise by a rebase.
                self.git(&["checkout", "--quiet", "-b", "topic"]);
                self.change();
                self.measure();
                self.git(&["commit", "--quiet", "--amend", "--message", "worded otherwise"]);
                self.git(&["checkout", "--quiet", "main"]);
                self.git(&["rebase", "--quiet", "topic"]);
                self.git(&["branch", "--quiet", "-D", "topic"]);
                return;
            }
            _ => {
                // What changed last is taken back: a tree of before, which is not measured again.
                self.change();
                self.measure();
                self.git(&["revert", "--no-edit", "HEAD"]);
                return;
            }
        }
        // Every fourth is a gap.
        if !self.chance(4) {
            self.measure();
            if self.chance(5) {
                // Measured again: evidence, and no point.
                self.measure();
            }
        }
    }
}

#[test]
fn each_change_is_found_at_its_commit_or_its_true_range_and_none_elsewhere() {
    let fixture = Fixture::new();
    commit(&fixture.repository, "code", &Code { allocations: 100, body: 0 }.text());
    let random = ChaCha8Rng::seed_from_u64(14);
    let mut story = Story { fixture, random, next: 0, measured: Vec::new() };
    story.measure();
    for _ in 0..110 {
        story.step();
    }
    story.measure();
    let (mut history, followed) = story.fixture.open();
    assert!(followed.unsound.is_empty(), "{followed:?}");
    let events = crate::opened::events(&mut history);

    // What is true, from git alone.
    let line =
        story.fixture.repository.git(&["log", "--first-parent", "--reverse", "--format=%H %T"]);
    let line: Vec<(&str, &str)> = line.lines().map(|it| it.split_once(' ').unwrap()).collect();
    let trees: Vec<String> = (story.measured.iter())
        .map(|it| story.fixture.repository.git(&["rev-parse", &format!("{it}^{{tree}}")]))
        .collect();
    let codes: Vec<Code> =
        line.iter().map(|(commit, _)| Code::of(&story.fixture.repository, commit)).collect();
    let measured: Vec<bool> =
        line.iter().map(|(_, tree)| trees.iter().any(|it| it == tree)).collect();
    let expected = |figure: fn(&Code) -> u64| {
        let mut expected = BTreeMap::new();
        let mut last = 0;
        for place in (1..line.len()).filter(|place| measured[*place]) {
            let (before, after) = (figure(&codes[last]), figure(&codes[place]));
            if before != after {
                expected.insert((last, place), (before, after));
            }
            last = place;
        }
        expected
    };
    let allocations = expected(|it| it.allocations);
    let bodies = expected(|it| it.body);
    assert_eq!(of(&events, "cart/default", Kind::Allocations), allocations);
    assert_eq!(of(&events, "operation::total", Kind::Allocations), allocations);
    let bytes = |(places, (a, b)): (&(usize, usize), &(u64, u64))| (*places, (a * 16, b * 16));
    let bytes: BTreeMap<_, _> = allocations.iter().map(bytes).collect();
    assert_eq!(of(&events, "cart/default", Kind::AllocatedBytes), bytes);
    let responses = of(&events, "cart/default", Kind::Response);
    assert!(responses.keys().eq(bodies.keys()), "{responses:?} {bodies:?}");
    let all = 4 * allocations.len() + bodies.len();
    assert_eq!(events.len(), all, "some events are elsewhere");

    // Every true change lies in one of them; most are dated, and some lie in a gap.
    let count = |figure: fn(&Code) -> u64, found: &BTreeMap<(usize, usize), (u64, u64)>| {
        let changes = (1..line.len()).filter(|it| figure(&codes[*it]) != figure(&codes[it - 1]));
        let covered = |place: &usize| found.keys().any(|(from, to)| from < place && place <= to);
        let changes: Vec<usize> = changes.collect();
        let lost = changes.iter().filter(|it| !covered(it)).count();
        assert_eq!(lost, 0, "changes in no event");
        changes.len()
    };
    let changes = count(|it| it.allocations, &allocations) + count(|it| it.body, &bodies);
    let dated =
        allocations.keys().chain(bodies.keys()).filter(|(from, to)| from + 1 == *to).count();
    let ranges = allocations.len() + bodies.len() - dated;
    println!("{changes} changes on {} commits: {dated} dated, {ranges} ranges", line.len());
    assert!(changes >= 100 && dated > 50 && ranges > 5, "{changes} {dated} {ranges}");
}

/// The events of a series, by place.
fn of(events: &[Event], subject: &str, kind: Kind) -> BTreeMap<(usize, usize), (u64, u64)> {
    let of = events.iter().filter(|it| it.key.subject == subject && it.key.kind == kind);
    let number = |it: i64| u64::try_from(it).unwrap();
    of.map(|it| ((it.from, it.to), (number(it.before.0), number(it.after.0)))).collect()
}
