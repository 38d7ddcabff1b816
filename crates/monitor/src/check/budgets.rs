//! `budgets.json`, held against the contract, and the digest in the rules against both.

use std::path::Path;

use perf_passport::{contract::Contract, text::escaped};

use super::{CheckReport, read::NamedRules};
use crate::{budgets::Budgets, error::MonitorError, named_file::one};

/// # Errors
///
/// [`MonitorError::NoService`], or [`MonitorError::Unreadable`] where the file is there and no text.
pub(super) fn check(
    directory: &Path,
    contract: &Contract,
    rules: &[NamedRules],
    report: &mut CheckReport,
) -> Result<(), MonitorError> {
    let budgets = Budgets::of(contract)?.ok_or(MonitorError::NoService)?;
    if let Some(text) = one(&directory.join("budgets.json"))? {
        let equal = text.replace("\r\n", "\n") == budgets.to_json();
        report.tell(
            equal,
            "budgets.json is that of the contract",
            "budgets.json is not that of the contract: `passport monitor budgets` writes it",
        );
    }
    let digest = budgets.digest();
    for file in rules {
        for rule in file.rules.groups.iter().flat_map(|it| &it.rules) {
            if rule.alert.as_deref() == Some("BudgetsDiffer") {
                report.tell(
                    rule.expr.contains(&digest),
                    "the rules are of the budgets of the contract",
                    &format!(
                        "BudgetsDiffer of {} has another digest than the budgets of the contract: \
                         `passport monitor rules` writes it",
                        escaped(&file.name)
                    ),
                );
            }
        }
    }
    Ok(())
}
