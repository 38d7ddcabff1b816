//! What is removed, and what never is.

use std::collections::BTreeSet;

use perf_passport_history::prune::{Retention, evidence_of, removable};

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
    let passports = &history.timeline.passports;
    let protected = evidence_of(&events, &series, passports);
    assert_eq!(protected.len(), 2);
    let nothing = removable(passports, &protected, Retention::default());
    assert_eq!(nothing, BTreeSet::new());
    let keep =
        |keep| removable(passports, &protected, Retention { keep: Some(keep), before: None });
    assert_eq!((keep(0).len(), keep(3).len(), keep(20).len()), (10, 7, 0));
    // Both must hold: these were measured in 2025, all after its beginning.
    let year = std::time::Duration::from_secs(1_735_689_600);
    let before = Some(std::time::UNIX_EPOCH + year);
    let old = removable(passports, &protected, Retention { keep: Some(3), before });
    assert_eq!(old, BTreeSet::new());
    // What another was compared with stays.
    let mut with_baseline = passports.clone();
    let gone = keep(3).pop_first().unwrap();
    with_baseline[0].baseline = Some(gone.clone());
    let retention = Retention { keep: Some(3), before: None };
    assert!(!removable(&with_baseline, &protected, retention).contains(&gone));

    for hash in keep(3) {
        fixture.store().remove(&hash).unwrap();
    }
    assert_eq!(fixture.events(), events);
}
