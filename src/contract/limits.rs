//! What limits checks and operations alike.

use super::ContractError;
use crate::units::Ppm;

/// How much worse than the baseline a cost may be, unless the contract says otherwise.
pub(super) const REGRESSION: Ppm = Ppm::new(50_000);

/// A cost must be below its budget, so nothing keeps one of 0, in whole units.
pub(super) fn can_be_kept(
    key: &str,
    least: &str,
    figure: Option<u64>,
) -> Result<(), ContractError> {
    if figure != Some(0) {
        return Ok(());
    }
    let remedy = if least == "1" {
        "write 1 where there must be none".to_owned()
    } else {
        format!("write {least} or more")
    };
    let message = format!("{key} can never be kept, as nothing is below it: {remedy}");
    Err(ContractError::meaning(key, message))
}
