//! What a command prints of its outcome, in the format that was asked for.

use std::path::Path;

use anyhow::anyhow;
use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use super::{document::is_standard_output, exit::Failure, terminal};
use perf_passport::report::{Format, Report, Style, render};

/// How a command prints.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// How to print the outcome
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = parser())]
    output_format: Format,
}

impl Output {
    /// Prints a report to standard output.
    pub(super) fn print(&self, report: &Report<'_>, ci: bool) -> Result<(), Failure> {
        let text = render(report, self.output_format, terminal::style(ci))?;
        Ok(terminal::print(&text)?)
    }

    /// Refuses a format that has only what a passport says, before anything is done for another document.
    pub(super) fn refuse_of_passports(&self, what: &str) -> Result<(), Failure> {
        if !self.output_format.is_of_passports() {
            return Ok(());
        }
        let name = self.output_format.name();
        Err(Failure::usage(anyhow!("--output-format {name} is of passports, and {what} is none")))
    }

    /// Prints a report, to standard error where this document goes to standard output.
    pub(super) fn print_beside(
        &self,
        document: Option<&Path>,
        report: &Report<'_>,
        ci: bool,
    ) -> Result<(), Failure> {
        if !document.is_some_and(is_standard_output) {
            return self.print(report, ci);
        }
        let text = render(report, self.output_format, Style::Plain)?;
        terminal::note(text.trim_end());
        Ok(())
    }

    /// Prints where a document was written, unless that is standard output; `before` are lines above.
    pub(super) fn note_written(
        &self,
        before: &str,
        what: &str,
        path: &Path,
    ) -> Result<(), Failure> {
        if !is_standard_output(path) {
            return self.note(&format!("{before}{what} {}", terminal::path(path)));
        }
        if !before.is_empty() {
            terminal::note(before.trim_end());
        }
        Ok(())
    }

    /// Prints a line beside a document that was written to this path.
    pub(super) fn note_beside(&self, path: &Path, line: &str) -> Result<(), Failure> {
        if is_standard_output(path) {
            terminal::note(line);
            return Ok(());
        }
        self.note(line)
    }

    /// Prints a line on what was done besides: below a text, and beside any other format on standard
    /// error, as standard output is the document then.
    pub(super) fn note(&self, line: &str) -> Result<(), Failure> {
        match self.output_format {
            Format::Text => terminal::print(&format!("{line}\n"))?,
            _ => terminal::note(line),
        }
        Ok(())
    }
}

fn parser() -> impl TypedValueParser<Value = Format> {
    let values = Format::ALL.map(|it| PossibleValue::new(it.name()).help(it.words()));
    PossibleValuesParser::new(values).try_map(|given| {
        let format = Format::ALL.into_iter().find(|it| it.name() == given);
        format.ok_or_else(|| format!("there is no format `{given}`"))
    })
}
