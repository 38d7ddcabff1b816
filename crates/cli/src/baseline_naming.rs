//! Whether the contract names a baseline's file, and the line that would.

use std::path::Path;

use super::{document::is_standard_output, measure::Measuring, terminal};
use perf_passport::{contract::Contract, text::escaped};

/// What to do so that `check` finds a baseline in this file; `None` where it does.
pub(super) fn advice(measuring: &Measuring, contract: &Contract, path: &Path) -> Option<String> {
    if !path.is_file() || is_standard_output(path) {
        return None;
    }
    let shown = terminal::path(path);
    if let Some(named) = &contract.document.baseline {
        let directory = measuring.directory();
        let is_named = path.canonicalize().ok() == directory.join(named).canonicalize().ok();
        return (!is_named).then(|| {
            let named = escaped(named);
            format!(
                "the contract names `{named}` and not this: give `check` --baseline {shown} for it"
            )
        });
    }
    let contract_file = measuring.contract_path();
    let Some(relative) = below(measuring.directory(), path).filter(|_| contract_file.is_file())
    else {
        return Some(format!("no contract names it: give `check` --baseline {shown}"));
    };
    Some(format!(
        "the contract names no baseline: add the line `baseline = \"{relative}\"` to {}, above its first \
         table, or give `check` --baseline {shown}",
        terminal::path(contract_file)
    ))
}

/// The path from a directory to a file below it, where it can be written as it is.
fn below(directory: &Path, path: &Path) -> Option<String> {
    let (directory, path) = (directory.canonicalize().ok()?, path.canonicalize().ok()?);
    let relative = path.strip_prefix(directory).ok()?.to_str()?;
    let plain = |c: char| c == ' ' || (c.is_ascii_graphic() && !matches!(c, '"' | '\\'));
    relative.chars().all(plain).then(|| relative.to_owned())
}
