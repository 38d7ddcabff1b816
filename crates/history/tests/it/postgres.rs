//! An index in PostgreSQL says what one in SQLite does.

use perf_passport_history::{History, HistoryError, index::IndexLocation};
use perf_passport_test_support::postgres::Cluster;

use crate::opened::{Fixture, commit};

#[test]
fn postgresql_says_what_sqlite_says_and_its_end_is_told_without_the_password() {
    let Some(cluster) = Cluster::start() else { return };
    // Somebody else's tables, which have the names of ours.
    let theirs = "CREATE TABLE words (x text); INSERT INTO words VALUES ('theirs');
        CREATE TABLE points (x text); CREATE TABLE passport_migrations (digest text, version int);
        INSERT INTO passport_migrations VALUES ('another version', 1);";
    on_server(cluster.url(), theirs);
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

    let count = "SELECT (SELECT x FROM words) || (SELECT digest FROM passport_migrations)
        || (SELECT count(*) FROM points)";
    assert_eq!(on_server(cluster.url(), count), ["theirsanother version0"]);

    // It goes away in the middle, and does not come back.
    cluster.stop();
    for error in [fewer.index.dump().unwrap_err(), History::open(&opening).unwrap_err()] {
        let said = error.to_string();
        assert!(matches!(error, HistoryError::IndexAway { .. }), "{error:?}");
        assert!(said.contains("postgresql") && !said.contains("s3cret"), "{said}");
    }
}

/// The first cells of what some SQL answers.
fn on_server(address: &str, sql: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connected = tokio_postgres::connect(address, tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        let messages = client.simple_query(sql).await.unwrap();
        let cell = |message: &tokio_postgres::SimpleQueryMessage| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        messages.iter().filter_map(cell).collect()
    })
}
