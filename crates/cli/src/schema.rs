//! `passport schema`: the formats, for editors and other programs.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport::schemas;

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
    Causes,
}

pub(super) fn run(arguments: &SchemaArguments) -> Result<ExitCode, Failure> {
    terminal::print(match arguments.document {
        Document::Contract => schemas::CONTRACT,
        Document::Passport => schemas::PASSPORT,
        Document::Causes => schemas::CAUSES,
    })?;
    Ok(Code::Pass.into())
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use perf_passport::{contract::ContractDocument, passport::Passport};
    use schemars::{JsonSchema, schema_for};

    use super::*;
    use crate::compare_causes::Causes;

    /// Set, this test writes the files instead of comparing them.
    const WRITE: &str = "PASSPORT_WRITE_SCHEMAS";

    #[test]
    fn the_published_schemas_are_those_of_the_types() {
        holds::<ContractDocument>("contract", schemas::CONTRACT);
        holds::<Passport>("passport", schemas::PASSPORT);
        holds::<Causes<'_>>("causes", schemas::CAUSES);
    }

    #[track_caller]
    fn holds<T: JsonSchema>(name: &str, published: &str) {
        let made = serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n";
        if env::var_os(WRITE).is_some() {
            let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
            fs::write(schemas.join(format!("{name}.schema.json")), made).unwrap();
            return;
        }
        assert!(
            made == published.replace("\r\n", "\n"),
            "{name}.schema.json is out of step: run `{WRITE}=yes cargo test --package \
             perf-passport-cli --bin passport schemas`"
        );
    }
}
