//! The contract's file: read, and where it is.

use std::{fmt::Display, io, path::Path};

use anyhow::anyhow;

use super::exit::Failure;
use perf_passport::{
    contract::Contract,
    files,
    units::{BYTES_PER_MB, Bytes},
};

/// The largest contract that is read.
const CONTRACT_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

/// Reads a contract from a file.
pub(super) fn read_contract(path: &Path) -> Result<Contract, Failure> {
    let text = contract_text(path)?;
    Contract::parse(&text).map_err(|error| unreadable(path, &error))
}

/// The text of a contract, whatever is in it.
pub(super) fn contract_text(path: &Path) -> Result<String, Failure> {
    let refused = |why: &dyn Display| unreadable(path, why);
    let bytes = files::read(path, CONTRACT_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            refused(&"there is none; write one, or name it with --contract FILE")
        }
        _ => refused(&error),
    })?;
    let text = str::from_utf8(&bytes).map_err(|error| refused(&error))?;
    Ok(text.to_owned())
}

/// The directory that a contract is in: what it names is relative to it.
pub(super) fn directory_of(contract: &Path) -> &Path {
    let parent = contract.parent().filter(|it| !it.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn unreadable(contract: &Path, why: &dyn Display) -> Failure {
    Failure::usage(anyhow!("cannot read contract `{}`: {why}", contract.display()))
}
