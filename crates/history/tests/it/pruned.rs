//! What is removed, and what never is.

use std::collections::BTreeSet;

use perf_passport_history::{
    events::Certainty,
    prune::{Retention, evidence_of, removable},
};

use crate::opened::{Fixture, commit};

#[test]
fn the_evidence_of_changes_and_baselines_stay_and_the_log_says_the_same() {
    let mut fixture = Fixture::new();
    for place in 0..12 {
        commit(&fixture.repository, "code", &place.to_string());
        fixture.keep(if place < 6 { 10 } else { 20 }, 1);
    }
    let (mut history, _) = fixture.open();
    let series = history.series().unwrap();
    let events = history.events(&series);
    assert!(events.iter().all(|it| (it.from, it.to) == (5, 6)) && !events.is_empty());
    let timeline = &history.timeline;
    let passports = &timeline.passports;
    let protected = evidence_of(&events, &series, passports);
    assert_eq!(protected.len(), 2);
    let nothing = removable(timeline, &protected, Retention::default());
    assert_eq!(nothing, BTreeSet::new());
    let keep = |keep| removable(timeline, &protected, Retention { keep: Some(keep), before: None });
    assert_eq!((keep(0).len(), keep(3).len(), keep(20).len()), (10, 7, 0));
    // Both must hold: these were measured in 2025, all after its beginning.
    let year = std::time::Duration::from_secs(1_735_689_600);
    let before = Some(std::time::UNIX_EPOCH + year);
    let old = removable(timeline, &protected, Retention { keep: Some(3), before });
    assert_eq!(old, BTreeSet::new());
    // What another was compared with stays.
    let mut with_baseline = timeline.clone();
    let gone = keep(3).pop_first().unwrap();
    with_baseline.passports[0].baseline = Some(gone.clone());
    let retention = Retention { keep: Some(3), before: None };
    assert!(!removable(&with_baseline, &protected, retention).contains(&gone));

    for hash in keep(3) {
        fixture.store().remove(&hash).unwrap();
    }
    assert_eq!(fixture.events(), events);
}

#[test]
fn a_suspicion_is_shown_by_all_times_up_to_its_nomination_and_stays() {
    let mut fixture = Fixture::new();
    for place in 0..60_u64 {
        commit(&fixture.repository, "code", &place.to_string());
        let mut made = fixture.made(10, 1);
        let step = if place < 30 { 0 } else { 20_000 };
        made.subjects[0].ns = 50_000 + step + place * 7 % 11;
        fixture.store().keep(&made.passport()).unwrap();
    }
    let (mut history, _) = fixture.open();
    let series = history.series().unwrap();
    let events = history.events(&series);
    assert!(!events.is_empty() && events.iter().all(|it| it.certainty == Certainty::Suspicion));
    let until = events.iter().map(|it| it.shown_until).max().unwrap();
    assert!(events[0].to == 30 && (31..50).contains(&until), "{events:?}");
    let protected = evidence_of(&events, &series, &history.timeline.passports);
    assert_eq!(protected.len(), until + 1);
    let retention = Retention { keep: Some(0), before: None };
    let gone = removable(&history.timeline, &protected, retention);
    assert_eq!(gone.len(), 60 - (until + 1));
    for hash in gone {
        fixture.store().remove(&hash).unwrap();
    }
    assert_eq!(fixture.events(), events);
}

#[test]
fn what_has_its_place_on_another_branch_stays() {
    let mut fixture = Fixture::new();
    commit(&fixture.repository, "code", "1");
    fixture.keep(10, 1);
    fixture.repository.git(&["checkout", "--quiet", "-b", "other"]);
    for text in ["2", "3"] {
        commit(&fixture.repository, "code", text);
        fixture.keep(20, 1);
    }
    fixture.repository.write("code", "dirty");
    fixture.keep(30, 1);
    let (history, _) = fixture.open();
    let timeline = &history.timeline;
    let removed = |keep| {
        let retention = Retention { keep: Some(keep), before: None };
        removable(timeline, &BTreeSet::new(), retention).len()
    };
    // Of the four, one is on the line and one of a dirty tree.
    assert_eq!((removed(0), removed(1), removed(2)), (2, 1, 0));
}
