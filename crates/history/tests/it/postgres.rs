//! An index in PostgreSQL says what one in SQLite does.

use perf_passport_history::{History, HistoryError, index::IndexLocation};
use perf_passport_test_support::postgres::Cluster;

use crate::opened::{Fixture, commit};

#[test]
fn postgresql_says_what_sqlite_says_and_its_end_is_told_without_the_password() {
    let Some(cluster) = Cluster::start() else { return };
    let mut fixture = Fixture::new();
    for (text, allocations) in [("1", 10), ("2", 20), ("3", 20), ("4", 10)] {
        commit(&fixture.repository, "code", text);
        fixture.keep(allocations, allocations);
    }
    let (mut sqlite, _) = fixture.open();
    let mut opening = fixture.opening();
    opening.index = IndexLocation::Postgres(cluster.url().to_owned());
    let (mut postgres, followed) = History::open(&opening).unwrap();
    assert_eq!(followed.added, 4);
    let dump = sqlite.index.dump().unwrap();
    assert_eq!(postgres.index.dump().unwrap(), dump);
    let events = crate::opened::events(&mut postgres);
    assert_eq!(events, crate::opened::events(&mut sqlite));
    assert!(events.len() >= 6, "{events:?}");
    let words = |history: &mut History| history.words(&events).unwrap().len();
    assert_eq!(words(&mut postgres), words(&mut sqlite));

    // Again, and again from nothing; then what the store no longer has goes.
    opening.rebuild = true;
    let (mut again, followed) = History::open(&opening).unwrap();
    assert_eq!((followed.added, again.index.dump().unwrap()), (4, dump));
    opening.rebuild = false;
    let hash = fixture.store().hashes().unwrap().pop_first().unwrap();
    fixture.store().remove(&hash).unwrap();
    let (mut fewer, followed) = History::open(&opening).unwrap();
    assert_eq!((followed.added, followed.removed), (0, 1));
    let (mut sqlite, _) = fixture.open();
    assert_eq!(fewer.index.dump().unwrap(), sqlite.index.dump().unwrap());

    // It goes away in the middle, and does not come back.
    cluster.stop();
    for error in [fewer.index.dump().unwrap_err(), History::open(&opening).unwrap_err()] {
        let said = error.to_string();
        assert!(matches!(error, HistoryError::Index { .. }), "{error:?}");
        assert!(said.contains("postgresql") && !said.contains("s3cret"), "{said}");
    }
}
