//! From what was read of a running service to its passport.

use super::Circumstances;
use crate::{
    contract::Contract,
    passport::{HashError, Parts, Passport},
    production::ProductionEvidence,
    rules::Rules,
};

/// Makes the passport of what was read of a running service's counters.
///
/// # Errors
///
/// [`HashError`] when a figure cannot be written as JSON, which no parsed contract has.
pub fn observed_passport(
    contract: &Contract,
    evidence: ProductionEvidence,
    circumstances: Circumstances,
    complete: bool,
) -> Result<Passport, HashError> {
    Passport::assemble(
        contract,
        Parts {
            cartographer: concat!("perf-passport ", env!("CARGO_PKG_VERSION")).to_owned(),
            run_id: uuid::Uuid::now_v7().to_string(),
            session_id: circumstances.session_id,
            timestamp: evidence.from.clone(),
            complete,
            rules: Rules::LATEST,
            provenance: circumstances.provenance,
            system_info: circumstances.system_info,
            baseline: None,
            comparison: None,
            annotations: contract.document.annotations.clone(),
            measured: Vec::new(),
            operations: Vec::new(),
            production: Some(evidence),
        },
    )
}
