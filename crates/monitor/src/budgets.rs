//! The budgets that a running service knows of: edges of its histogram, and objectives.
//!
//! The service has the file at compile time and tells its digest, so that a reader knows which budgets
//! are live. Numbers are decimal text: a float would be another number elsewhere. Nothing is judged here.

use std::collections::{BTreeMap, BTreeSet};

use perf_passport::{
    contract::{Check, Contract, ObservedRoute},
    text::{escaped, hex},
    units::Nanos,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{decimal::decimal, error::MonitorError};

/// The format of the file.
pub const SCHEMA_VERSION: u32 = 1;

/// The budget of the alert `HighLatency`, which every service has.
pub(crate) const HIGH_LATENCY: Nanos = Nanos::new(500_000_000);

/// What the service of a contract keeps while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budgets {
    service: String,
    /// In half nanoseconds.
    edges: BTreeSet<u64>,
    objectives: BTreeMap<String, ObjectiveBudget>,
}

/// What is kept of the requests to some routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveBudget {
    // In the order of RFC 8785, as all of them.
    latency_seconds: String,
    objective_percent: String,
    routes: Vec<RouteBudget>,
}

/// A route as the service counts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteBudget {
    method: String,
    route: String,
}

impl ObjectiveBudget {
    /// Within which a request is in time, in seconds.
    pub fn latency_seconds(&self) -> &str {
        &self.latency_seconds
    }

    /// The share of requests, in percent.
    pub fn objective_percent(&self) -> &str {
        &self.objective_percent
    }

    /// The routes that it is of, sorted.
    pub fn routes(&self) -> impl Iterator<Item = ObservedRoute> {
        let observed =
            |it: &RouteBudget| ObservedRoute { route: it.route.clone(), method: it.method.clone() };
        self.routes.iter().map(observed)
    }
}

/// What the digest is of: the members in the order of RFC 8785, and no number but a small integer.
#[derive(Serialize)]
struct Digested<'a> {
    edges_seconds: &'a [String],
    objectives: &'a BTreeMap<String, ObjectiveBudget>,
    schema_version: u32,
    service: &'a str,
}

impl Digested<'_> {
    fn digest(&self) -> String {
        let text = serde_json::to_vec(self).expect("texts are always written");
        hex(&Sha256::digest(text))
    }
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetsFile {
    schema_version: u32,
    service: String,
    budgets: String,
    edges_seconds: Vec<String>,
    objectives: BTreeMap<String, ObjectiveBudget>,
}

/// Why a file of budgets is not one that was written of a contract.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BudgetsFileError {
    /// It has no such form.
    #[error("{}; write it again with `passport monitor budgets`", escaped(&.0.to_string()))]
    Json(#[from] serde_json::Error),
    /// Something was changed after it was written.
    #[error(
        "it was changed after it was written: its digest would be {digest}; write it again with `passport \
         monitor budgets`"
    )]
    Changed {
        /// What the digest would be.
        digest: String,
    },
}

/// Holds the text of `budgets.json` against the digest that is in it: by that digest rules and `observe` know
/// which budgets are live.
///
/// # Errors
///
/// [`BudgetsFileError`].
pub fn verify(text: &str) -> Result<(), BudgetsFileError> {
    let file: BudgetsFile = serde_json::from_str(text)?;
    let digest = Digested {
        edges_seconds: &file.edges_seconds,
        objectives: &file.objectives,
        schema_version: file.schema_version,
        service: &file.service,
    }
    .digest();
    if digest == file.budgets { Ok(()) } else { Err(BudgetsFileError::Changed { digest }) }
}

impl Budgets {
    /// Those of a contract; `None` where it has no `[service]`.
    ///
    /// ```
    /// # use perf_passport::contract::Contract;
    /// # use perf_passport_monitor::budgets::Budgets;
    /// let contract = Contract::parse(
    ///     r#"
    ///     schema_version = 1
    ///     name = "orders"
    ///     [service]
    ///     [slo.api]
    ///     endpoints = ["health"]
    ///     objective = 99.9
    ///     [[endpoint]]
    ///     name = "health"
    ///     path = "/health"
    ///     "#,
    /// )?;
    /// let budgets = Budgets::of(&contract)?.expect("a service");
    /// // The budget of 10 ms, with half and twice of it, and those of `HighLatency`.
    /// assert_eq!(budgets.edges(), ["0.005", "0.01", "0.02", "0.25", "0.5", "1"]);
    /// assert_eq!(budgets.objectives()["api"].objective_percent(), "99.9");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// None today.
    pub fn of(contract: &Contract) -> Result<Option<Self>, MonitorError> {
        let Some(service) = &contract.service else { return Ok(None) };
        let checks = contract.checks.iter().filter(|check| check.is_one_request());
        let of_checks = checks.flat_map(latency_budgets);
        let of_objectives = contract.objectives.iter().map(|it| it.latency);
        let budgets = of_checks.chain(of_objectives).chain([HIGH_LATENCY]);
        let objective = |it: &perf_passport::contract::Objective| {
            let routes = it
                .routes
                .iter()
                .map(|it| RouteBudget { method: it.method.clone(), route: it.route.clone() });
            let kept = ObjectiveBudget {
                latency_seconds: seconds(it.latency),
                objective_percent: decimal(it.share.get(), 4),
                routes: routes.collect(),
            };
            (it.name.clone(), kept)
        };
        Ok(Some(Self {
            service: service.name.clone(),
            edges: budgets.flat_map(|it| [it.get(), it.get() * 2, it.get() * 4]).collect(),
            objectives: contract.objectives.iter().map(objective).collect(),
        }))
    }

    /// SHA-256 of the rest, in 64 hexadecimal digits.
    ///
    /// # Panics
    ///
    /// Never: texts can always be written.
    pub fn digest(&self) -> String {
        Digested {
            edges_seconds: &self.edges(),
            objectives: &self.objectives,
            schema_version: SCHEMA_VERSION,
            service: &self.service,
        }
        .digest()
    }

    /// The edges of the histogram, in seconds, rising: each latency budget, half of it and twice.
    pub fn edges(&self) -> Vec<String> {
        self.edges.iter().map(|halves| decimal(halves * 5, 10)).collect()
    }

    /// The objectives by name.
    pub fn objectives(&self) -> &BTreeMap<String, ObjectiveBudget> {
        &self.objectives
    }

    /// The name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The text of `budgets.json`.
    ///
    /// # Panics
    ///
    /// Never, as [`Budgets::digest`].
    pub fn to_json(&self) -> String {
        let file = BudgetsFile {
            schema_version: SCHEMA_VERSION,
            service: self.service.clone(),
            budgets: self.digest(),
            edges_seconds: self.edges(),
            objectives: self.objectives.clone(),
        };
        serde_json::to_string_pretty(&file).expect("texts are always written") + "\n"
    }
}

/// A duration in seconds, as decimal text.
pub(crate) fn seconds(duration: Nanos) -> String {
    decimal(duration.get(), 9)
}

fn latency_budgets(check: &Check) -> impl Iterator<Item = Nanos> {
    let further = check.budgets.further_latency.iter().map(|it| it.latency_ns_max);
    further.chain([check.budgets.latency_ns_max])
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: &str = "schema_version = 1\nname = \"shop\"\n[service]\n\
        [slo.\"a.b\"]\nendpoints = [\"odd\"]\nobjective = 99.95\nlatency_ms = 0.000003\n\
        [[endpoint]]\nname = \"odd\"\npath = \"/a\"\nroute = '/{{a}}\"\\'\n\
        budgets = { latency_ms_max = 250, latency_p50_ms_max = 0.02 }\n";

    fn budgets(text: &str) -> Budgets {
        Budgets::of(&Contract::parse(text).unwrap()).unwrap().unwrap()
    }

    #[test]
    fn every_latency_budget_has_an_edge_with_half_and_twice() {
        let expected =
            "0.0000000015 0.000000003 0.000000006 0.00001 0.00002 0.00004 0.125 0.25 0.5 1";
        assert_eq!(budgets(CONTRACT).edges().join(" "), expected);
    }

    #[test]
    fn the_digest_is_of_the_canonical_form() {
        let budgets = budgets(CONTRACT);
        let mut file: serde_json::Value = serde_json::from_str(&budgets.to_json()).unwrap();
        let told = file.as_object_mut().unwrap().remove("budgets").unwrap();
        let canonical = serde_json_canonicalizer::to_vec(&file).unwrap();
        assert_eq!(told, hex(&Sha256::digest(canonical)));
        assert_eq!(told, budgets.digest());
    }

    #[test]
    fn a_file_that_was_changed_is_refused() {
        let text = budgets(CONTRACT).to_json();
        verify(&text).unwrap();
        for (part, by) in [("0.125", "0.126"), ("99.95", "99.9"), ("shop", "shoe"), ("GET", "PUT")]
        {
            assert!(text.contains(part), "{part}");
            let said = verify(&text.replacen(part, by, 1)).unwrap_err().to_string();
            assert!(said.starts_with("it was changed after it was written: "), "{said}");
        }
        for (part, by) in [("\"service\"", "\"x\": 1, \"service\""), ("\"service\"", "\"x\"")] {
            assert!(matches!(verify(&text.replacen(part, by, 1)), Err(BudgetsFileError::Json(_))));
        }
    }

    #[test]
    fn whatever_is_kept_changes_the_digest_and_nothing_else_does() {
        let digest = |text: &str| budgets(text).digest();
        let before = digest(CONTRACT);
        for (part, by) in [("99.95", "99.9"), ("250", "251"), ("0.000003", "1"), ("/{{a}}", "/b")] {
            assert_ne!(digest(&CONTRACT.replacen(part, by, 1)), before, "{by}");
        }
        assert_eq!(
            digest(
                &format!("# a comment\n{CONTRACT}heap_mb_max = 1\n")
                    .replace("}\nheap", ", heap")
                    .replace("_max = 1\n", "_max = 1 }\n")
            ),
            before
        );
    }

    #[test]
    fn a_contract_without_a_service_has_none() {
        let text = "schema_version = 1\nname = \"a\"\n[[endpoint]]\nname = \"a\"\npath = \"/\"\n";
        assert_eq!(Budgets::of(&Contract::parse(text).unwrap()).unwrap(), None);
    }
}
