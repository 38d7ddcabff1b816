//! What a report holds, in any format: tables, findings, a summary and the document.

use super::outside::name;
use crate::{claim::Verdict, passport::Passport};

/// What there is to say, in any format.
///
/// Build one with [`Report::of_passport`], [`Report::of_comparison`] or [`Report::of_differences`],
/// or from the parts.
#[derive(Debug)]
pub struct Report<'a> {
    /// One line: what this is of, and its verdict.
    pub title: String,
    /// Lines before everything else: where it comes from.
    pub head: Vec<String>,
    /// A table for each sort of subject; empty tables are left out.
    pub tables: Vec<Table>,
    /// Sentences on what the tables do not show.
    pub notes: Vec<String>,
    /// What a reader must be told, one by one.
    pub findings: Vec<Finding>,
    /// Where in the source it is that findings are about; for formats that point there.
    pub places: Vec<SourcePlace>,
    /// Lines that are shown as they are, such as causes; may be empty.
    pub details: String,
    /// Totals, hashes, and last what a gate decides.
    pub summary: Vec<SummaryLine>,
    /// What other programs read.
    pub document: Document<'a>,
}

/// The document that a report is of.
#[derive(Debug)]
pub enum Document<'a> {
    /// A passport, which is written as its hash covers it.
    Passport(&'a Passport),
    /// Any other document, as JSON.
    Json(String),
}

/// Rows under headings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What stands above it, where tables are several of one sort; empty otherwise.
    pub title: &'static str,
    /// What its rows are of: `check`.
    pub of: &'static str,
    /// The columns after verdict and name.
    pub columns: Vec<Column>,
    /// The rows; may be empty.
    pub rows: Vec<Row>,
    /// Lines below it.
    pub lines: Vec<String>,
}

impl Table {
    pub(super) fn has_verdicts(&self) -> bool {
        self.rows.iter().any(|row| row.verdict.is_some())
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub heading: &'static str,
    /// Whether a format that is short of room leaves it out.
    pub is_detail: bool,
}

impl Column {
    /// A column that every format shows.
    pub const fn new(heading: &'static str) -> Self {
        Self { heading, is_detail: false }
    }

    /// A column that a format may leave out.
    pub const fn detail(heading: &'static str) -> Self {
        Self { heading, is_detail: true }
    }
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is of, printable.
    pub name: String,
    /// The worst verdict of its required claims; a table whose rows have none has no such column.
    pub verdict: Option<Verdict>,
    /// A cell for each column.
    pub cells: Vec<String>,
}

/// How a finding is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A claim has this verdict.
    Verdict(Verdict),
    /// A claim that is not required has this verdict, which gates nothing.
    Excused(Verdict),
    /// Something could not be measured.
    Broken,
    /// More is known of a finding before it.
    Detail,
}

/// One thing that a reader must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub mark: Mark,
    /// What it is about, printable.
    pub of: String,
    /// What is claimed, with its figures, and why it has its verdict.
    pub sentence: String,
    /// What somebody else says of it, printable: the message of a failure.
    pub message: Option<String>,
}

/// Where in the source a subject got worse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePlace {
    /// The subject, as [`Finding::of`] has it.
    pub subject: String,
    /// The function; any text.
    pub function: String,
    /// The file, relative to the repository, where it is known; any text.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
}

impl SourcePlace {
    /// The place of a subject that is named as causes name it: a check by its name, and an operation as
    /// `operation::name`.
    pub fn of(subject: &str, function: String, file: Option<String>, line: Option<u32>) -> Self {
        let subject = name(subject.strip_prefix("operation::").unwrap_or(subject));
        Self { subject, function, file, line }
    }
}

/// A line of a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryLine {
    /// The verdict that it begins with, if any.
    pub verdict: Option<Verdict>,
    /// The text, after the verdict.
    pub text: String,
}

impl SummaryLine {
    /// A line without a verdict.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { verdict: None, text: text.into() }
    }
}

impl<'a> Report<'a> {
    /// A report that says nothing but its title, to be filled.
    pub const fn new(title: String, document: Document<'a>) -> Self {
        Self {
            title,
            head: Vec::new(),
            tables: Vec::new(),
            notes: Vec::new(),
            findings: Vec::new(),
            places: Vec::new(),
            details: String::new(),
            summary: Vec::new(),
            document,
        }
    }
}

/// Names that a sentence lists, at most.
const NAMES_MAX: usize = 3;

/// The first names, and how many more there are.
pub(super) fn shown(names: &[String]) -> String {
    let first = names.get(..NAMES_MAX).unwrap_or(names).join(", ");
    let more = names.len().saturating_sub(NAMES_MAX);
    if more > 0 { format!("{first} and {more} more") } else { first }
}

/// A cell of what is not known.
pub(super) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}
