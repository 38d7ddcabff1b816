//! Checks that were timed on a part of their rows.

use super::{content::shown, outside::name};
use crate::passport::Passport;

/// Which these are, and on how many; `None` where all rows were timed.
pub(super) fn note(passport: &Passport) -> Option<String> {
    let in_part = passport.test_results.iter().filter_map(|result| {
        let rows = result.evidence.rows.filter(|it| it.timed < it.rows)?;
        Some(format!("{} {} of {}", name(&result.test_name), rows.timed, rows.rows))
    });
    let in_part: Vec<String> = in_part.collect();
    let say = "timed on a part of the rows, which the seed chose";
    (!in_part.is_empty()).then(|| format!("{say}: {}", shown(&in_part)))
}
