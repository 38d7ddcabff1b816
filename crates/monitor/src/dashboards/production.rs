//! Production beside the contract: each objective with its limit, and which budgets are live.

use perf_passport::contract::{Contract, Objective};

use super::{
    Drawing::{Lines, Number, Table},
    Panel,
};
use crate::{
    alerts::{Kind, burns},
    budgets::{Budgets, seconds},
    decimal::decimal,
    promql::Names,
    recording::share,
};

pub(super) fn panels(contract: &Contract, names: &Names<'_>, budgets: &Budgets) -> Vec<Panel> {
    let service = names.service;
    let info = names.series(&service.build_info, &[]);
    let mut panels: Vec<Panel> =
        contract.objectives.iter().flat_map(|objective| of_objective(objective, names)).collect();
    panels.extend([
        Panel::of(
            Table,
            format!("Budgets that are live; the contract's are {}", &budgets.digest()[..12]),
            "short",
            &[(&format!("sum by (budgets, version) ({info})"), "")],
        ),
        Panel::of(
            Table,
            "Alerts that fire",
            "short",
            &[(
                &format!(
                    "sum by (alertname, slo, severity) (ALERTS{{job=\"{}\",alertstate=\"firing\"}}) or \
                     vector(0)",
                    service.name
                ),
                "",
            )],
        ),
        Panel::of(
            Lines,
            "Mix of routes",
            "percentunit",
            &[(
                &format!(
                    "sum by ({route}, {method}) (rate({all}[$__rate_interval]))\n/ ignoring ({route}, \
                     {method}) group_left ()\nsum(rate({all}[$__rate_interval]))",
                    route = service.route_label,
                    method = service.method_label,
                    all = names.series(&service.requests, &[]),
                ),
                &format!("{{{{{}}}}} {{{{{}}}}}", service.method_label, service.route_label),
            )],
        ),
    ]);
    panels
}

fn of_objective(objective: &Objective, names: &Names<'_>) -> Vec<Panel> {
    let (service, slo) = (names.service, &objective.name);
    let labels = format!("{{job=\"{}\",slo=\"{slo}\"}}", service.name);
    let limit = decimal(1_000_000 - objective.share.get(), 6);
    let latency = seconds(objective.latency);
    // The longest level is there for every objective.
    let longest = burns(objective).pop().map(|it| it.long).unwrap_or_default();
    let left = |kind: Kind| format!("1 - {}{labels} / {limit}", kind.recorded(&longest));
    let quantile = decimal(objective.share.get(), 6);
    let buckets = names.over(
        "rate",
        (objective, &format!("{}_bucket", service.metric), &[]),
        "$__rate_interval",
    );
    let now = |kind: Kind| share(objective, names, kind, "$__rate_interval");
    vec![
        Panel::of(
            Number,
            format!("{slo}: errors left, of the last {longest}"),
            "percentunit",
            &[(&left(Kind::Errors), "")],
        ),
        Panel::of(
            Number,
            format!("{slo}: slow requests left, of the last {longest}"),
            "percentunit",
            &[(&left(Kind::Slow), "")],
        ),
        Panel::of(
            Lines,
            format!("{slo}: share that fails; at most {limit}"),
            "percentunit",
            &[(&now(Kind::Errors), "fails"), (&format!("vector({limit})"), "objective")],
        ),
        Panel::of(
            Lines,
            format!("{slo}: share that takes more than {latency} s; at most {limit}"),
            "percentunit",
            &[(&now(Kind::Slow), "slow"), (&format!("vector({limit})"), "objective")],
        ),
        Panel::of(
            Lines,
            format!("{slo}: latency at {} %", decimal(objective.share.get(), 4)),
            "s",
            &[
                (&format!("histogram_quantile({quantile}, sum by (le) ({buckets}))"), "latency"),
                (&format!("vector({latency})"), "budget"),
            ],
        ),
    ]
}
