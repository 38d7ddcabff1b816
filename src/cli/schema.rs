//! `passport schema`: the formats, for editors and other programs.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{
    exit::{Code, Failure},
    terminal,
};
use crate::{contract::ContractDocument, passport::Passport};

/// Print the JSON Schema of the contract or of the passport.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which document
    #[arg(value_enum)]
    document: Document,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    Contract,
    Passport,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let schema = match arguments.document {
        Document::Contract => schemars::schema_for!(ContractDocument),
        Document::Passport => schemars::schema_for!(Passport),
    };
    let mut text = serde_json::to_string_pretty(&schema).map_err(Failure::usage)?;
    text.push('\n');
    terminal::print(&text)?;
    Ok(Code::Pass.into())
}
