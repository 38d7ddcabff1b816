//! The schema: migrations inside the binary, and the indexes that a bulk load does without.

/// The migrations, inside the binary.
pub(super) mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The indexes of the second migration: a bulk load drops them and runs that file again.
pub(super) const INDEXES: &str = include_str!("../../migrations/V2__indexes.sql");

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
}
