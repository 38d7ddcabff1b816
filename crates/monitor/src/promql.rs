//! `PromQL` of one service: selectors in which nothing from a contract leaves its quotes.
//!
//! A value that Grafana would take for a variable is written as a regular expression in which it is none.

use perf_passport::contract::{LabelMatcher, Objective, WatchedService};

use crate::error::MonitorError;

/// The statuses of requests that failed, as classes or as codes; `aborted` is what our telemetry says of a
/// client that gave up. `observe` counts the same.
pub(crate) const FAILED: &str = "5..|aborted";

/// What the edge of a bucket is called; Prometheus 3 writes `1` as `1.0`, and `0.00001` as `1e-05`.
pub(crate) fn edge_forms(edge: &str) -> Vec<String> {
    let mut forms = vec![edge.to_owned()];
    if !edge.contains('.') {
        forms.push(format!("{edge}.0"));
    }
    if let Some(digits) = edge.strip_prefix("0.0000") {
        let digits = digits.trim_start_matches('0');
        let exponent = edge.len() - "0.".len() - digits.len() + 1;
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        forms.push(format!("{first}{point}{rest}e-{exponent:02}"));
    }
    forms
}

/// A matcher that holds for exactly this value.
pub(crate) fn is(label: &str, value: &str) -> String {
    any_of(label, &[value])
}

/// The same as text that only Prometheus reads, to which no `$` is a variable. So `absent` has the value as
/// a label.
pub(crate) fn is_exactly(label: &str, value: &str) -> String {
    format!("{label}={}", quoted(value))
}

/// A matcher that holds for any of these values.
pub(crate) fn any_of(label: &str, values: &[&str]) -> String {
    let is_variable = |it: &&str| it.contains('$') || it.contains("[[");
    if let [value] = values
        && !is_variable(value)
    {
        return format!("{label}={}", quoted(value));
    }
    let escaped: Vec<String> = values.iter().map(|it| regex_escaped(it)).collect();
    matching(label, &escaped.join("|"))
}

/// A matcher of a regular expression.
pub(crate) fn matching(label: &str, expression: &str) -> String {
    format!("{label}=~{}", quoted(expression))
}

/// A string of `PromQL`.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// A text as a regular expression (RE2) of itself.
fn regex_escaped(text: &str) -> String {
    let one = |c: char| match c {
        // `\$a` would be a variable to Grafana.
        '$' => "[$]".to_owned(),
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' => {
            format!("\\{c}")
        }
        _ => c.to_string(),
    };
    text.chars().map(one).collect()
}

/// The names by which a service is watched.
#[derive(Debug, Clone)]
pub(crate) struct Names<'a> {
    pub(crate) service: &'a WatchedService,
}

impl Names<'_> {
    /// Series of a metric of this service.
    pub(crate) fn series(&self, metric: &str, matchers: &[String]) -> String {
        let selector = self.service.selector.iter().map(|it| match it.operator {
            "=" => is(&it.label, &it.value),
            operator => format!("{}{operator}{}", it.label, quoted(&it.value)),
        });
        let all = [is("job", &self.service.name)].into_iter().chain(selector);
        let all: Vec<String> = all.chain(matchers.iter().cloned()).collect();
        format!("{metric}{{{}}}", all.join(","))
    }

    /// A function of time over a metric of the routes of an objective: `rate` or `increase`.
    pub(crate) fn over(
        &self,
        function: &str,
        of: (&Objective, &str, &[String]),
        window: &str,
    ) -> String {
        let parts = self.of_objective(of.0, of.1, of.2);
        let parts: Vec<String> =
            parts.iter().map(|series| format!("{function}({series}[{window}])")).collect();
        parts.join(" or ")
    }

    /// Series of a metric of the routes of an objective: one selector for each method.
    pub(crate) fn of_objective(
        &self,
        objective: &Objective,
        metric: &str,
        matchers: &[String],
    ) -> Vec<String> {
        let mut methods: Vec<&str> = objective.routes.iter().map(|it| it.method.as_str()).collect();
        methods.sort_unstable();
        methods.dedup();
        let of_method = |method: &&str| {
            let routes = objective.routes.iter().filter(|it| it.method == *method);
            let routes: Vec<&str> = routes.map(|it| it.route.as_str()).collect();
            let own = [
                any_of(&self.service.route_label, &routes),
                is(&self.service.method_label, method),
            ];
            self.series(metric, &[&own[..], matchers].concat())
        };
        methods.iter().map(of_method).collect()
    }

    /// One series as a test gives it: labels that meet the selector of the service, and these.
    ///
    /// # Errors
    ///
    /// That no test can meet the selector.
    pub(crate) fn example(
        &self,
        metric: &str,
        labels: &[(&str, &str)],
    ) -> Result<String, MonitorError> {
        let mut all = vec![format!("job={}", quoted(&self.service.name))];
        for matcher in &self.service.selector {
            if let Some(value) = example_value(matcher)? {
                all.push(format!("{}={}", matcher.label, quoted(&value)));
            }
        }
        all.extend(labels.iter().map(|(label, value)| format!("{label}={}", quoted(value))));
        Ok(format!("{metric}{{{}}}", all.join(",")))
    }
}

/// A value that meets a matcher; `None` where a series without the label does.
fn example_value(matcher: &LabelMatcher) -> Result<Option<String>, MonitorError> {
    let untestable = || MonitorError::UntestableMatcher {
        label: matcher.label.clone(),
        operator: matcher.operator,
        value: matcher.value.clone(),
    };
    let plain = |it: &str| it.chars().all(|c| c.is_ascii_alphanumeric() || "_-/: ".contains(c));
    match matcher.operator {
        "=" => Ok(Some(matcher.value.clone())),
        "!=" if !matcher.value.is_empty() => Ok(None),
        "!=" => Ok(Some("x".to_owned())),
        "=~" if [".+", ".*"].contains(&matcher.value.as_str()) => Ok(Some("x".to_owned())),
        "=~" => {
            let first = matcher.value.split('|').find(|it| plain(it));
            first.map(|it| Some(it.to_owned())).ok_or_else(untestable)
        }
        _ if matcher.value.split('|').all(|it| !it.is_empty() && plain(it)) => Ok(None),
        _ => Err(untestable()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_has_the_forms_of_both_versions_of_prometheus() {
        for (edge, forms) in [
            ("0.01", vec!["0.01"]),
            ("1", vec!["1", "1.0"]),
            ("0.0001", vec!["0.0001"]),
            ("0.00001", vec!["0.00001", "1e-05"]),
            ("0.000025", vec!["0.000025", "2.5e-05"]),
            ("0.0000000015", vec!["0.0000000015", "1.5e-09"]),
        ] {
            assert_eq!(edge_forms(edge), forms);
        }
    }

    #[test]
    fn a_value_does_not_leave_its_quotes() {
        assert_eq!(is("route", "/a"), r#"route="/a""#);
        assert_eq!(is("route", r#"/"} or vector(1)\"#), r#"route="/\"} or vector(1)\\""#);
        assert_eq!(is("route", "/$__range"), r#"route=~"/[$]__range""#);
        assert_eq!(is("route", "/[[a]]"), r#"route=~"/\\[\\[a\\]\\]""#);
        assert_eq!(any_of("route", &["/{id}", "/a.b"]), r#"route=~"/\\{id\\}|/a\\.b""#);
    }
}
