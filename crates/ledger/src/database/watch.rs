//! What is shown of a database that is watched: its operations by name, and the waits for its pool.
//!
//! PERF: an operation's name is read from its SQL, and not handed down: so a database that nobody
//! watches makes requests of the same size as before, to the byte.

use perf_passport_meter::telemetry::{DatabaseMetrics, DatabaseOperation, PoolMetrics, PoolTimer};

/// The metrics of a database and of its pool.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseWatch {
    pub(crate) database: DatabaseMetrics,
    pub(crate) pool: PoolMetrics,
}

impl DatabaseWatch {
    /// Begins an operation.
    pub(super) fn operation(&self, sql: &str) -> DatabaseOperation {
        let (operation, table) = named(sql);
        self.database.operation(operation, table)
    }

    /// No connection could be had, so no operation began.
    pub(super) fn no_connection(&self) {
        self.database.operation("connect", "none").failed();
    }

    /// Begins to wait for a connection, until the timer is dropped.
    pub(super) fn wait(&self) -> PoolTimer {
        self.pool.timer()
    }
}

const OPERATIONS: [&str; 4] = ["select", "insert", "update", "delete"];

const TABLES: [&str; 10] = [
    "blocks",
    "first_organism",
    "fixture",
    "jobs",
    "migrations",
    "organism_runs",
    "proof_seconds",
    "proofs",
    "statements",
    "totals",
];

/// What some SQL of this service does, and to which table: the first that stands outside of
/// parentheses after `FROM`, `INTO` or `UPDATE`; `none` where there is none.
fn named(sql: &str) -> (&'static str, &'static str) {
    let known = |names: &[&'static str], word: &str| {
        names.iter().find(|name| name.eq_ignore_ascii_case(word)).copied().unwrap_or("other")
    };
    let mut words = sql.split_ascii_whitespace();
    let operation = known(&OPERATIONS, words.clone().next().unwrap_or_default());
    let mut depth = 0;
    let table = loop {
        let Some(word) = words.next() else { break "none" };
        if depth == 0 && ["FROM", "INTO", "UPDATE"].contains(&word) {
            let table = words.next().unwrap_or_default();
            if !table.starts_with('(') {
                break known(&TABLES, table.trim_end_matches(')'));
            }
            // Rows that come as one: the question is inside.
            continue;
        }
        depth += word.matches('(').count();
        depth -= word.matches(')').count().min(depth);
    };
    (operation, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_by_what_they_do_and_to_what() {
        for (sql, name) in [
            ("SELECT id FROM totals WHERE id = 1", ("select", "totals")),
            ("SELECT a, (SELECT b FROM blocks LIMIT 1) FROM totals t", ("select", "totals")),
            ("SELECT (COUNT(*)) FROM jobs", ("select", "jobs")),
            ("INSERT INTO jobs (id) SELECT 1 FROM totals", ("insert", "jobs")),
            ("UPDATE jobs SET x = 1 WHERE id IN (SELECT id FROM jobs)", ("update", "jobs")),
            ("DELETE FROM proof_seconds WHERE second < $1", ("delete", "proof_seconds")),
            ("SELECT pg_database_size(current_database())", ("select", "none")),
            ("PRAGMA x", ("other", "none")),
            ("SELECT 1 FROM strangers", ("select", "other")),
            (
                "SELECT array_agg(c1) FROM (SELECT a, (SELECT b FROM totals) FROM proofs) AS many (c1)",
                ("select", "proofs"),
            ),
            (") FROM", ("other", "other")),
            ("", ("other", "none")),
        ] {
            assert_eq!(named(sql), name, "{sql}");
        }
    }
}
