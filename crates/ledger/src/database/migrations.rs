//! The tables and indexes, and which of them a database has.
//!
//! A migration is a file of SQL that both databases read. What ran is kept in a table with its digest, so
//! that a database of another version is refused and not written to. The backends run what is left in one
//! transaction.

use std::fmt;

use crate::hash::Hash;

/// The files, in the order in which they run. The first has the number 1.
const FILES: [&str; 3] = [
    include_str!("../../migrations/V1__tables.sql"),
    include_str!("../../migrations/V2__indexes.sql"),
    include_str!("../../migrations/V3__work.sql"),
];

/// The indexes of the second migration: a bulk load drops them and runs that file again.
pub(super) const INDEXES: &str = FILES[1];

/// What follows from the rows of a fixture, and is no row of it.
pub(super) const AFTER_LOAD: &str = "UPDATE totals SET jobs_accepted = queue_length";

/// Makes the table of what ran, where there is none yet.
pub(super) const PREPARE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL
);";

/// The digests of what ran, in order.
pub(super) const RAN: &str = "SELECT digest FROM migrations ORDER BY version";

/// The database was made by another version of this service.
#[derive(Debug)]
pub(super) struct OfAnotherVersion;

impl fmt::Display for OfAnotherVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its migrations are those of another version")
    }
}

impl std::error::Error for OfAnotherVersion {}

fn digests() -> [String; 3] {
    FILES.map(|file| Hash::of(file.as_bytes()).as_str().to_owned())
}

/// The SQL of the migrations that did not run yet, and of noting that they did.
///
/// # Errors
///
/// [`OfAnotherVersion`] where something ran that is not here.
pub(super) fn left(ran: &[String]) -> Result<String, OfAnotherVersion> {
    let digests = digests();
    if !digests.starts_with(ran) {
        return Err(OfAnotherVersion);
    }
    let mut sql = String::new();
    for (index, (file, digest)) in FILES.iter().zip(&digests).enumerate().skip(ran.len()) {
        sql += file;
        sql += &format!("\nINSERT INTO migrations VALUES ({}, '{digest}');\n", index + 1);
    }
    Ok(sql)
}

/// The statements that drop every index of the second migration.
pub(super) fn drop_indexes() -> String {
    INDEXES
        .lines()
        .filter_map(|line| line.split_once(" INDEX ")?.1.split_once(' '))
        .fold(String::new(), |sql, (name, _)| sql + "DROP INDEX " + name + ";\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_dropped_before_a_load() {
        let created = INDEXES.matches("\nCREATE ").count();
        assert_eq!(created, 7);
        assert_eq!(drop_indexes().matches("DROP INDEX ").count(), created);
        assert!(drop_indexes().contains("DROP INDEX statements_hash;\n"));
    }

    #[test]
    fn what_ran_does_not_run_again_and_a_stranger_is_refused() {
        let all = left(&[]).unwrap();
        assert_eq!(all.matches("INSERT INTO migrations ").count(), 3);
        let digests = digests();
        assert!(left(&digests[..1]).unwrap().contains("CREATE UNIQUE INDEX blocks_id"));
        assert!(!left(&digests[..1]).unwrap().contains("CREATE TABLE"));
        assert_eq!(left(&digests).unwrap(), "");

        let mut newer = digests.to_vec();
        newer.push("0".repeat(64));
        assert!(left(&newer).is_err());
        assert!(left(&["0".repeat(64)]).is_err());
    }
}
