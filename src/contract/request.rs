//! A request as an endpoint and its variants write it, and as it is sent.

use std::collections::BTreeMap;

use super::{
    CompareBody, ContractError, EndpointDocument, Fresh, HeaderTemplate, RequestSpec, RowsSpec,
    SetupDocument, StepDocument, VariantDocument,
    body::{WrittenBody, body},
    capture::captures,
    compared::{check_pointers, compare_body, compare_headers, is_header_name},
    flow::{Placed, check_names},
    path_problem, placeholder,
    rows::rows,
};

pub(super) const DEFAULT_VARIANT: &str = "default";

/// What the name of a header has in it whose literal value would be a secret in a committed file.
const SECRET_NAMES: [&str; 6] = ["auth", "cookie", "key", "password", "secret", "token"];

/// Headers that whoever sends a request must derive from its body.
const FRAMING_HEADERS: [&str; 2] = ["content-length", "transfer-encoding"];

/// The longest route, in bytes.
const ROUTE_MAX: usize = 500;

/// An endpoint, and the variant of it that a check is of, with its place.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) endpoint: &'a EndpointDocument,
    pub(super) variant: Option<(usize, &'a VariantDocument)>,
    /// The flow that the endpoint is a step of, and the step.
    pub(super) flow: Option<(&'a str, &'a StepDocument)>,
}

/// The variant's value, else the endpoint's.
macro_rules! pick {
    ($written:ident, $field:ident) => {
        $written
            .variant
            .and_then(|(_, it)| it.$field.clone())
            .or_else(|| $written.endpoint.$field.clone())
    };
}

/// The keys of the body of a table.
macro_rules! written_body {
    ($table:expr) => {
        WrittenBody {
            text: $table.body.clone(),
            file: $table.body_file.clone(),
            form: $table.form.clone(),
            multipart: $table.multipart.clone(),
        }
    };
}

/// Puts an error about the value that was picked where that value is.
macro_rules! located {
    ($written:ident, $field:ident) => {
        |error: ContractError| match $written.variant {
            Some((_, variant)) if variant.$field.is_some() => $written.in_variant(error),
            _ => error,
        }
    };
}

impl Written<'_> {
    pub(super) fn variant_name(&self) -> &str {
        self.variant.map_or(DEFAULT_VARIANT, |(_, it)| it.name.as_str())
    }

    pub(super) fn fixture(self) -> Option<String> {
        pick!(self, fixture)
    }

    pub(super) fn fresh(self) -> Option<Fresh> {
        pick!(self, fresh)
    }

    pub(super) fn slow(self) -> Option<bool> {
        pick!(self, slow)
    }

    /// What messages call the check.
    fn check_name(&self) -> String {
        match self.flow {
            Some((flow, step)) => format!("{flow}/{}", step.name),
            None => format!("{}/{}", self.endpoint.name, self.variant_name()),
        }
    }

    /// The rows that samples go through. Errors are within the endpoint.
    pub(super) fn rows(self, seed: u64) -> Result<Option<RowsSpec>, ContractError> {
        rows(pick!(self, rows).as_ref(), seed).map_err(located!(self, rows))
    }

    /// The keys of a body, all of one table: those of the variant go before those of the endpoint.
    fn body(self) -> WrittenBody {
        if let Some((_, it)) = self.variant {
            let own = written_body!(it);
            if !own.is_empty() {
                return own;
            }
        }
        written_body!(self.endpoint)
    }

    /// Whether names in braces stand for values.
    fn has_values(self) -> bool {
        let setup: Vec<SetupDocument> = pick!(self, setup).unwrap_or_default();
        let captures = setup.iter().any(|step| step.capture.is_some());
        self.flow.is_some() || captures || pick!(self, rows).is_some()
    }

    /// Puts an error where the variant is, if there is one.
    pub(super) fn in_variant(&self, error: ContractError) -> ContractError {
        match self.variant {
            Some((place, _)) => error.within("variant", place),
            None => error,
        }
    }
}

/// The one request of a check. Errors are within the endpoint.
pub(super) fn request(written: Written<'_>) -> Result<RequestSpec, ContractError> {
    let check = written.check_name();
    let has_values = written.has_values();
    let ignore: Vec<String> = pick!(written, ignore).unwrap_or_default();
    let path = pick!(written, path)
        .ok_or_else(|| ContractError::meaning("name", format!("check `{check}` has no `path`")))?;
    check_path(&check, &path, has_values).map_err(located!(written, path))?;
    let status = pick!(written, status).unwrap_or(200);
    check_status(&check, status).map_err(located!(written, status))?;
    let body = body(&check, written.body(), has_values).map_err(located!(written, body))?;
    check_pointers(&ignore).map_err(located!(written, ignore))?;
    let route = route(&check, pick!(written, route), &path, has_values)
        .map_err(located!(written, route))?;
    let captured = written.flow.and_then(|(_, step)| step.capture.as_ref());
    Ok(RequestSpec {
        method: method(pick!(written, method)).map_err(located!(written, method))?,
        path,
        route,
        headers: headers(&pick!(written, headers).unwrap_or_default(), has_values)
            .map_err(|error| located!(written, headers)(error.inside("headers")))?,
        body,
        setup: setup(&check, &pick!(written, setup).unwrap_or_default(), has_values)
            .map_err(located!(written, setup))?,
        captures: captures(captured)?,
        status,
        content_type: media_type(pick!(written, content_type))
            .map_err(located!(written, content_type))?,
        compare_body: compare_body(pick!(written, compare_body), &ignore)
            .map_err(located!(written, compare_body))?,
        compare_headers: compare_headers(pick!(written, compare_headers))
            .map_err(located!(written, compare_headers))?,
        ignore,
    })
}

/// The requests before the one that is measured. Errors are within the table that has them.
fn setup(
    check: &str,
    written: &[SetupDocument],
    has_values: bool,
) -> Result<Vec<RequestSpec>, ContractError> {
    unmeasured(check, "setup", written, has_values)
}

/// Requests of this key that are not measured. Errors are within the table that has them.
pub(super) fn unmeasured(
    check: &str,
    key: &str,
    written: &[SetupDocument],
    has_values: bool,
) -> Result<Vec<RequestSpec>, ContractError> {
    let one = |(place, step): (usize, &SetupDocument)| {
        setup_request(check, step, has_values).map_err(|error| error.within(key, place))
    };
    written.iter().enumerate().map(one).collect()
}

/// Every name that a check's requests use is known by then. Errors are within the endpoint.
pub(super) fn check_value_names(
    written: Written<'_>,
    request: &RequestSpec,
    rows: Option<&RowsSpec>,
) -> Result<(), ContractError> {
    if !written.has_values() || written.flow.is_some() {
        return Ok(());
    }
    let mut all: Vec<Placed<'_>> = Placed::all("setup", &request.setup).collect();
    let label = format!("check `{}`", written.check_name());
    all.push(Placed { label, key: "", place: 0, request });
    check_names(&all, rows).map_err(located!(written, path))
}

fn setup_request(
    check: &str,
    written: &SetupDocument,
    has_values: bool,
) -> Result<RequestSpec, ContractError> {
    check_path(check, &written.path, has_values)?;
    let status = written.status.unwrap_or(200);
    check_status(check, status)?;
    let written_headers = written.headers.clone().unwrap_or_default();
    let own = written_body!(written);
    Ok(RequestSpec {
        method: method(written.method.clone())?,
        path: written.path.clone(),
        route: route(check, None, &written.path, has_values)?,
        headers: headers(&written_headers, has_values).map_err(|error| error.inside("headers"))?,
        body: body(check, own, has_values)?,
        setup: Vec::new(),
        captures: captures(written.capture.as_ref())?,
        status,
        content_type: None,
        ignore: Vec::new(),
        compare_body: CompareBody::Bytes,
        compare_headers: Vec::new(),
    })
}

/// A path with a plain value in the place of each name.
fn check_path(check: &str, path: &str, has_values: bool) -> Result<(), ContractError> {
    let pieces = placeholder::pieces(path);
    let filled = match pieces.first() {
        _ if !has_values => path.to_owned(),
        Some(placeholder::Piece::Value(_)) => "/".to_owned() + &with_values(&pieces[1..]),
        _ => with_values(&pieces),
    };
    let variable = pieces.iter().any(|it| matches!(it, placeholder::Piece::Variable(_)));
    let problem = if has_values && variable {
        Some("has a variable: variables are filled into headers and bodies")
    } else {
        path_problem(&filled)
    };
    let Some(problem) = problem else { return Ok(()) };
    let message = format!("check `{check}` has path `{}`, which {problem}", path.escape_default());
    Err(ContractError::meaning("path", message))
}

/// What a running service counts the request as.
fn route(
    check: &str,
    written: Option<String>,
    path: &str,
    has_values: bool,
) -> Result<String, ContractError> {
    let Some(route) = written else {
        let path = path.split('?').next().unwrap_or_default();
        return Ok(if has_values { with_names(path) } else { path.to_owned() });
    };
    let printable = route.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if printable && (1..=ROUTE_MAX).contains(&route.len()) {
        return Ok(route);
    }
    let message = format!(
        "check `{check}` has route `{}`, which is not 1 to {ROUTE_MAX} of printable ASCII",
        route.escape_default()
    );
    Err(ContractError::meaning("route", message))
}

/// The text with its names in braces, and escaped braces as they are.
fn with_names(path: &str) -> String {
    let one = |piece: placeholder::Piece| match piece {
        placeholder::Piece::Text(text) => text,
        placeholder::Piece::Value(name) | placeholder::Piece::Variable(name) => {
            format!("{{{name}}}")
        }
    };
    placeholder::pieces(path).into_iter().map(one).collect()
}

/// The text with a plain value in the place of each name.
fn with_values(pieces: &[placeholder::Piece]) -> String {
    let one = |piece: &placeholder::Piece| match piece {
        placeholder::Piece::Text(text) => text.clone(),
        placeholder::Piece::Value(_) | placeholder::Piece::Variable(_) => "x".to_owned(),
    };
    pieces.iter().map(one).collect()
}

fn check_status(check: &str, status: u16) -> Result<(), ContractError> {
    if (100..=599).contains(&status) {
        return Ok(());
    }
    let message = format!("check `{check}` expects status {status}, which is not 100 to 599");
    Err(ContractError::meaning("status", message))
}

fn method(written: Option<String>) -> Result<String, ContractError> {
    let method = written.unwrap_or_else(|| "GET".to_owned());
    if ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method.as_str()) {
        return Ok(method);
    }
    let message = format!("`{}` is not an HTTP method such as `GET`", method.escape_default());
    Err(ContractError::meaning("method", message))
}

/// What is compared has no parameters and is in lowercase, so neither would ever be found.
fn media_type(written: Option<String>) -> Result<Option<String>, ContractError> {
    let token = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "!#$&^_.+-".contains(c);
    let is_token = |part: &str| !part.is_empty() && part.chars().all(token);
    let Some(written) = written else { return Ok(None) };
    if written.split_once('/').is_some_and(|(kind, name)| is_token(kind) && is_token(name)) {
        return Ok(Some(written));
    }
    let message = format!(
        "`{}` is not a media type in lowercase and without parameters, such as `application/json`",
        written.escape_default()
    );
    Err(ContractError::meaning("content_type", message))
}

fn headers(
    written: &BTreeMap<String, HeaderTemplate>,
    has_values: bool,
) -> Result<Vec<(String, HeaderTemplate)>, ContractError> {
    let mut resolved = Vec::new();
    for (name, value) in written {
        let lower = name.to_ascii_lowercase();
        if !is_header_name(name) {
            let message = format!("`{}` is not a header name", name.escape_default());
            return Err(ContractError::meaning(name, message));
        }
        if !value.as_str().chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            let message = format!("the value of header `{name}` is not printable ASCII");
            return Err(ContractError::meaning(name, message));
        }
        if FRAMING_HEADERS.contains(&lower.as_str()) {
            let message = format!("header `{name}` follows from the body: leave it out");
            return Err(ContractError::meaning(name, message));
        }
        if let Some(wrong) = value.unusable_variable() {
            let message = format!(
                "header `{name}` names `${{{}}}`, which is not a variable of letters, digits and `_`",
                wrong.escape_default()
            );
            return Err(ContractError::meaning(name, message));
        }
        let hides = value.hides_its_value()
            || (has_values && hides_values(value.as_str(), lower == "cookie"));
        if SECRET_NAMES.iter().any(|it| lower.contains(it)) && !hides {
            let message = format!(
                "header `{name}` holds a secret: write `${{NAME}}` and set that variable instead, \
                 with nothing before it but perhaps `Bearer ` or another scheme; a test of yours sets \
                 it by `Harness::variable(\"NAME\", value)`"
            );
            return Err(ContractError::meaning(name, message));
        }
        resolved.push((lower, value.clone()));
    }
    Ok(resolved)
}

/// Whether all of a text is values and variables, but for the name of a scheme before; of cookies, what
/// stands behind each `=`.
fn hides_values(text: &str, cookies: bool) -> bool {
    if cookies {
        let value =
            |pair: &str| pair.split_once('=').is_some_and(|(_, it)| hides_values(it, false));
        return text.split(';').all(value);
    }
    let pieces = placeholder::pieces(text);
    let hidden = match pieces.split_first() {
        Some((placeholder::Piece::Text(scheme), rest)) if HeaderTemplate::is_scheme(scheme) => rest,
        _ => &pieces,
    };
    !hidden.is_empty() && !hidden.iter().any(|it| matches!(it, placeholder::Piece::Text(_)))
}
