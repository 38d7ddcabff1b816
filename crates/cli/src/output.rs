//! What a command prints of its outcome, in the format that was asked for.

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use super::{exit::Failure, terminal};
use perf_passport::report::{Format, Report, render};

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
