//! GETs of an `OpenAPI` document that need nothing: no parameter and no credentials.

use std::path::Path;

use anyhow::anyhow;
use serde_json::Value;

use super::super::exit::Failure;
use perf_passport::{
    contract::{ContractOutline, OutlinedEndpoint},
    files,
    text::{counted, escaped, printable},
    units::{BYTES_PER_MB, Bytes},
};

/// The largest document that is read.
const DOCUMENT_MAX: Bytes = Bytes::new(64 * BYTES_PER_MB);

/// What a document tells.
#[derive(Debug)]
pub(super) struct OpenApi {
    pub(super) endpoints: Vec<OutlinedEndpoint>,
    /// A sentence on GETs that are left out; `None` where none is.
    pub(super) left_out: Option<String>,
}

/// Reads a document.
pub(super) fn read(path: &Path) -> Result<OpenApi, Failure> {
    let refused = |why: &str| {
        Failure::usage(anyhow!("cannot read OpenAPI document `{}`: {why}", path.display()))
    };
    let bytes = files::read(path, DOCUMENT_MAX).map_err(|error| refused(&error.to_string()))?;
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| {
        let is_yaml = !bytes.trim_ascii_start().starts_with(b"{");
        refused(&if is_yaml {
            "it is not JSON, and YAML is not read: write it as JSON, such as with `yq -o json`"
                .to_owned()
        } else {
            printable(error.to_string().as_bytes(), 200)
        })
    })?;
    read_document(&document).map_err(|why| refused(&why))
}

fn read_document(document: &Value) -> Result<OpenApi, String> {
    let Some(paths) = document.get("paths").and_then(Value::as_object) else {
        return Err("it has no object `paths`".to_owned());
    };
    let prefix = prefix(document);
    let (mut endpoints, mut with_parameters, mut with_credentials) = (Vec::new(), 0, 0);
    for (path, item) in paths {
        let Some(get) = item.get("get") else { continue };
        let whole = format!("{prefix}{path}");
        if path.contains('{') || needs_parameters(document, item) || needs_parameters(document, get)
        {
            with_parameters += 1;
        } else if needs_credentials(document, get) {
            with_credentials += 1;
        } else {
            ContractOutline::of_paths("", std::slice::from_ref(&whole))?;
            endpoints.push(OutlinedEndpoint { status: status(get), ..OutlinedEndpoint::of(whole) });
        }
    }
    let left_out = [(with_parameters, "parameters"), (with_credentials, "credentials")];
    let left_out: Vec<String> = left_out
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} with {what}", counted(*number, "GET")))
        .collect();
    if endpoints.is_empty() {
        return Err(match left_out.as_slice() {
            [] => "it has no GET".to_owned(),
            some => format!("all of its GETs need something ({})", some.join(", ")),
        });
    }
    let left_out = (!left_out.is_empty()).then(|| format!("left out: {}", left_out.join(", ")));
    Ok(OpenApi { endpoints, left_out })
}

/// What stands before each path: that of the first server, or the base path of older documents.
fn prefix(document: &Value) -> String {
    let server = document.pointer("/servers/0/url").and_then(Value::as_str);
    let url = server.or_else(|| document.get("basePath")?.as_str()).unwrap_or_default();
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    };
    // A template is filled in by nobody.
    let usable = path.starts_with('/') && !path.contains('{');
    if usable { path.trim_end_matches('/').to_owned() } else { String::new() }
}

/// Whether an operation, or all of a path, has a parameter that must be given.
fn needs_parameters(document: &Value, of: &Value) -> bool {
    let parameters = of.get("parameters").and_then(Value::as_array);
    parameters.into_iter().flatten().any(|parameter| {
        let named = parameter.get("$ref").and_then(Value::as_str);
        let found = named.and_then(|it| document.pointer(it.strip_prefix('#')?));
        let required = found.unwrap_or(parameter).get("required").and_then(Value::as_bool);
        // What is named and not there may be anything.
        required.unwrap_or(named.is_some() && found.is_none())
    })
}

/// Whether an operation is only for who is known.
fn needs_credentials(document: &Value, get: &Value) -> bool {
    let security = get.get("security").or_else(|| document.get("security"));
    let ways = security.and_then(Value::as_array);
    // An empty way is one without any.
    let open = |way: &Value| way.as_object().is_some_and(serde_json::Map::is_empty);
    ways.is_some_and(|it| !it.is_empty() && !it.iter().any(open))
}

/// The status of success that the document tells.
fn status(get: &Value) -> u16 {
    let responses = get.get("responses").and_then(Value::as_object);
    let told = responses.into_iter().flat_map(|it| it.keys()).filter_map(|it| it.parse().ok());
    told.filter(|it| (200..300).contains(it)).min().unwrap_or(200)
}

impl OpenApi {
    /// Some of its paths, for the user.
    pub(super) fn words(path: &Path) -> String {
        format!("the GETs of {} that need nothing", escaped(&path.to_string_lossy()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn gets_that_need_nothing_are_endpoints_and_the_others_are_told() {
        let ok = json!({ "200": {} });
        let document = json!({
            "openapi": "3.1.0",
            "servers": [{ "url": "https://a.example/v1/" }],
            "components": { "parameters": { "page": { "required": false }, "key": { "required": true } } },
            "paths": {
                "/": { "get": { "responses": ok } },
                "/items": {
                    "get": { "parameters": [{ "$ref": "#/components/parameters/page" }], "responses": { "default": {} } },
                    "post": {},
                },
                "/items/{id}": { "get": {} },
                "/gone": { "get": { "responses": { "404": {}, "204": {}, "2XX": {} } } },
                "/keyed": { "get": { "parameters": [{ "$ref": "#/components/parameters/key" }] } },
                "/unknown": { "parameters": [{ "$ref": "#/nowhere" }], "get": {} },
                "/mine": { "get": { "security": [{ "token": [] }] } },
                "/both": { "get": { "security": [{ "token": [] }, {}] } },
                "/written": { "put": {} },
            }
        });
        let found = read_document(&document).unwrap();
        let mut endpoints: Vec<(&str, u16)> =
            found.endpoints.iter().map(|it| (it.path.as_str(), it.status)).collect();
        endpoints.sort_unstable();
        let expected = [("/v1/", 200), ("/v1/both", 200), ("/v1/gone", 204), ("/v1/items", 200)];
        assert_eq!(endpoints, expected);
        let left_out = "left out: 3 GETs with parameters, 1 GET with credentials";
        assert_eq!(found.left_out.unwrap(), left_out);
    }

    #[test]
    fn a_document_without_any_is_refused_with_the_reason() {
        let refused = |document: Value| read_document(&document).unwrap_err();
        assert_eq!(refused(json!({})), "it has no object `paths`");
        assert_eq!(refused(json!({ "paths": { "/a": { "post": {} } } })), "it has no GET");
        let needing = json!({ "security": [{ "a": [] }], "paths": { "/a": { "get": {} } } });
        assert_eq!(refused(needing), "all of its GETs need something (1 GET with credentials)");
        let odd = json!({ "paths": { "/a b": { "get": {} } } });
        assert!(refused(odd).contains("ASCII"));
    }

    #[test]
    fn what_stands_before_the_paths_is_that_of_the_server() {
        let prefix = |document: Value| prefix(&document);
        assert_eq!(prefix(json!({ "servers": [{ "url": "/api" }] })), "/api");
        assert_eq!(prefix(json!({ "servers": [{ "url": "http://h:1" }] })), "");
        assert_eq!(prefix(json!({ "servers": [{ "url": "https://h/{stage}" }] })), "");
        assert_eq!(prefix(json!({ "basePath": "/v2" })), "/v2");
        assert_eq!(prefix(json!({})), "");
    }
}
