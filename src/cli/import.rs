//! `passport import`: take over a passport of the original scripts.

use std::{path::PathBuf, process::ExitCode};

use anyhow::anyhow;
use clap::Args;

use super::{
    exit::{Code, Failure},
    measure, terminal,
};
use crate::{
    passport::{self, ImportError},
    store,
    text::escaped,
};

/// Import a passport of the original `MathLedger` scripts.
///
/// Its figures show no evidence, so every claim of the result abstains; what cannot be known is
/// said in its annotations.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The original passport
    #[arg(value_name = "FILE")]
    original: PathBuf,
    /// Where the imported passport is written
    #[arg(short, long, value_name = "FILE", default_value = "imported_performance_passport.json")]
    output: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let path = arguments.original.display();
    let bytes = store::read_bytes(&arguments.original)?;
    let passport = passport::import(&bytes).map_err(|error| {
        let code = if matches!(error, ImportError::Hash) { Code::Failed } else { Code::Usage };
        Failure::new(code, anyhow!("cannot import `{path}`: {error}"))
    })?;
    store::write(&arguments.output, &passport)?;
    measure::print_report(&passport, true)?;
    let mut text = String::new();
    for (name, value) in &passport.annotations {
        if name.starts_with("import.") {
            text.push_str(&format!("{name}: {}\n", escaped(value)));
        }
    }
    text.push_str(&format!("passport {}\n", terminal::path(&arguments.output)));
    terminal::print(&text)?;
    Ok(Code::Pass.into())
}
