//! Rows: the values that samples go through, from a file or a range. Nothing is read here.

use super::{ContractError, RowsDocument, placeholder::is_name};

/// The largest number of a range.
const RANGE_LIMIT: u64 = 1 << 53;

/// Rows that a range has at most, and a file as well.
pub(crate) const ROWS_MAX: u64 = 5_000_000;

/// Rows that samples go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsSpec {
    /// Where they come from.
    pub source: RowsSource,
    /// Decides on their order: the seed of the contract.
    pub seed: u64,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowsSource {
    /// A file with a line of names before its rows, relative to the contract.
    Csv(String),
    /// A file with a JSON object a line, relative to the contract.
    JsonLines(String),
    /// Numbers.
    Range {
        /// The name that they have.
        name: String,
        /// The first.
        first: u64,
        /// The last, which is not below the first.
        last: u64,
    },
}

impl RowsSpec {
    /// The file, as the contract names it.
    pub fn file(&self) -> Option<&str> {
        match &self.source {
            RowsSource::Csv(file) | RowsSource::JsonLines(file) => Some(file),
            RowsSource::Range { .. } => None,
        }
    }
}

/// Reads `rows`. Errors are within the table that has them.
pub(super) fn rows(
    written: Option<&RowsDocument>,
    seed: u64,
) -> Result<Option<RowsSpec>, ContractError> {
    let refused = |message: String| Err(ContractError::meaning("rows", message));
    let source = match written {
        None => return Ok(None),
        Some(RowsDocument::File(file)) => {
            check_file("rows", file)?;
            match file.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
                Some("csv") => RowsSource::Csv(file.clone()),
                Some("jsonl" | "ndjson") => RowsSource::JsonLines(file.clone()),
                _ => {
                    return refused(format!(
                        "rows `{}` end neither in `.csv` nor in `.jsonl`",
                        file.escape_default()
                    ));
                }
            }
        }
        Some(RowsDocument::Range(range)) => {
            let mut names = range.iter();
            let (Some((name, text)), None) = (names.next(), names.next()) else {
                return refused("a range has one name: `rows = { id = \"1..500\" }`".to_owned());
            };
            let ends = text.split_once("..").and_then(|(first, last)| {
                Some((first.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?))
            });
            let fits = |(first, last): &(u64, u64)| {
                first <= last && *last <= RANGE_LIMIT && last - first < ROWS_MAX
            };
            let Some((first, last)) = ends.filter(fits).filter(|_| is_name(name)) else {
                return refused(format!(
                    "`{} = \"{}\"` is no range such as `id = \"1..500\"`, of at most {ROWS_MAX} \
                     numbers, the last one included",
                    name.escape_default(),
                    text.escape_default()
                ));
            };
            RowsSource::Range { name: name.clone(), first, last }
        }
    };
    Ok(Some(RowsSpec { source, seed }))
}

/// A file that belongs to the contract is below its directory, so that who measures elsewhere has it too.
pub(super) fn check_file(key: &str, file: &str) -> Result<(), ContractError> {
    let outside = file.split('/').any(|part| part == "..");
    if !file.is_empty() && !file.starts_with('/') && !outside && !file.contains(char::is_control) {
        return Ok(());
    }
    let message = format!(
        "`{}` is not a file below the directory of the contract: write its path from there, without \
         `..`",
        file.escape_default()
    );
    Err(ContractError::meaning(key, message))
}
