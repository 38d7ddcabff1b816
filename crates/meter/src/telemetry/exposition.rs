//! [`Exposition`]: what one scrape shows, as text.
//!
//! Families stand in the order of their names and samples in that of their labels, so equal figures give
//! equal bytes. Help and label values are escaped, whatever is in them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    edges::BucketEdges,
    histogram::{Exemplar, Snapshot},
    names::{self, Kind, kept},
};

/// The forms in which metrics are shown to who scrapes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpositionFormat {
    /// The text format 0.0.4 of Prometheus. It has no exemplars.
    Text,
    /// `OpenMetrics` 1.0.0, with exemplars.
    OpenMetrics,
}

impl ExpositionFormat {
    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What one scrape shows. A collector adds its figures of the moment to it.
///
/// A name or label that Prometheus does not read is left out, and so is a sample whose name stands there
/// with another kind. Of two samples with one label set the later one stays.
#[derive(Debug)]
pub struct Exposition {
    format: ExpositionFormat,
    families: BTreeMap<String, FamilyText>,
}

#[derive(Debug)]
struct FamilyText {
    kind: Kind,
    help: String,
    /// Label text, and the lines of its sample without the name in front.
    samples: BTreeMap<String, Lines>,
}

#[derive(Debug)]
enum Lines {
    Value(String),
    Whole(String),
}

impl Exposition {
    pub(super) const fn new(format: ExpositionFormat) -> Self {
        Self { format, families: BTreeMap::new() }
    }

    /// Adds a counter's figure of the moment.
    pub fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], figure: f64) {
        self.checked(name, Kind::Counter, help, labels, number(figure));
    }

    /// Adds a gauge's figure of the moment.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], figure: f64) {
        self.checked(name, Kind::Gauge, help, labels, number(figure));
    }

    /// A counter whose figure is an integer, exactly.
    pub(super) fn count(&mut self, name: &str, help: &str, labels: &[(&str, &str)], count: u64) {
        self.checked(name, Kind::Counter, help, labels, count.to_string());
    }

    fn checked(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        labels: &[(&str, &str)],
        value: String,
    ) {
        let label_names: Vec<&str> = labels.iter().map(|(label, _)| *label).collect();
        let named = names::check_metric(name, kind).and(names::check_labels(&label_names, kind));
        if named.is_ok() && self.family(name, kind, help) {
            self.sample(name, labels, value);
        }
    }

    /// Begins a family, or goes on with it; `false` where it is of another kind.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) -> bool {
        if let Some(family) = self.families.get(name) {
            return family.kind == kind;
        }
        let family = FamilyText { kind, help: help.to_owned(), samples: BTreeMap::new() };
        self.families.insert(name.to_owned(), family);
        true
    }

    /// Adds a sample of a family that was begun.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: String) {
        if let Some(family) = self.families.get_mut(name) {
            family.samples.insert(label_text(labels), Lines::Value(value));
        }
    }

    /// Adds a histogram of a family that was begun.
    pub(super) fn distribution(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        edges: &BucketEdges,
        snapshot: &Snapshot,
    ) {
        let own = label_text(labels);
        let comma = if own.is_empty() { "" } else { "," };
        let mut lines = String::new();
        let mut below = 0_u64;
        let texts = edges.texts().into_iter().map(|text| self.edge(text));
        for (index, le) in texts.chain(["+Inf".to_owned()]).enumerate() {
            below = below.wrapping_add(snapshot.counts[index]);
            let _ = write!(lines, "{name}_bucket{{{own}{comma}le=\"{le}\"}} {below}");
            let exemplar = snapshot.exemplars.get(index).copied().flatten();
            if let (ExpositionFormat::OpenMetrics, Some(exemplar)) = (self.format, exemplar) {
                write_exemplar(&mut lines, edges, exemplar);
            }
            lines.push('\n');
        }
        let braced = braced(&own);
        let _ = writeln!(lines, "{name}_sum{braced} {}", edges.text(snapshot.sum));
        let _ = writeln!(lines, "{name}_count{braced} {below}");
        if let Some(family) = self.families.get_mut(name) {
            family.samples.insert(own, Lines::Whole(lines));
        }
    }

    /// `OpenMetrics` wants `1.0` where the text format has `1`.
    fn edge(&self, mut text: String) -> String {
        if self.format == ExpositionFormat::OpenMetrics && !text.contains('.') {
            text.push_str(".0");
        }
        text
    }

    /// All of it.
    pub(super) fn finish(self) -> String {
        let mut out = String::new();
        for (name, family) in &self.families {
            if family.samples.is_empty() {
                continue;
            }
            let open = self.format == ExpositionFormat::OpenMetrics;
            let shown = match name.strip_suffix("_total") {
                Some(stem) if open && family.kind == Kind::Counter => stem,
                _ => name,
            };
            let _ = write!(out, "# HELP {shown} ");
            escape(&mut out, &family.help, open);
            let _ = writeln!(out, "\n# TYPE {shown} {}", family.kind.as_str());
            for (labels, lines) in &family.samples {
                match lines {
                    Lines::Whole(lines) => out.push_str(lines),
                    Lines::Value(value) => {
                        let _ = writeln!(out, "{name}{} {value}", braced(labels));
                    }
                }
            }
        }
        if self.format == ExpositionFormat::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }
}

fn braced(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

fn label_text(labels: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (index, (label, value)) in labels.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{label}=\"");
        escape(&mut text, kept(value), true);
        text.push('"');
    }
    text
}

/// Backslash, line feed and, where it ends something, the quotation mark as the formats want it. Any
/// other control character is shown: parsers take a zero byte as the end.
fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c if c.is_control() => {
                let _ =
                    write!(out, "\\\\{}", c.escape_default().to_string().trim_start_matches('\\'));
            }
            c => out.push(c),
        }
    }
}

fn write_exemplar(out: &mut String, edges: &BucketEdges, exemplar: Exemplar) {
    let value = edges.text(exemplar.value);
    let _ = write!(out, " # {{trace_id=\"{}\"}} {value} {}", exemplar.trace, unix(exemplar.at));
}

/// Seconds since 1970, to the millisecond; zero for what is earlier.
fn unix(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}", since.as_secs(), since.subsec_millis())
}

/// A number as both formats have it.
pub(super) fn number(figure: f64) -> String {
    if figure.is_nan() {
        "NaN".to_owned()
    } else if figure.is_infinite() {
        if figure > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        format!("{figure}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{histogram::Distribution, trace_context::TraceId};

    fn both(fill: impl Fn(&mut Exposition)) -> [String; 2] {
        [ExpositionFormat::Text, ExpositionFormat::OpenMetrics].map(|format| {
            let mut exposition = Exposition::new(format);
            fill(&mut exposition);
            exposition.finish()
        })
    }

    #[test]
    fn a_counter_has_its_ending_where_the_format_wants_it() {
        let [text, open] = both(|it| it.count("a_total", "All.", &[("x", "y")], 3));
        assert_eq!(text, "# HELP a_total All.\n# TYPE a_total counter\na_total{x=\"y\"} 3\n");
        assert_eq!(open, "# HELP a All.\n# TYPE a counter\na_total{x=\"y\"} 3\n# EOF\n");
    }

    #[test]
    fn hostile_values_end_no_label_and_no_line() {
        let hostile = "a\\b\"c\nd\0e\r\u{1b}f\u{e9}";
        let [text, open] = both(|it| it.gauge("g", "A \"help\"\\\nb", &[("x", hostile)], 0.5));
        let sample = "g{x=\"a\\\\b\\\"c\\nd\\\\u{0}e\\\\r\\\\u{1b}f\u{e9}\"} 0.5\n";
        assert_eq!(text, format!("# HELP g A \"help\"\\\\\\nb\n# TYPE g gauge\n{sample}"));
        assert!(open.contains(sample), "{open}");
        assert!(open.starts_with("# HELP g A \\\"help\\\"\\\\\\nb\n"), "{open}");
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let [text, _] = both(|it| {
            it.gauge("no name", "x", &[], 1.0);
            it.gauge("g", "x", &[("__l", "")], 1.0);
            it.gauge("h", "x", &[], 1.0);
            it.gauge("h", "x", &[], 2.0);
            it.counter("h_total", "x", &[], f64::INFINITY);
        });
        let expected = "# HELP h x\n# TYPE h gauge\nh 2\n# HELP h_total x\n# TYPE h_total counter\nh_total +Inf\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn buckets_are_cumulative_and_exemplars_are_only_in_openmetrics() {
        let edges = BucketEdges::times([5_000_000, 1_000_000_000].map(crate::units::Nanos::new));
        let distribution = Distribution::new(edges.clone());
        for value in [1_000_000, 6_000_000, 2_500_000_000] {
            distribution.observe(value);
        }
        distribution.keep(Exemplar {
            trace: TraceId::new([0xab; 16]).unwrap(),
            value: 6_000_000,
            at: UNIX_EPOCH + std::time::Duration::from_millis(1_500),
        });
        let snapshot = distribution.snapshot();
        let [text, open] = both(|it| {
            it.family("t_seconds", Kind::Histogram, "Time.");
            it.distribution("t_seconds", &[("r", "/")], &edges, &snapshot);
        });
        let expected = "# HELP t_seconds Time.\n# TYPE t_seconds histogram\n\
            t_seconds_bucket{r=\"/\",le=\"0.005\"} 1\nt_seconds_bucket{r=\"/\",le=\"1\"} 2\n\
            t_seconds_bucket{r=\"/\",le=\"+Inf\"} 3\nt_seconds_sum{r=\"/\"} 2.507\nt_seconds_count{r=\"/\"} 3\n";
        assert_eq!(text, expected);
        let line = format!("le=\"1.0\"}} 2 # {{trace_id=\"{}\"}} 0.006 1.500\n", "ab".repeat(16));
        assert!(open.contains(&line), "{open}");
    }
}
