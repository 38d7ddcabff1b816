//! First Organism: its runs, the last hash, and the time from an event to the update.

use super::{
    Drawing::{HeatMap, Lines, Number, Table},
    Panel,
};
use crate::promql::Names;

#[expect(clippy::too_many_lines, reason = "a table of panels")]
pub(super) fn panels(names: &Names<'_>) -> Vec<Panel> {
    let series = |metric: &str| names.series(metric, &[]);
    let buckets =
        format!("rate({}[$__rate_interval])", series("first_organism_latency_seconds_bucket"));
    let quantile = |it: &str| format!("histogram_quantile({it}, sum by (le) ({buckets}))");
    vec![
        Panel::of(
            Number,
            "Total runs",
            "short",
            &[(&format!("sum({})", series("first_organism_runs_total")), "")],
        ),
        Panel::of(
            Number,
            "Runs in an hour",
            "short",
            &[(&format!("sum(increase({}[1h]))", series("first_organism_runs_total")), "")],
        ),
        Panel::of(Number, "From event to update, 95 %", "s", &[(&quantile("0.95"), "")]),
        Panel::of(
            Table,
            "Last Ht",
            "short",
            &[(&format!("max by (last_ht_hash) ({})", series("first_organism_info")), "")],
        ),
        Panel::of(
            Lines,
            "Runs",
            "ops",
            &[(
                &format!("sum(rate({}[$__rate_interval]))", series("first_organism_runs_total")),
                "runs",
            )],
        ),
        Panel::of(
            Lines,
            "From event to update",
            "s",
            &[(&quantile("0.5"), "50 %"), (&quantile("0.95"), "95 %"), (&quantile("0.99"), "99 %")],
        ),
        Panel::of(
            HeatMap,
            "From event to update, all runs",
            "s",
            &[(&format!("sum by (le) ({})", buckets.replacen("rate", "increase", 1)), "{{le}}")],
        ),
        Panel::of(
            Lines,
            "Jobs that wait",
            "short",
            &[(&format!("sum by (queue) ({})", series("queue_length")), "{{queue}}")],
        ),
        Panel::of(
            Lines,
            "Jobs by outcome",
            "ops",
            &[(
                &format!(
                    "sum by (queue, outcome) (rate({}[$__rate_interval]))",
                    series("queue_jobs_total")
                ),
                "{{queue}} {{outcome}}",
            )],
        ),
        Panel::of(
            Lines,
            "Workers that work",
            "short",
            &[
                (&format!("sum by (queue) ({})", series("workers_active")), "{{queue}}"),
                (&format!("sum by (queue) ({})", series("workers")), "{{queue}}, all"),
            ],
        ),
    ]
}
