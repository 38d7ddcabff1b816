//! The names that a contract gives.

use super::ContractError;

/// Names reach file names, reports and test filters, so they are kept plain.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), ContractError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) {
        return Ok(());
    }
    let message = format!(
        "{what} name `{}` is not 1 to 64 of a-z, 0-9, `-`, `_`, `.`",
        name.escape_default()
    );
    Err(ContractError::meaning("name", message))
}
