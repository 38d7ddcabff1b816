//! The alerts of a service: of its objectives, of what every service has, and of series that are missing.

mod absent;
mod objectives;
mod service;

pub(crate) use objectives::{Burn, Kind, burns, unreachable};

use perf_passport::contract::Contract;

use crate::{alert::Alert, budgets::Budgets, error::MonitorError, promql::Names};

/// The alerts of the objectives.
///
/// # Errors
///
/// That no test could meet the selector of the service.
pub(crate) fn of_objectives(
    contract: &Contract,
    names: &Names<'_>,
) -> Result<Vec<Alert>, MonitorError> {
    let mut all = Vec::new();
    for objective in &contract.objectives {
        all.extend(objectives::alerts(objective, names));
        all.extend(absent::of_objective(objective, &contract.objectives, names)?);
    }
    Ok(all)
}

/// Those that every service has.
///
/// # Errors
///
/// That no test could meet the selector of the service.
pub(crate) fn of_service(names: &Names<'_>, budgets: &Budgets) -> Result<Vec<Alert>, MonitorError> {
    let mut all = vec![absent::of_service(names)?];
    all.extend(service::alerts(names, budgets)?);
    Ok(all)
}
