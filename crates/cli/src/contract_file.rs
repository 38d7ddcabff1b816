//! The contract's file: read, and where it is.

use std::{fmt::Display, fs, io, path::Path};

use anyhow::anyhow;

use super::{exit::Failure, terminal};
use perf_passport::{
    contract::{Contract, ContractOutline},
    files,
    text::escaped,
    units::{BYTES_PER_MB, Bytes},
};

/// The contract that is read unless another is named.
pub(super) const DEFAULT: &str = "passport.toml";

/// The largest contract that is read.
const CONTRACT_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

/// The text of the contract that is named, or else of the one that is here. Where there is none, the
/// paths that are asked of a service are one.
pub(super) fn contract_or_paths(
    named: Option<&Path>,
    names_service: bool,
    endpoints: &[String],
) -> Result<String, Failure> {
    if !are_contract(named, endpoints) || !names_service {
        return contract_text(named.unwrap_or(Path::new(DEFAULT)));
    }
    let text = contract_of_paths(endpoints)?;
    terminal::note("no contract: the default budgets hold; `passport init` writes one");
    Ok(text)
}

/// The same for a comparison of servers. Without a contract nobody chose a budget of time, so a request has as
/// long as it is waited for.
pub(super) fn compared_contract_or_paths(
    named: Option<&Path>,
    endpoints: &[String],
) -> Result<String, Failure> {
    if !are_contract(named, endpoints) {
        return contract_text(named.unwrap_or(Path::new(DEFAULT)));
    }
    let text = contract_of_paths(endpoints)?;
    terminal::note(
        "no contract: responses and the change of latency decide; `passport init` writes one",
    );
    let contract = Contract::parse(&text);
    let contract = contract.map_err(|error| unreadable(Path::new(DEFAULT), &error))?;
    let timeout = contract.sampling.timeout.get() / 1_000_000;
    Ok(format!("{text}\n[budgets]\nlatency_ms_max = {timeout}\n"))
}

/// Whether paths stand for a contract: none is named, and none is here.
fn are_contract(named: Option<&Path>, endpoints: &[String]) -> bool {
    named.is_none() && fs::symlink_metadata(DEFAULT).is_err() && !endpoints.is_empty()
}

fn contract_of_paths(endpoints: &[String]) -> Result<String, Failure> {
    if let Some(name) = endpoints.iter().find(|it| !it.starts_with('/')) {
        return Err(Failure::usage(anyhow!(
            "there is no contract here, so --endpoint `{}` is no name: write a path such as /health, \
             or name a contract with --contract FILE",
            escaped(name)
        )));
    }
    let outline = ContractOutline::of_paths("endpoints", endpoints)
        .map_err(|problem| Failure::usage(anyhow!("cannot ask for --endpoint: {problem}")))?;
    Ok(outline.to_toml())
}

/// Reads a contract from its text.
pub(super) fn parse(path: &Path, text: &str) -> Result<Contract, Failure> {
    let contract = Contract::parse(text).map_err(|error| unreadable(path, &error))?;
    Ok(contract.in_directory(directory_of(path)))
}

/// Reads a contract from a file.
pub(super) fn read_contract(path: &Path) -> Result<Contract, Failure> {
    parse(path, &contract_text(path)?)
}

/// The text of a contract, whatever is in it.
pub(super) fn contract_text(path: &Path) -> Result<String, Failure> {
    let refused = |why: &dyn Display| unreadable(path, why);
    let bytes = files::read(path, CONTRACT_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refused(
            &"there is none; write one with `passport init`, name it with --contract FILE, or \
                      give --api-url URL and --endpoint /PATH, which need none",
        ),
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
