//! What a command that measures came to: its passport, printed, and its exit code.

use super::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport::{
    passport::Passport,
    report::{self, Style},
};

/// A passport that was just measured, and whether the user cut it short.
pub(super) struct Outcome {
    pub(super) passport: Passport,
    pub(super) interrupted: bool,
    /// Whether the user asks for the contract as a whole.
    pub(super) whole: bool,
}

impl Outcome {
    /// The exit code of a command that gates on what was selected.
    pub(super) fn code(&self) -> Code {
        if self.interrupted {
            Code::Interrupted
        } else if self.whole {
            Code::from(self.passport.gate())
        } else {
            Code::of(&self.passport)
        }
    }

    /// Prints table, claims at fault and summary.
    pub(super) fn print(&self, ci: bool) -> Result<(), Failure> {
        let summary: fn(&Passport, Style) -> String =
            if self.whole { report::whole_summary_lines } else { report::summary_lines };
        print_with(&self.passport, ci, summary)
    }
}

/// Prints table, claims at fault and summary of what was measured.
pub(super) fn print_report(passport: &Passport, ci: bool) -> Result<(), Failure> {
    print_with(passport, ci, report::summary_lines)
}

fn print_with(
    passport: &Passport,
    ci: bool,
    summary: fn(&Passport, Style) -> String,
) -> Result<(), Failure> {
    let style = terminal::style(ci);
    let mut text = report::passport_table(passport, style);
    let operations = report::operations_table(passport, style);
    if !text.is_empty() && !operations.is_empty() {
        text.push('\n');
    }
    text.push_str(&operations);
    let faults = report::claims_at_fault(passport, style);
    if !faults.is_empty() {
        text.push('\n');
        text.push_str(&faults);
    }
    text.push('\n');
    text.push_str(&summary(passport, style));
    Ok(terminal::print(&text)?)
}
