//! Reports: what a person or another program reads of a passport.
//!
//! A [`Report`] is made of a passport, a comparison, a difference or a calibration, and holds what
//! any of them has to say: tables, notes, findings, a summary and the document itself. [`render`]
//! writes it in a [`Format`]. Both are pure. A new format is one file here and one line in the table
//! of formats below; a new kind of report is one constructor. ASCII only. Text from outside is made
//! printable here, and each format escapes it for its own place. Colour is the caller's decision.

mod bodies;
mod checks;
mod comparison;
mod differences;
mod exact_counts;
mod findings;
mod operations;
mod summary;

use crate::{
    claim::Verdict,
    passport::{HashError, Passport},
    text::{escaped, printable},
};

pub use exact_counts::exact_counts;
pub use findings::claims_at_fault;

/// Makes the formats of one table: a line for each, with its module and its name on the command line.
macro_rules! formats {
    ($($(#[doc = $words:literal])+ $format:ident = $name:literal in $module:ident,)*) => {
        $(mod $module;)*

        /// How a report is written.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Format {
            $($(#[doc = $words])+ $format,)*
        }

        impl Format {
            /// Every format.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$format),*];

            /// The name, as `--output-format` takes it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$format => $name,)*
                }
            }

            /// What it is, in some words.
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$format => concat!($($words),+).trim_ascii(),)*
                }
            }
        }

        /// Writes a report.
        ///
        /// # Errors
        ///
        /// [`HashError`] when the document cannot be written as JSON: a figure is above 2^53.
        pub fn render(report: &Report<'_>, format: Format, style: Style) -> Result<String, HashError> {
            match format {
                $(Format::$format => $module::render(report, style),)*
            }
        }
    };
}

formats! {
    /// Tables and lines for a terminal or a log
    Text = "text" in text,
    /// The document itself
    Json = "json" in json,
    /// Tables and a list for a pull request
    Markdown = "markdown" in markdown,
}

/// How lines are dressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Plain ASCII.
    Plain,
    /// With ANSI colours, for a terminal.
    Colour,
}

/// What of a contract the last line of a report judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What was selected and measured.
    Measured,
    /// The contract as a whole.
    Whole,
}

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
    fn has_verdicts(&self) -> bool {
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
            details: String::new(),
            summary: Vec::new(),
            document,
        }
    }

    /// What was measured: checks, operations, what is at fault, and what a gate decides of `scope`.
    pub fn of_passport(passport: &'a Passport, scope: Scope) -> Self {
        let (status, name) = (passport.summary.measured_status, contract_name(passport));
        let title = format!("{status}: {name}");
        let tables = [checks::table(passport), operations::table(passport)];
        Self {
            tables: tables.into_iter().filter(|it| !it.rows.is_empty()).collect(),
            findings: findings::findings(passport),
            summary: summary::lines(passport, scope),
            ..Self::new(title, Document::Passport(passport))
        }
    }
}

/// The name of the contract, or of what was measured where there is none.
fn contract_name(passport: &Passport) -> String {
    let contract = passport.contract.as_ref().map(|it| it.document.name.as_str());
    name(contract.unwrap_or(&passport.provenance.target))
}

/// Longer than any name that a contract can give.
const NAME_LENGTH_MAX: usize = 160;

/// A name as text from outside: a stranger's passport may name its checks anything. Backticks, which
/// end code in sentences and in Markdown, become quotes.
fn name(text: &str) -> String {
    printable(text.as_bytes(), NAME_LENGTH_MAX).replace('`', "'")
}

/// Any other text from outside, cut to a length in bytes.
fn foreign(text: &str, length_max: usize) -> String {
    let text = escaped(text);
    match text.get(..length_max) {
        Some(beginning) if text.len() > length_max => format!("{beginning}..."),
        _ => text,
    }
}

/// A cell of what is not known.
fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}
