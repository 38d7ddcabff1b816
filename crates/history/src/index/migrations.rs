//! The tables, and which of them a database has. An index of another version is made again, not migrated
//! with care: it holds nothing that the store does not.

use perf_passport::text::hex;
use sha2::{Digest, Sha256};

/// The files, in the order in which they run. The first has the number 1.
const FILES: [&str; 1] = [include_str!("../../migrations/V1__tables.sql")];

/// The schema of PostgreSQL that holds all tables, so that nobody else's have their names.
pub(super) const SCHEMA: &str = "perf_passport_history";

/// Makes the table of what ran, where there is none yet.
pub(super) const PREPARE: &str = "CREATE TABLE IF NOT EXISTS passport_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL
);";

/// The digests of what ran, in order.
pub(super) const RAN: &str = "SELECT digest FROM passport_migrations ORDER BY version";

/// Removes all tables of any version.
pub(super) const DROP: &str = "DROP TABLE IF EXISTS points;
DROP TABLE IF EXISTS series;
DROP TABLE IF EXISTS words;
DROP TABLE IF EXISTS passports;
DROP TABLE IF EXISTS passport_migrations;";

/// What a database needs before it can be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Needed {
    /// The migrations that did not run yet; empty where all did.
    Sql(String),
    /// It was made by another version.
    Rebuild,
}

/// What is left to run after these.
pub(super) fn needed(ran: &[String]) -> Needed {
    let digests = FILES.map(|file| hex(&Sha256::digest(file.as_bytes())));
    if !digests.starts_with(ran) {
        return Needed::Rebuild;
    }
    let mut sql = String::new();
    for (index, (file, digest)) in FILES.iter().zip(&digests).enumerate().skip(ran.len()) {
        sql += file;
        sql += &format!("\nINSERT INTO passport_migrations VALUES ({}, '{digest}');\n", index + 1);
    }
    Needed::Sql(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_does_not_run_again_and_another_version_is_made_again() {
        let Needed::Sql(all) = needed(&[]) else { panic!("nothing ran yet") };
        assert!(all.contains("CREATE TABLE points"));
        let digests = FILES.map(|file| hex(&Sha256::digest(file.as_bytes())));
        assert_eq!(needed(&digests), Needed::Sql(String::new()));
        assert_eq!(needed(&["0".repeat(64)]), Needed::Rebuild);
        let newer = [digests.as_slice(), &["1".repeat(64)]].concat();
        assert_eq!(needed(&newer), Needed::Rebuild);
    }
}
