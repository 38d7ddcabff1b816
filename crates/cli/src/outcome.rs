//! What a command that measures came to: its passport, printed, and its exit code.

use std::path::Path;

use clap::Args;

use super::{
    exit::{Code, Failure},
    output::Output,
    terminal,
};
use perf_passport::{
    passport::Passport,
    report::{Report, Scope},
};

/// How a command that gates takes what is not proved.
#[derive(Debug, Args)]
pub(super) struct Gating {
    /// Exit with 0 where nothing failed, also where a required claim abstained
    #[arg(long)]
    allow_abstain: bool,
}

impl Gating {
    /// The exit code, which says that an abstention is allowed.
    pub(super) fn take(&self, code: Code) -> Code {
        if code != Code::Abstained || !self.allow_abstain {
            return code;
        }
        terminal::note("a required claim abstained, which --allow-abstain allows");
        Code::Pass
    }
}

/// A passport that was just measured, and whether the user cut it short.
pub(super) struct CommandOutcome {
    pub(super) passport: Passport,
    pub(super) interrupted: bool,
    /// Whether the user asks for the contract as a whole.
    pub(super) whole: bool,
}

impl CommandOutcome {
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

    /// What there is to say of it.
    pub(super) fn report(&self) -> Report<'_> {
        let scope = if self.whole { Scope::Whole } else { Scope::Measured };
        Report::of_passport(&self.passport, scope)
    }

    /// Prints the report.
    pub(super) fn print(&self, output: &Output, ci: bool) -> Result<(), Failure> {
        output.print(&self.report(), ci)
    }

    /// Prints the report where it is not in the way of a passport that is written to this path.
    pub(super) fn print_beside(
        &self,
        path: &Path,
        output: &Output,
        ci: bool,
    ) -> Result<(), Failure> {
        output.print_beside(Some(path), &self.report(), ci)
    }
}
