//! Work on a real PostgreSQL: what `work` asserts of SQLite, and two ledgers on one database.

use perf_passport_ledger::{LedgerState, Settings};

use crate::{
    postgres::{Server, in_schema},
    watched::assert_watched,
    work::{Tables, assert_claims_end, assert_latency, assert_load, assert_stops, open},
};

/// The tables of one schema.
struct Schema {
    url: String,
    name: String,
}

impl Schema {
    /// One for a test, which a given server keeps: so the process is part of its name.
    fn of(server: &Server, test: &str) -> Self {
        Self {
            url: server.url().to_owned(),
            name: format!("ledger_work_{test}_{}", std::process::id()),
        }
    }

    fn settings(&self) -> Settings {
        in_schema(&self.url, &self.name)
    }

    async fn connect(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = {}", self.name)).await.unwrap();
        client
    }
}

impl Tables for Schema {
    async fn number(&self, sql: &str) -> i64 {
        self.connect().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn change(&self, sql: &str) {
        self.connect().await.batch_execute(sql).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_does_each_job_once_for_two_ledgers() {
    let Some(server) = Server::start() else { return };
    let schema = Schema::of(&server, "load");
    let ledgers =
        [open(schema.settings()).await, LedgerState::open(schema.settings()).await.unwrap()];
    assert_load(&ledgers, &schema).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_what_waits_and_what_the_dead_claimed() {
    let Some(server) = Server::start() else { return };
    let schema = Schema::of(&server, "stops");
    let again = LedgerState::open(schema.settings()).await;
    assert_stops(open(schema.settings()).await, again.unwrap(), &schema).await;
    let schema = Schema::of(&server, "claims");
    assert_claims_end(open(schema.settings()).await, &schema).await;
    let schema = Schema::of(&server, "latency");
    let again = LedgerState::open(schema.settings()).await;
    assert_latency(open(schema.settings()).await, again.unwrap(), &schema).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_watched_at_work() {
    let Some(server) = Server::start() else { return };
    let schema = Schema::of(&server, "watched");
    assert_watched(open(schema.settings()).await).await;
}
