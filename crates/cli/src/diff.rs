//! `passport diff`: what changed between two passports.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport::{passport, report, store};

/// Print what changed between two passports, claim by claim.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The earlier passport
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The later passport
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// Exit with 1 when anything differs
    #[arg(long)]
    exit_code: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let before = store::read(&arguments.before)?;
    let after = store::read(&arguments.after)?;
    let found = passport::diff(&before, &after);
    let mut text = report::differences(&found);
    if found.is_empty() {
        text.push_str("no difference in behaviour, exact counts or verdicts\n");
    }
    if before.passport_hash == after.passport_hash {
        text.push_str(&format!("passport hash {} on both sides\n", before.passport_hash));
    } else {
        text.push_str(&format!(
            "passport hash {} -> {}\n",
            before.passport_hash, after.passport_hash
        ));
    }
    if !before.provenance.same_build(&after.provenance) {
        text.push_str("they are of different toolchains, profiles, targets or databases\n");
    }
    terminal::print(&text)?;
    let differs = !found.is_empty() || before.passport_hash != after.passport_hash;
    let code = if arguments.exit_code && differs { Code::Failed } else { Code::Pass };
    Ok(code.into())
}
