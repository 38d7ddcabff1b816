//! `passport schema`: the formats, for editors and other programs.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport::{contract::ContractDocument, passport::Passport};

/// Print the JSON Schema of the contract, of the passport, or of the causes beside it.
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Which document
    #[arg(value_enum)]
    document: Document,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    Contract,
    Passport,
    /// Why checks got worse, beside the passport of a comparison
    #[cfg(target_os = "linux")]
    Causes,
}

pub(super) fn run(arguments: &SchemaArguments) -> Result<ExitCode, Failure> {
    let schema = match arguments.document {
        Document::Contract => schemars::schema_for!(ContractDocument),
        Document::Passport => schemars::schema_for!(Passport),
        #[cfg(target_os = "linux")]
        Document::Causes => schemars::schema_for!(super::compare_causes::Causes<'_>),
    };
    let mut text = serde_json::to_string_pretty(&schema).map_err(Failure::usage)?;
    text.push('\n');
    terminal::print(&text)?;
    Ok(Code::Pass.into())
}
