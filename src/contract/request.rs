//! A request as an endpoint and its variants write it, and as it is sent.

use std::collections::BTreeMap;

use super::{
    CompareBody, ContractError, EndpointDocument, Fresh, HeaderTemplate, RequestSpec,
    SetupDocument, VariantDocument,
    compared::{check_pointers, compare_body, compare_headers, is_header_name},
    path_problem,
};

pub(super) const DEFAULT_VARIANT: &str = "default";

/// What the name of a header has in it whose literal value would be a secret in a committed file.
const SECRET_NAMES: [&str; 6] = ["auth", "cookie", "key", "password", "secret", "token"];

/// Headers that whoever sends a request must derive from its body.
const FRAMING_HEADERS: [&str; 2] = ["content-length", "transfer-encoding"];

/// An endpoint, and the variant of it that a check is of, with its place.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) endpoint: &'a EndpointDocument,
    pub(super) variant: Option<(usize, &'a VariantDocument)>,
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
    let check = format!("{}/{}", written.endpoint.name, written.variant_name());
    let ignore: Vec<String> = pick!(written, ignore).unwrap_or_default();
    let path = pick!(written, path)
        .ok_or_else(|| ContractError::meaning("name", format!("check `{check}` has no `path`")))?;
    check_path(&check, &path).map_err(located!(written, path))?;
    let status = pick!(written, status).unwrap_or(200);
    check_status(&check, status).map_err(located!(written, status))?;
    let body: Option<String> = pick!(written, body);
    check_body(&check, body.as_deref()).map_err(located!(written, body))?;
    check_pointers(&ignore).map_err(located!(written, ignore))?;
    Ok(RequestSpec {
        method: method(pick!(written, method)).map_err(located!(written, method))?,
        path,
        headers: headers(&pick!(written, headers).unwrap_or_default())
            .map_err(|error| located!(written, headers)(error.inside("headers")))?,
        body,
        setup: setup(&check, &pick!(written, setup).unwrap_or_default())
            .map_err(located!(written, setup))?,
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
fn setup(check: &str, written: &[SetupDocument]) -> Result<Vec<RequestSpec>, ContractError> {
    let one = |(place, step): (usize, &SetupDocument)| {
        setup_request(check, step).map_err(|error| error.within("setup", place))
    };
    written.iter().enumerate().map(one).collect()
}

fn setup_request(check: &str, written: &SetupDocument) -> Result<RequestSpec, ContractError> {
    check_path(check, &written.path)?;
    check_body(check, written.body.as_deref())?;
    let status = written.status.unwrap_or(200);
    check_status(check, status)?;
    let written_headers = written.headers.clone().unwrap_or_default();
    Ok(RequestSpec {
        method: method(written.method.clone())?,
        path: written.path.clone(),
        headers: headers(&written_headers).map_err(|error| error.inside("headers"))?,
        body: written.body.clone(),
        setup: Vec::new(),
        status,
        content_type: None,
        ignore: Vec::new(),
        compare_body: CompareBody::Bytes,
        compare_headers: Vec::new(),
    })
}

fn check_path(check: &str, path: &str) -> Result<(), ContractError> {
    let Some(problem) = path_problem(path) else { return Ok(()) };
    let message = format!("check `{check}` has path `{}`, which {problem}", path.escape_default());
    Err(ContractError::meaning("path", message))
}

fn check_status(check: &str, status: u16) -> Result<(), ContractError> {
    if (100..=599).contains(&status) {
        return Ok(());
    }
    let message = format!("check `{check}` expects status {status}, which is not 100 to 599");
    Err(ContractError::meaning("status", message))
}

fn check_body(check: &str, body: Option<&str>) -> Result<(), ContractError> {
    if !body.is_some_and(|it| it.contains("${")) {
        return Ok(());
    }
    let message = format!(
        "check `{check}` has `${{` in its body: variables are filled into headers alone, as bodies \
         are kept in passports"
    );
    Err(ContractError::meaning("body", message))
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
        if SECRET_NAMES.iter().any(|it| lower.contains(it)) && !value.hides_its_value() {
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
