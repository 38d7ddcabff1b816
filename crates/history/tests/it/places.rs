//! Which passports are on the line, and which figures are held against each other.

use perf_passport::passport::{Passport, SaidCommit};
use perf_passport_history::{
    History, HistoryError,
    events::State,
    figures::{Figure, Kind, figures_of},
    record::{Acceptance, Record, SaidPlacement},
};

use crate::opened::{Fixture, commit};

/// Two commits that were measured, with so many allocations.
fn two(before: u64, after: u64) -> Fixture {
    let mut fixture = Fixture::new();
    commit(&fixture.repository, "code", "1");
    fixture.keep(before, 1);
    commit(&fixture.repository, "code", "2");
    fixture.keep(after, 1);
    fixture
}

#[test]
fn a_dirty_tree_is_kept_and_on_no_series() {
    let mut fixture = two(10, 10);
    fixture.repository.write("code", "dirty");
    fixture.keep(99, 1);
    assert_eq!(fixture.events(), []);
    let (history, _) = fixture.open();
    let off = history.off_the_line();
    assert_eq!(off.len(), 1);
    assert!(off[0].1.contains("dirty"), "{off:?}");
}

#[test]
fn another_toolchain_is_no_event_and_another_processor_is_none_either() {
    let mut fixture = two(10, 10);
    commit(&fixture.repository, "code", "3");
    let mut made = fixture.made(12, 1);
    made.rustc = "rustc 1.89.0".to_owned();
    fixture.store().keep(&made.passport()).unwrap();
    assert_eq!(fixture.events(), []);
    // Exact counts cross processors: the same toolchain on another one shows the change.
    let mut made = fixture.made(12, 1);
    made.cpu = "processor B".to_owned();
    fixture.store().keep(&made.passport()).unwrap();
    let events = fixture.events();
    assert!(events.iter().any(|it| it.key.kind == Kind::Allocations), "{events:?}");
    assert!(events.iter().all(|it| (it.from, it.to) == (1, 2)), "{events:?}");
}

#[test]
fn a_service_over_http_has_the_commit_that_was_said() {
    let mut fixture = two(10, 10);
    commit(&fixture.repository, "code", "3");
    let head = fixture.repository.source();
    let said = |source: &perf_passport::environment::Source| SaidCommit {
        reference: "HEAD".to_owned(),
        commit: source.commit.clone().unwrap(),
        commit_tree: source.commit_tree.clone().unwrap(),
    };
    let mut made = fixture.made(10, 7);
    made.http = Some(None);
    let unsaid = made.passport();
    fixture.store().keep(&unsaid).unwrap();
    let (history, _) = fixture.open();
    assert!(history.off_the_line()[0].1.contains("--commit REF"));
    drop(history);
    // Somebody says it when it is kept, and of another one while it is measured.
    let record = Record::Placement(SaidPlacement {
        schema_version: 1,
        passport: unsaid.evidence_hash,
        reference: "HEAD".to_owned(),
        commit: head.commit.clone().unwrap(),
        tree: head.commit_tree.clone().unwrap(),
    });
    fixture.store().keep_record(&record).unwrap();
    // Another record that says otherwise: neither is believed, whichever has the larger hash.
    let Record::Placement(mut other) = record.clone() else { panic!("it is a placement") };
    (other.commit, other.tree) = ("1".repeat(40), "2".repeat(40));
    let other = Record::Placement(other);
    fixture.store().keep_record(&other).unwrap();
    assert!(fixture.open().0.off_the_line()[0].1.contains("different commits"));
    let path = format!("records/{}.json", other.to_bytes().0);
    std::fs::remove_file(fixture.directory.path().join(path)).unwrap();
    commit(&fixture.repository, "code", "4");
    let mut made = fixture.made(10, 8);
    made.http = Some(Some(said(&fixture.repository.source())));
    fixture.store().keep(&made.passport()).unwrap();
    let events = fixture.events();
    let response: Vec<_> = events.iter().filter(|it| it.key.kind == Kind::Response).collect();
    assert_eq!(response.len(), 1, "{events:?}");
    assert_eq!((response[0].from, response[0].to), (2, 3));
}

#[test]
fn an_acceptance_outlives_that_its_event_is_dated_better() {
    let mut fixture = Fixture::new();
    commit(&fixture.repository, "code", "1");
    fixture.keep(10, 1);
    commit(&fixture.repository, "code", "2");
    let gap = fixture.repository.git(&["rev-parse", "HEAD"]);
    commit(&fixture.repository, "code", "3");
    fixture.keep(20, 1);
    let accept = |fixture: &Fixture| {
        for event in fixture.events() {
            let tree = |place: usize| fixture.open().0.line().positions[place].tree.clone();
            let record = Record::Acceptance(Acceptance {
                schema_version: 1,
                event: event.id.clone(),
                contract: event.key.contract.clone(),
                subject: event.key.subject.clone(),
                kind: event.key.kind.name().to_owned(),
                from_tree: tree(event.from),
                to_tree: tree(event.to),
                before: "10".to_owned(),
                after: "20".to_owned(),
                why: "wanted".to_owned(),
                timestamp: "2026-01-01T00:00:00.000Z".to_owned(),
            });
            fixture.store().keep_record(&record).unwrap();
        }
    };
    let before = fixture.events();
    assert!(!before.is_empty() && before.iter().all(|it| it.is_open() && !it.is_dated()));
    accept(&fixture);
    // The gap is measured later.
    fixture.repository.git(&["checkout", "--quiet", &gap]);
    fixture.keep(20, 1);
    let after = fixture.events();
    assert_eq!(after.len(), before.len());
    for event in &after {
        assert!(event.is_dated() && event.to == 1, "{event:?}");
        assert_eq!(event.state, State::Accepted { why: "wanted".to_owned() });
        assert!(before.iter().all(|it| it.id != event.id));
    }
    // Another change of the same series is not accepted with it.
    fixture.repository.git(&["checkout", "--quiet", "main"]);
    commit(&fixture.repository, "code", "4");
    fixture.keep(30, 1);
    let events = fixture.events();
    assert_eq!(events.iter().filter(|it| it.is_open()).count(), before.len());
    assert!(events.iter().filter(|it| it.is_open()).all(|it| it.to == 3));
}

#[test]
fn a_line_ends_at_one_commit_and_a_range_is_none() {
    let fixture = two(10, 10);
    for range in ["HEAD..HEAD", "HEAD~1..HEAD", "HEAD...HEAD~1", "HEAD^@", "HEAD^!"] {
        let mut opening = fixture.opening();
        opening.branch = range.to_owned();
        let error = History::open(&opening).unwrap_err();
        assert!(matches!(error, HistoryError::UnknownReference { .. }), "{range}: {error}");
    }
}

#[test]
fn the_time_of_a_service_and_that_of_a_round_trip_are_two_tracks() {
    let mut passport = two(10, 10).made(10, 1).passport();
    let track = |passport: &Passport| {
        let mut figures = figures_of(passport).into_iter();
        let is_time = |it: &Figure| it.kind == Kind::Latency && it.subject.starts_with("cart");
        figures.find(is_time).unwrap().track
    };
    let before = track(&passport);
    let evidence = &mut passport.test_results[0].evidence;
    evidence.server_latency = Some(evidence.latency.clone());
    assert_eq!(track(&passport), format!("{before}; time of the service"));
}

#[test]
fn a_renamed_subject_is_one_series() {
    let mut fixture = two(10, 10);
    commit(&fixture.repository, "code", "3");
    let mut made = fixture.made(15, 1);
    made.subjects[0].name = "basket".to_owned();
    made.subjects.truncate(1);
    fixture.store().keep(&made.passport()).unwrap();
    assert_eq!(fixture.events(), [], "nobody says that it was renamed");
    commit(&fixture.repository, "code", "4");
    made.run += 100;
    made.source = fixture.repository.source();
    made.tables = "[history]\nrenamed_from = { basket = \"cart\" }".to_owned();
    fixture.store().keep(&made.passport()).unwrap();
    let events = fixture.events();
    let found: Vec<_> = events.iter().filter(|it| it.key.kind == Kind::Allocations).collect();
    assert_eq!(found.len(), 1, "{events:?}");
    assert_eq!(found[0].key.subject, "basket/default");
    assert_eq!((found[0].from, found[0].to), (1, 2));
}

#[test]
fn what_is_kept_twice_or_joined_is_counted_once() {
    let fixture = two(10, 20);
    let (one, two) = (fixture.store(), two(10, 20));
    let before = fixture.events();
    for hash in one.hashes().unwrap() {
        let passport = one.read(&hash).unwrap();
        assert_eq!(one.keep(&passport).unwrap(), perf_passport_history::store::Kept::Already);
    }
    assert_eq!(fixture.events(), before);
    // A union of files is a union of histories.
    for hash in two.store().hashes().unwrap() {
        let passport = two.store().read(&hash).unwrap();
        one.keep(&passport).unwrap();
    }
    assert_eq!(fixture.events(), before);
}
