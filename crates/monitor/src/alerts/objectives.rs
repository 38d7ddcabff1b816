//! Burn-rate alerts of an objective, over two windows each.
//!
//! The levels are those of *The Site Reliability Workbook* (2018), chapter 5: 2 % of a month's errors in an
//! hour, 5 % in six, 10 % in a day and in three. For another window than 30 days the levels have the same
//! share of it, so that the factors stay. The short window, a twelfth of the long one, ends the alert soon
//! after the errors end.
//!
//! The floor is the traffic below which one error alone would be above the threshold: 70 requests an hour
//! for 99.9 %. Below it, the longer windows of the other levels see the same errors with more traffic. It is
//! of the requests that the share is of: a request that no histogram with the edge timed is none of them.

use perf_passport::contract::Objective;

use crate::{
    alert::{Alert, Condition, Severity},
    budgets::seconds,
    decimal::decimal,
    input::Input,
    promql::Names,
};

/// A level: its name, a window in minutes for each day of the objective's, ten times the factor by which
/// the errors of an objective burn, and who is told.
const LEVELS: [(&str, u32, u64, Severity); 4] = [
    ("Fast", 2, 144, Severity::Critical),
    ("Medium", 12, 60, Severity::Critical),
    ("Slow", 48, 30, Severity::Warning),
    ("Trickle", 144, 10, Severity::Warning),
];

/// All requests. No share is above it.
const ONE: u64 = 10_000_000;

/// What uses up an objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Requests that were answered by an error of the server.
    Errors,
    /// Requests that took too long.
    Slow,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Errors, Self::Slow];

    /// The recorded share over a window.
    pub(crate) fn recorded(self, window: &str) -> String {
        let kind = match self {
            Self::Errors => "errors",
            Self::Slow => "slow",
        };
        format!("slo:{kind}:ratio_rate{window}")
    }

    /// The recorded number of the requests that the share is of.
    pub(crate) fn counted(self, window: &str) -> String {
        let requests = match self {
            Self::Errors => "requests",
            Self::Slow => "timed",
        };
        format!("slo:{requests}:increase{window}")
    }
}

/// A level of an objective.
#[derive(Debug, Clone)]
pub(crate) struct Burn {
    pub(crate) name: &'static str,
    /// As Prometheus writes it.
    pub(crate) long: String,
    pub(crate) short: String,
    /// The share of requests, as decimal text.
    pub(crate) threshold: String,
    /// The least requests in the long window.
    floor: String,
    severity: Severity,
}

/// The levels that an objective can reach.
pub(crate) fn burns(objective: &Objective) -> Vec<Burn> {
    let budget = 1_000_000 - objective.share.get();
    let burn = |(name, minutes_a_day, factor, severity): (&'static str, u32, u64, Severity)| {
        let long = minutes_a_day * objective.window_days;
        let threshold = factor * budget;
        (threshold < ONE).then(|| Burn {
            name,
            long: format!("{long}m"),
            short: format!("{}m", long.div_ceil(12).max(2)),
            threshold: decimal(threshold, 7),
            floor: ONE.div_ceil(threshold).to_string(),
            severity,
        })
    };
    LEVELS.into_iter().filter_map(burn).collect()
}

/// The levels that an objective cannot reach, each as a sentence.
pub(crate) fn unreachable(objective: &Objective) -> Vec<String> {
    let reached = burns(objective);
    let left_out = LEVELS.iter().filter(|(name, ..)| reached.iter().all(|it| it.name != *name));
    let sentence = |(name, _, factor, _): &(&str, u32, u64, Severity)| {
        let (percent, factor) = (decimal(objective.share.get(), 4), decimal(*factor, 1));
        format!(
            "{}: no level {name}. {factor} times what {percent} % allows is no less than all requests.",
            objective.name
        )
    };
    left_out.map(sentence).collect()
}

pub(super) fn alerts(objective: &Objective, names: &Names<'_>) -> Vec<Alert> {
    let burns = burns(objective);
    let of_kind = |kind: Kind| burns.iter().map(move |burn| alert(objective, names, kind, burn));
    Kind::ALL.into_iter().flat_map(of_kind).collect()
}

fn alert(objective: &Objective, names: &Names<'_>, kind: Kind, burn: &Burn) -> Alert {
    let (service, slo) = (&names.service.name, &objective.name);
    let labels = format!("{{job=\"{service}\",slo=\"{slo}\"}}");
    let long = kind.recorded(&burn.long) + &labels;
    let short = kind.recorded(&burn.short) + &labels;
    let requests = kind.counted(&burn.long) + &labels;
    let (name, page, what) = match kind {
        Kind::Errors => ("ErrorBudgetBurn", "error-budget-burn", "failed".to_owned()),
        Kind::Slow => {
            let late = format!("took more than {} s", seconds(objective.latency));
            ("LatencyBudgetBurn", "latency-budget-burn", late)
        }
    };
    let percent = decimal(objective.share.get(), 4);
    let (long_window, days) = (&burn.long, objective.window_days);
    Alert {
        name: format!("{name}{}", burn.name),
        page,
        severity: burn.severity,
        // The two windows are the delay.
        minutes: 0,
        job: service.clone(),
        slo: Some(slo.clone()),
        fire_together: vec![slo.clone()],
        conditions: vec![
            Condition::share(&long, &burn.threshold),
            Condition::share(&short, &burn.threshold),
            Condition::floor(&requests, &burn.floor),
        ],
        summary: format!("{service}: objective {slo} loses its requests too fast"),
        description: format!(
            "Of the requests of {long_window}, the share {{{{ $value | printf \"%.4g\" }}}} {what}. The \
             objective is {percent} % over {days} days, and this alert is of a share above {}.",
            burn.threshold
        ),
        series_labels: Vec::new(),
        input: Input::Gauges(vec![long, short, requests]),
        besides: Vec::new(),
        quiet_at: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use perf_passport::contract::Contract;

    use super::*;

    fn objective(objective: &str) -> Objective {
        let text = format!(
            "schema_version = 1\nname = \"a\"\n[service]\n[slo.a]\nendpoints = [\"a\"]\n{objective}\n\
             [[endpoint]]\nname = \"a\"\npath = \"/\"\n"
        );
        Contract::parse(&text).unwrap().objectives.remove(0)
    }

    fn burns_of(written: &str) -> Vec<String> {
        let line = |it: &Burn| format!("{} {} {} {}", it.long, it.short, it.threshold, it.floor);
        burns(&objective(written)).iter().map(line).collect()
    }

    #[test]
    fn the_levels_are_those_of_the_workbook() {
        assert_eq!(
            burns_of("objective = 99.9"),
            [
                "60m 5m 0.0144 70",
                "360m 30m 0.006 167",
                "1440m 120m 0.003 334",
                "4320m 360m 0.001 1000"
            ]
        );
        assert_eq!(burns_of("objective = 99.9\nwindow = \"7d\"")[0], "14m 2m 0.0144 70");
    }

    /// 14.4 times half of all requests is more than there are.
    #[test]
    fn only_a_level_that_nothing_reaches_is_left_out_and_said() {
        assert_eq!(burns_of("objective = 50"), ["4320m 360m 0.5 2"]);
        let said = unreachable(&objective("objective = 50"));
        assert_eq!(said.len(), 3);
        assert_eq!(
            said[0],
            "a: no level Fast. 14.4 times what 50 % allows is no less than all requests."
        );
        // 14.4 times 6.94 % is 0.99936, and 14.4 times 6.95 % is 1.0008.
        assert_eq!(burns_of("objective = 93.06")[0], "60m 5m 0.99936 2");
        assert_eq!(burns_of("objective = 93.05").len(), 3);
        assert!(unreachable(&objective("objective = 93.06")).is_empty());
    }
}
