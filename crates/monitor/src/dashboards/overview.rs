//! How the service is: rate, errors and duration of requests; use, saturation and errors of resources.

use super::{
    Drawing::{HeatMap, Lines, Number},
    Panel,
};
use crate::promql::{FAILED, Names, matching};

const RATE: &str = "[$__rate_interval]";

#[expect(clippy::too_many_lines, reason = "a table of panels")]
pub(super) fn panels(names: &Names<'_>) -> Vec<Panel> {
    let service = names.service;
    let series = |metric: &str| names.series(metric, &[]);
    let rate = |metric: &str| format!("rate({}{RATE})", series(metric));
    let by = |label: &str, metric: &str| format!("sum by ({label}) ({})", rate(metric));
    let requests = rate(&service.requests);
    let errors = [matching(&service.status_label, FAILED)];
    let failed = format!("rate({}{RATE})", names.series(&service.requests, &errors));
    let quantile = |quantile: &str, metric: &str, label: &str| {
        let by = if label.is_empty() { "le".to_owned() } else { format!("le, {label}") };
        format!(
            "histogram_quantile({quantile}, sum by ({by}) ({}))",
            rate(&format!("{metric}_bucket"))
        )
    };
    let (metric, route) = (service.metric.as_str(), service.route_label.as_str());
    let latency = ["0.5", "0.95", "0.99"].map(|it| quantile(it, metric, ""));
    let route_legend = format!("{{{{{route}}}}}");
    let status_legend = format!("{{{{{}}}}}", service.status_label);
    let ratio = |part: &str, whole: &str| {
        format!("sum by (instance) ({part}) / sum by (instance) ({whole})")
    };
    vec![
        Panel::of(Number, "Instances up", "short", &[(&format!("sum({})", series("up")), "")]),
        Panel::of(Number, "Requests", "reqps", &[(&format!("sum({requests})"), "")]),
        Panel::of(
            Number,
            "Share of requests that fail",
            "percentunit",
            &[(&format!("(sum({failed}) or vector(0)) / sum({requests})"), "")],
        ),
        Panel::of(Number, "Latency, 95 %", "s", &[(&latency[1], "")]),
        // Requests: rate, errors, duration.
        Panel::of(
            Lines,
            "Requests by route",
            "reqps",
            &[(&format!("sum by ({route}) ({requests})"), &route_legend)],
        ),
        Panel::of(
            Lines,
            "Requests by status",
            "reqps",
            &[(&format!("sum by ({}) ({requests})", service.status_label), &status_legend)],
        ),
        Panel::of(
            HeatMap,
            "Latency of all requests",
            "s",
            &[(
                &format!("sum by (le) (increase({}{RATE}))", series(&format!("{metric}_bucket"))),
                "{{le}}",
            )],
        ),
        Panel::of(
            Lines,
            "Latency",
            "s",
            &[(&latency[0], "50 %"), (&latency[1], "95 %"), (&latency[2], "99 %")],
        ),
        Panel::of(
            Lines,
            "Latency by route, 95 %",
            "s",
            &[(&quantile("0.95", metric, route), &route_legend)],
        ),
        Panel::of(
            Lines,
            "Requests being answered",
            "short",
            &[(&format!("sum by (instance) ({})", series(&service.active)), "{{instance}}")],
        ),
        // Resources: use, saturation, errors.
        Panel::of(
            Lines,
            "Processors used",
            "short",
            &[(&by("instance", "process_cpu_seconds_total"), "{{instance}}")],
        ),
        Panel::of(
            Lines,
            "Memory",
            "bytes",
            &[
                (&series("process_resident_memory_bytes"), "resident {{instance}}"),
                (&series("process_heap_live_bytes"), "heap {{instance}}"),
            ],
        ),
        Panel::of(
            Lines,
            "Allocations",
            "ops",
            &[(&by("instance", "process_heap_allocations_total"), "{{instance}}")],
        ),
        Panel::of(
            Lines,
            "File descriptors used",
            "percentunit",
            &[(&ratio(&series("process_open_fds"), &series("process_max_fds")), "{{instance}}")],
        ),
        Panel::of(
            Lines,
            "Disk",
            "Bps",
            &[
                (&by("instance", "process_io_read_bytes_total"), "read {{instance}}"),
                (&by("instance", "process_io_written_bytes_total"), "written {{instance}}"),
            ],
        ),
        Panel::of(
            Lines,
            "Network",
            "Bps",
            &[
                (&by("instance", "process_network_receive_bytes_total"), "received {{instance}}"),
                (&by("instance", "process_network_transmit_bytes_total"), "sent {{instance}}"),
            ],
        ),
        Panel::of(
            Lines,
            "Workers busy",
            "percentunit",
            &[(
                &ratio(&rate("tokio_worker_busy_seconds_total"), &series("tokio_workers")),
                "{{instance}}",
            )],
        ),
        Panel::of(
            Lines,
            "Tasks",
            "short",
            &[
                (&series("tokio_alive_tasks"), "alive {{instance}}"),
                (&series("tokio_global_queue_depth"), "waiting {{instance}}"),
            ],
        ),
        Panel::of(
            Lines,
            "Wait for a connection, 95 %",
            "s",
            &[(&quantile("0.95", "pool_wait_seconds", "pool"), "{{pool}}")],
        ),
        Panel::of(
            Lines,
            "Connections",
            "short",
            &[(
                &format!("sum by (pool, state) ({})", series("pool_connections")),
                "{{pool}} {{state}}",
            )],
        ),
        Panel::of(
            Lines,
            "Database operations, 95 %",
            "s",
            &[(&quantile("0.95", "db_operation_duration_seconds", "operation"), "{{operation}}")],
        ),
        Panel::of(
            Lines,
            "Database operations by outcome",
            "ops",
            &[(&by("operation, outcome", "db_operations_total"), "{{operation}} {{outcome}}")],
        ),
        Panel::of(
            Lines,
            "Queues",
            "percentunit",
            &[(
                &format!(
                    "sum by (queue) ({}) / sum by (queue) ({})",
                    series("queue_length"),
                    series("queue_capacity")
                ),
                "{{queue}}",
            )],
        ),
        Panel::of(
            Lines,
            "Wait in queues, 95 %",
            "s",
            &[(&quantile("0.95", "queue_wait_seconds", "queue"), "{{queue}}")],
        ),
        // Where the time goes: a route that is slow and seldom costs less than one that is asked for often.
        Panel::of(
            Lines,
            "Hot paths: seconds of work in a second, by route",
            "short",
            &[(&by(route, &format!("{metric}_sum")), &route_legend)],
        ),
        Panel::of(
            Lines,
            "Operations, 95 %",
            "s",
            &[(
                &quantile("0.95", "operation_duration_seconds", "operation, size"),
                "{{operation}} {{size}}",
            )],
        ),
        Panel::of(
            Lines,
            "Operations that fail",
            "ops",
            &[(
                &format!("{} or vector(0)", by("operation, error", "operation_errors_total")),
                "{{operation}} {{error}}",
            )],
        ),
    ]
}
