//! `[slo.NAME]`, resolved: what share of requests must be answered, and within what time.

use std::collections::BTreeSet;

use super::{
    Check, ContractDocument, ContractError, Objective, ObjectiveDocument, ObservedRoute,
    RequestSpec, flow::WHOLE, name::check_name,
};
use crate::units::{Nanos, Ppm};

const SHARE_MIN: Ppm = Ppm::new(500_000);
const SHARE_MAX: Ppm = Ppm::new(999_990);
const DAYS: u32 = 30;
const DAYS_MIN: u32 = 7;
const DAYS_MAX: u32 = 90;
const LATENCY_MS_LIMIT: f64 = 1e6;

impl RequestSpec {
    /// How a running service counts the request.
    pub fn observed_route(&self) -> ObservedRoute {
        ObservedRoute { route: self.route.clone(), method: self.method.clone() }
    }
}

impl Check {
    /// Whether a sample is one request to one endpoint, which a running service counts as such.
    pub fn is_one_request(&self) -> bool {
        let whole = self.flow.is_some() && self.variant == WHOLE;
        self.requests_per_sample() == 1 && !whole
    }
}

/// The objectives, by name. Errors are within the document.
pub(super) fn objectives(
    document: &ContractDocument,
    checks: &[Check],
) -> Result<Vec<Objective>, ContractError> {
    if let (Some(name), None) = (document.slo.keys().next(), &document.service) {
        let message =
            format!("[slo.{}] needs a [service], which may be empty", name.escape_default());
        return Err(ContractError::meaning("slo", message));
    }
    let one = |(name, written): (&String, &ObjectiveDocument)| {
        let within = |error: ContractError| error.inside(name).inside("slo");
        objective(name, written, checks).map_err(within)
    };
    document.slo.iter().map(one).collect()
}

fn objective(
    name: &str,
    written: &ObjectiveDocument,
    checks: &[Check],
) -> Result<Objective, ContractError> {
    check_name("slo", name)?;
    let share = written.objective.to_ppm();
    if !(SHARE_MIN..=SHARE_MAX).contains(&share) {
        let message =
            format!("objective {} is not 50 to 99.999 percent", f64::from(written.objective));
        return Err(ContractError::meaning("objective", message));
    }
    let mut measured = Vec::new();
    for (place, name) in written.endpoints.iter().enumerate() {
        measured.extend(named(name, checks).map_err(|it| it.item(place))?);
    }
    let routes: BTreeSet<_> =
        measured.iter().flat_map(|it| &it.requests).map(RequestSpec::observed_route).collect();
    let of_budgets = measured.iter().map(|check| check.budgets.latency_ns_max).min();
    let Some(budget) = of_budgets else {
        return Err(ContractError::meaning("endpoints", "the list of endpoints is empty"));
    };
    let latency = match written.latency_ms {
        Some(it) if f64::from(it) > LATENCY_MS_LIMIT => {
            let message = format!("latency_ms is above {LATENCY_MS_LIMIT:e}");
            return Err(ContractError::meaning("latency_ms", message));
        }
        Some(it) => it.ms_to_nanos(),
        None => budget,
    };
    if latency == Nanos::new(0) {
        return Err(ContractError::meaning("latency_ms", "latency_ms is below a nanosecond"));
    }
    Ok(Objective {
        name: name.to_owned(),
        share,
        window_days: window_days(written.window.as_deref())?,
        latency,
        routes: routes.into_iter().collect(),
    })
}

fn window_days(written: Option<&str>) -> Result<u32, ContractError> {
    let Some(written) = written else { return Ok(DAYS) };
    let days = written.strip_suffix('d').filter(|it| it.bytes().all(|it| it.is_ascii_digit()));
    days.and_then(|it| it.parse().ok()).filter(|it| (DAYS_MIN..=DAYS_MAX).contains(it)).ok_or_else(
        || {
            let message = format!(
                "window `{}` is not a number of days from `{DAYS_MIN}d` to `{DAYS_MAX}d`",
                written.escape_default()
            );
            ContractError::meaning("window", message)
        },
    )
}

/// The checks that go by this name: of an endpoint, of the steps of a flow, or one.
fn named<'c>(name: &str, checks: &'c [Check]) -> Result<Vec<&'c Check>, ContractError> {
    let of_name = |it: &&Check| it.endpoint == name || it.has_id(name);
    let found: Vec<&Check> = checks.iter().filter(of_name).collect();
    let single: Vec<&Check> = found.iter().copied().filter(|it| it.is_one_request()).collect();
    if !single.is_empty() {
        return Ok(single);
    }
    let message = if found.is_empty() {
        let names = checks.iter().filter(|it| it.is_one_request());
        let names: BTreeSet<String> =
            names.flat_map(|check| [check.endpoint.clone(), check.id()]).collect();
        let nearest = names
            .iter()
            .map(|known| (strsim::damerau_levenshtein(name, known), known))
            .min()
            .filter(|(distance, known)| *distance <= known.len().max(name.len()) / 2);
        let guess = nearest.map(|(_, known)| format!(", did you mean `{known}`?"));
        format!(
            "`{}` is no endpoint and no check{}",
            name.escape_default(),
            guess.unwrap_or_default()
        )
    } else {
        format!(
            "`{name}` is several requests, which a service counts one by one: name its endpoints"
        )
    };
    Err(ContractError::meaning("endpoints", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    const CONTRACT: &str = "schema_version = 1\nname = \"shop\"\n[service]\n\
        [[endpoint]]\nname = \"orders\"\npath = \"/orders?limit=10\"\n\
        [[endpoint.variant]]\nname = \"few\"\nbudgets = { latency_ms_max = 5 }\n\
        [[endpoint.variant]]\nname = \"one\"\npath = \"/orders/7\"\nroute = \"/orders/{id}\"\n\
        [[scenario]]\nname = \"all\"\nrounds = 2\nsteps = [\"orders/few\"]\n\
        [[flow]]\nname = \"buy\"\n\
        [[flow.step]]\nname = \"add\"\npath = \"/cart\"\nmethod = \"POST\"\ncapture = { id = { json = \"/id\" } }\n\
        [[flow.step]]\nname = \"see\"\npath = \"/cart/{id}?all={id}\"\n";

    fn parsed(slo: &str) -> Result<Objective, String> {
        let text = format!("{CONTRACT}[slo.api]\n{slo}\n");
        let contract = Contract::parse(&text).map_err(|error| error.to_string())?;
        Ok(contract.objectives[0].clone())
    }

    fn routes(objective: &Objective) -> Vec<String> {
        objective.routes.iter().map(|it| format!("{} {}", it.method, it.route)).collect()
    }

    #[test]
    fn the_latency_is_the_least_budget_of_its_checks() {
        let objective = parsed("endpoints = [\"orders\"]\nobjective = 99.9").unwrap();
        assert_eq!(routes(&objective), ["GET /orders", "GET /orders/{id}"]);
        assert_eq!(objective.latency, Nanos::new(5_000_000));
        assert_eq!((objective.share, objective.window_days), (Ppm::new(999_000), 30));
        let one = "endpoints = [\"orders/one\"]\nobjective = 99\nwindow = \"7d\"";
        let one = parsed(one).unwrap();
        assert_eq!((one.latency, one.window_days), (Nanos::new(10_000_000), 7));
        let set = parsed("endpoints = [\"orders\"]\nobjective = 99\nlatency_ms = 0.25").unwrap();
        assert_eq!(set.latency, Nanos::new(250_000));
    }

    #[test]
    fn the_steps_of_a_flow_have_routes_with_names_of_values() {
        let objective = parsed("endpoints = [\"buy\"]\nobjective = 99").unwrap();
        assert_eq!(routes(&objective), ["POST /cart", "GET /cart/{id}"]);
    }

    #[test]
    fn what_no_service_could_be_held_to_is_refused() {
        for (bad, said) in [
            ("endpoints = [\"ordrs\"]\nobjective = 99", "did you mean `orders`?"),
            ("endpoints = [\"all\"]\nobjective = 99", "several requests"),
            ("endpoints = []\nobjective = 99", "empty"),
            ("endpoints = [\"orders\"]\nobjective = 100", "50 to 99.999"),
            ("endpoints = [\"orders\"]\nobjective = 49", "50 to 99.999"),
            ("endpoints = [\"orders\"]\nobjective = 99\nwindow = \"1h\"", "number of days"),
            ("endpoints = [\"orders\"]\nobjective = 99\nwindow = \"+9d\"", "number of days"),
            ("endpoints = [\"orders\"]\nobjective = 99\nlatency_ms = 1e7", "above"),
            ("endpoints = [\"orders\"]\nobjectve = 99", "did you mean `objective`?"),
        ] {
            let error = parsed(bad).unwrap_err();
            assert!(error.starts_with("line ") && error.contains(said), "{bad}: {error}");
        }
        let without = CONTRACT.replace("[service]\n", "");
        let text = format!("{without}[slo.api]\nendpoints = [\"orders\"]\nobjective = 99\n");
        let error = Contract::parse(&text).unwrap_err().to_string();
        assert!(error.contains("needs a [service]"), "{error}");
    }

    #[test]
    fn a_route_is_printable_text_without_a_query() {
        let of = |route: &str| {
            let text = format!("{CONTRACT}route = {route}\n");
            Contract::parse(&text).map(|it| it.checks[4].requests[0].route.clone())
        };
        assert_eq!(of("\"/cart/:cart\"").unwrap(), "/cart/:cart");
        for bad in ["\"\"", "\"/a\\nb\"", "\"/\u{e9}\""] {
            assert!(of(bad).unwrap_err().to_string().contains("route"), "{bad}");
        }
    }
}
