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
mod consequences;
mod content;
mod differences;
mod effects;
mod exact_counts;
mod figures;
mod findings;
mod harmony;
mod measures;
mod missing_samples;
mod operations;
mod outside;
mod over_http;
mod production;
mod pull_request;
mod row_coverage;
mod stored;
mod style;
mod summary;
mod untold;

use crate::passport::{HashError, Passport};

pub use content::{Column, Document, Finding, Mark, Report, Row, SourcePlace, SummaryLine, Table};
pub use exact_counts::exact_counts;
pub use figures::figures;
pub use findings::claims_at_fault;
pub use html::page;
use outside::name;
pub use pull_request::{CommentContext, pull_request_comment};
pub use style::Style;
pub use summary::Scope;

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
    /// One page for a browser, which loads nothing
    Html = "html" in html,
    /// Comma-separated values: figures and claims
    Csv = "csv" in csv,
    /// `JUnit` XML: a test case for each check and operation
    Junit = "junit" in junit,
    /// Annotations of GitHub Actions
    Github = "github" in github,
    /// Bencher Metric Format
    Bencher = "bencher" in bencher,
    /// The list that github-action-benchmark takes as customSmallerIsBetter
    GithubActionBenchmark = "github-action-benchmark" in github_action_benchmark,
}

impl Format {
    /// Whether the format has only what a passport says: of any other document it is empty.
    pub const fn is_of_passports(self) -> bool {
        matches!(self, Self::Junit | Self::Bencher | Self::GithubActionBenchmark)
    }
}

impl<'a> Report<'a> {
    /// What was measured: checks, operations, what is at fault, and what a gate decides of `scope`.
    pub fn of_passport(passport: &'a Passport, scope: Scope) -> Self {
        let summary = &passport.summary;
        let status = match scope {
            Scope::Measured => summary.measured_status,
            Scope::Whole => summary.overall_status,
        };
        let name = contract_name(passport);
        let title = format!("{status}: {name}");
        let tables = [checks::table(passport), operations::table(passport)];
        let tables = tables.into_iter().chain(production::tables(passport));
        let notes = row_coverage::note(passport).into_iter().chain(over_http::notes(passport));
        let notes = notes.chain(untold::note(passport));
        Self {
            tables: tables.filter(|it| !it.rows.is_empty()).collect(),
            notes: notes.chain(production::notes(passport)).collect(),
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
