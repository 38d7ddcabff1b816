//! `[service]`, resolved: the names by which a running service is watched.

use super::{ContractDocument, ContractError, name::check_name};

const NAME_MAX: usize = 200;
const SELECTOR_MAX: usize = 1000;
/// `passport monitor` writes the pages there, beside the rules: no other place has them for sure.
const RUNBOOK_URL: &str = "runbooks/";

/// A service that is watched while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedService {
    /// The value of the label `job`.
    pub name: String,
    /// The histogram of the duration of requests, in seconds.
    pub metric: String,
    /// The counter of requests.
    pub requests: String,
    /// The gauge of requests that are being answered.
    pub active: String,
    /// The label of the route.
    pub route_label: String,
    /// The label of the method.
    pub method_label: String,
    /// The label of the status.
    pub status_label: String,
    /// The gauge whose label `budgets` has the digest of the live budgets.
    pub build_info: String,
    /// Further matchers of every series, in their order.
    pub selector: Vec<LabelMatcher>,
    /// Where the pages of alerts are, as the contract wrote it; else `runbooks/`, below the directory of the
    /// rules.
    pub runbook_url: String,
}

/// A condition on a label of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMatcher {
    /// The label.
    pub label: String,
    /// One of `=`, `!=`, `=~` and `!~`.
    pub operator: &'static str,
    /// The value, or the regular expression, without quotes and escapes.
    pub value: String,
}

/// The service of a contract that has one. Errors are within `service`.
pub(super) fn service(
    document: &ContractDocument,
) -> Result<Option<WatchedService>, ContractError> {
    let Some(written) = &document.service else { return Ok(None) };
    let name = written.name.clone().unwrap_or_else(|| document.name.clone());
    check_name("service", &name)?;
    let metric = |key: &str, written: &Option<String>, default: &str| {
        let name = written.clone().unwrap_or_else(|| default.to_owned());
        if is_identifier(&name, true) {
            return Ok(name);
        }
        Err(unusable(key, &name, "metric", "a-z, A-Z, 0-9, `_`, `:`"))
    };
    let label = |key: &str, written: &Option<String>, default: &str| {
        let name = written.clone().unwrap_or_else(|| default.to_owned());
        if is_identifier(&name, false) {
            return Ok(name);
        }
        Err(unusable(key, &name, "label", "a-z, A-Z, 0-9, `_`"))
    };
    let service = WatchedService {
        name,
        metric: metric("metric", &written.metric, "http_request_duration_seconds")?,
        requests: metric("requests", &written.requests, "http_requests_total")?,
        active: metric("active", &written.active, "http_active_requests")?,
        route_label: label("route_label", &written.route_label, "route")?,
        method_label: label("method_label", &written.method_label, "method")?,
        status_label: label("status_label", &written.status_label, "status")?,
        build_info: metric("build_info", &written.build_info, "passport_build_info")?,
        selector: selector(written.selector.as_deref().unwrap_or_default())?,
        runbook_url: runbook_url(written.runbook_url.as_deref())?,
    };
    let mut labels = vec!["job", "le"];
    for (key, label) in [
        ("route_label", &service.route_label),
        ("method_label", &service.method_label),
        ("status_label", &service.status_label),
    ] {
        if labels.contains(&label.as_str()) {
            let message = format!("label `{label}` has another meaning already: name another one");
            return Err(ContractError::meaning(key, message));
        }
        labels.push(label);
    }
    // What they have is asked for by each rule, and what is left out would be taken for nothing.
    labels.push("__name__");
    if let Some(taken) = service.selector.iter().find(|it| labels.contains(&it.label.as_str())) {
        let message = format!(
            "the selector has a matcher of `{}`, which the rules set themselves: leave it out",
            taken.label
        );
        return Err(ContractError::meaning("selector", message));
    }
    Ok(Some(service))
}

fn unusable(key: &str, name: &str, kind: &str, of: &str) -> ContractError {
    let message = format!(
        "`{}` is not the name of a {kind}: 1 to {NAME_MAX} of {of}, not beginning with a digit",
        name.escape_default()
    );
    ContractError::meaning(key, message)
}

fn is_identifier(name: &str, colons: bool) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    !name.starts_with(|c: char| c.is_ascii_digit())
        && (1..=NAME_MAX).contains(&name.len())
        && name.chars().all(plain)
}

/// Matchers as they stand in the braces of `PromQL`, with double quotes.
fn selector(written: &str) -> Result<Vec<LabelMatcher>, ContractError> {
    if written.len() > SELECTOR_MAX || !written.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        let message = format!("the selector is not of at most {SELECTOR_MAX} printable ASCII");
        return Err(ContractError::meaning("selector", message));
    }
    let mut matchers = Vec::new();
    let mut rest = written.trim_start();
    while !rest.is_empty() {
        let (matcher, after) = matcher(rest).ok_or_else(|| {
            let message = format!(
                "`{}` is not a matcher such as `env=\"production\"`, with `=`, `!=`, `=~` or `!~`, and \
                 with a comma before the next one",
                rest.escape_default()
            );
            ContractError::meaning("selector", message)
        })?;
        matchers.push(matcher);
        rest = after;
    }
    Ok(matchers)
}

/// The first matcher of a text, and what comes after it and its comma.
fn matcher(text: &str) -> Option<(LabelMatcher, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    let (label, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let operator = ["=~", "!~", "!=", "="].into_iter().find(|it| rest.starts_with(it))?;
    let rest = rest[operator.len()..].trim_start().strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = rest.char_indices();
    let end = loop {
        match characters.next()? {
            (at, '"') => break at,
            (_, '\\') => match characters.next()?.1 {
                escaped @ ('"' | '\\') => value.push(escaped),
                _ => return None,
            },
            (_, plain) => value.push(plain),
        }
    };
    let rest = rest[end + 1..].trim_start();
    let after = match rest.strip_prefix(',') {
        Some(after) => after.trim_start(),
        None if rest.is_empty() => rest,
        None => return None,
    };
    let matcher = LabelMatcher { label: label.to_owned(), operator, value };
    is_identifier(label, false).then_some((matcher, after))
}

fn runbook_url(written: Option<&str>) -> Result<String, ContractError> {
    let Some(url) = written else { return Ok(RUNBOOK_URL.to_owned()) };
    let plain = url.bytes().all(|it| it.is_ascii_graphic() && !b"\"'\\<>`{}|^".contains(&it));
    let host = ["https://", "http://"].iter().find_map(|it| url.strip_prefix(it));
    if plain && url.len() <= SELECTOR_MAX && host.is_some_and(|it| !it.is_empty()) {
        return Ok(url.to_owned());
    }
    let message = format!(
        "runbook_url `{}` is not an address that begins with `https://`",
        url.escape_default()
    );
    Err(ContractError::meaning("runbook_url", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    fn parsed(service: &str) -> Result<WatchedService, String> {
        let text = format!(
            "schema_version = 1\nname = \"shop\"\n[[endpoint]]\nname = \"a\"\npath = \"/a\"\n[service]\n\
             {service}\n"
        );
        let contract = Contract::parse(&text).map_err(|error| error.to_string())?;
        Ok(contract.service.unwrap())
    }

    #[test]
    fn what_is_left_out_is_as_the_telemetry_has_it() {
        let service = parsed("").unwrap();
        assert_eq!(service.name, "shop");
        assert_eq!(service.metric, "http_request_duration_seconds");
        assert_eq!(service.requests, "http_requests_total");
        assert_eq!(service.route_label, "route");
        assert!(service.selector.is_empty());
    }

    #[test]
    fn matchers_are_read_as_promql_reads_them() {
        let service = parsed(r#"selector = 'env="a\"b\\", zone !~ "x|y",'"#).unwrap();
        let expected = [("env", "=", "a\"b\\"), ("zone", "!~", "x|y")].map(|it| LabelMatcher {
            label: it.0.to_owned(),
            operator: it.1,
            value: it.2.to_owned(),
        });
        assert_eq!(service.selector, expected);
    }

    #[test]
    fn what_could_leave_its_place_in_a_rule_is_refused() {
        for (bad, said) in [
            ("selector = 'env'", "is not a matcher"),
            ("selector = 'env=production'", "is not a matcher"),
            ("selector = 'env=\"a\"} or vector(1)'", "is not a matcher"),
            ("selector = 'env=\"a\" zone=\"b\"'", "is not a matcher"),
            ("selector = 'job=\"a\"'", "leave it out"),
            ("selector = 'status=\"2xx\"'", "leave it out"),
            ("selector = '__name__=\"a\"'", "leave it out"),
            ("selector = \"env=\\\"a\\n\\\"\"", "printable"),
            ("metric = 'a{b}'", "not the name of a metric"),
            ("requests = '1a'", "not the name of a metric"),
            ("route_label = 'a:b'", "not the name of a label"),
            ("route_label = 'le'", "another meaning"),
            ("method_label = 'route'", "another meaning"),
            ("name = '{{ a }}'", "service name"),
            ("runbook_url = 'javascript:x'", "runbook_url"),
            ("runbook_url = 'https://a/{{ b }}'", "runbook_url"),
            ("metrc = 'a'", "did you mean `metric`?"),
        ] {
            let error = parsed(bad).unwrap_err();
            assert!(error.starts_with("line ") && error.contains(said), "{bad}: {error}");
        }
    }
}
