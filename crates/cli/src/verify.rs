//! `passport verify`: is this passport what its evidence says?

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport::store;

/// Verify passports offline: hashes, summaries and verdicts follow from the evidence.
#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// The passports
    #[arg(required = true, value_name = "FILE")]
    passports: Vec<PathBuf>,
}

pub(super) fn run(arguments: &VerifyArguments) -> Result<ExitCode, Failure> {
    let mut code = Code::Pass;
    for path in &arguments.passports {
        match store::read(path) {
            Ok(passport) => {
                let line = format!(
                    "sound  {}  {}  passport {}  evidence {}\n",
                    terminal::path(path),
                    passport.summary.overall_status,
                    passport.passport_hash,
                    passport.evidence_hash
                );
                terminal::print(&line)?;
            }
            Err(error) => {
                let failure = Failure::from(error);
                terminal::error(&failure);
                // An edited passport is the graver finding.
                if code != Code::Failed {
                    code = failure.code;
                }
            }
        }
    }
    Ok(code.into())
}
