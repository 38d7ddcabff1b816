//! What of a response is compared, as a contract says it.

use super::{CompareBody, ContractError};

/// Headers that are a part of the behaviour unless the contract says otherwise. None of them differs
/// between two responses of a service that says the same twice.
const COMPARED_HEADERS: [&str; 4] = ["location", "cache-control", "content-encoding", "set-cookie"];

/// RFC 6901: each part starts with `/`, and `~` is written `~0` and `/` within a name `~1`.
pub(super) fn check_pointers(pointers: &[String]) -> Result<(), ContractError> {
    for (place, pointer) in pointers.iter().enumerate() {
        let mut after_tilde = pointer.split('~').skip(1);
        let remedy = if !pointer.starts_with('/') {
            "it must start with `/`"
        } else if after_tilde.any(|rest| !rest.starts_with(['0', '1'])) {
            "write `~0` for `~`"
        } else {
            continue;
        };
        let message = format!("`{}` is not a JSON pointer: {remedy}", pointer.escape_default());
        return Err(ContractError::meaning("ignore", message).item(place));
    }
    Ok(())
}

/// What is ignored is named by JSON pointers, so bytes cannot be compared without it.
pub(super) fn compare_body(
    written: Option<CompareBody>,
    ignore: &[String],
) -> Result<CompareBody, ContractError> {
    match written {
        None if ignore.is_empty() => Ok(CompareBody::Bytes),
        Some(CompareBody::Bytes) if !ignore.is_empty() => Err(ContractError::meaning(
            "compare_body",
            "`bytes` leaves nothing out: write `json`, or ignore nothing".to_owned(),
        )),
        written => Ok(written.unwrap_or(CompareBody::Json)),
    }
}

pub(super) fn compare_headers(written: Option<Vec<String>>) -> Result<Vec<String>, ContractError> {
    let Some(written) = written else {
        return Ok(COMPARED_HEADERS.map(str::to_owned).to_vec());
    };
    for (place, name) in written.iter().enumerate() {
        if !is_header_name(name) {
            let message = format!("`{}` is not a header name", name.escape_default());
            return Err(ContractError::meaning("compare_headers", message).item(place));
        }
    }
    Ok(written.iter().map(|name| name.to_ascii_lowercase()).collect())
}

pub(super) fn is_header_name(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(token)
}
