//! A request with places for values: made ready once, and filled for each run.

use sha2::{Digest, Sha256};

use super::{
    exchange::Exchange,
    ignored::IgnoredPointers,
    materials::{Materials, PlanError, read_input},
    planned_text::{PlannedText, TextKind},
    pointed::{is_json, values_of_json},
    request::PreparedRequest,
    values::{Place, VALUE_MAX, Values, encoded},
};
use crate::{
    contract::{
        BodySpec, CaptureSource, CaptureSpec, PartContent, PartSpec, Piece, RequestSpec,
        SecretValue, pieces,
    },
    text::{hex, printable},
};

/// A request with places for values.
#[derive(Debug)]
pub(super) struct PlannedRequest {
    method: String,
    path: PlannedText,
    headers: Vec<(String, PlannedText)>,
    body: Vec<BodyPiece>,
    /// What no value may hold: what stands between the parts of the body.
    boundary: Option<String>,
    compare_headers: Vec<String>,
    /// These, and those that captures are in.
    reported_headers: Vec<String>,
    /// Each with its pointer, where it is one.
    captures: Vec<(CaptureSpec, IgnoredPointers)>,
    pub(super) status: u16,
    /// Method and path as the contract has them: no value is shown.
    pub(super) shown: String,
}

#[derive(Debug)]
enum BodyPiece {
    Bytes(Vec<u8>),
    Text(PlannedText),
}

impl PlannedRequest {
    pub(super) fn new(spec: &RequestSpec, from: &mut Materials<'_>) -> Result<Self, PlanError> {
        let mut headers = Vec::new();
        for (name, template) in &spec.headers {
            let place = if name == "cookie" { Place::Cookie } else { Place::Header };
            headers
                .push((name.clone(), PlannedText::new(template.as_str(), true, &|_| place, from)?));
        }
        let media_type = spec.headers.iter().find(|(name, _)| name == "content-type");
        let media_type = media_type.map(|(_, value)| value.as_str());
        let (body, own_type, boundary) = body(spec.body.as_ref(), media_type, from)?;
        if let Some(own_type) = own_type.filter(|_| media_type.is_none()) {
            headers.push(("content-type".to_owned(), PlannedText::plain(own_type)));
        }
        let mut reported_headers = spec.compare_headers.clone();
        let captured = spec.captures.iter().filter_map(|capture| match &capture.from {
            CaptureSource::Json(_) => None,
            CaptureSource::Header(name) => Some(name.clone()),
            CaptureSource::Cookie(_) => Some("set-cookie".to_owned()),
        });
        for name in captured {
            if !reported_headers.contains(&name) {
                reported_headers.push(name);
            }
        }
        Ok(Self {
            method: spec.method.clone(),
            path: path(&spec.path, from)?,
            headers,
            body,
            boundary,
            compare_headers: spec.compare_headers.clone(),
            reported_headers,
            captures: spec.captures.iter().map(|it| (it.clone(), pointer(it))).collect(),
            status: spec.status,
            shown: format!("{} {}", spec.method, spec.path),
        })
    }

    /// The names of values that it uses.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let bodies = self.body.iter().filter_map(|piece| match piece {
            BodyPiece::Text(text) => Some(text),
            BodyPiece::Bytes(_) => None,
        });
        let headers = self.headers.iter().map(|(_, text)| text);
        [&self.path].into_iter().chain(headers).chain(bodies).flat_map(PlannedText::names)
    }

    /// The request with its values.
    ///
    /// # Errors
    ///
    /// A value that is not there, or that the place where it goes cannot carry.
    pub(super) fn filled(&self, values: &Values) -> Result<PreparedRequest, String> {
        let mut body = Vec::new();
        for piece in &self.body {
            match piece {
                BodyPiece::Bytes(bytes) => body.extend_from_slice(bytes),
                BodyPiece::Text(text) => {
                    let filled = text.filled(values)?;
                    if self.boundary.as_ref().is_some_and(|it| filled.contains(it)) {
                        return Err("a part has what stands between the parts".to_owned());
                    }
                    body.extend_from_slice(filled.as_bytes());
                }
            }
        }
        let path = self.path.filled(values)?;
        if let Some(problem) = crate::contract::path_problem(&path) {
            return Err(format!("the path with its values {problem}"));
        }
        let header = |(name, text): &(String, PlannedText)| {
            Ok((name.clone(), SecretValue::of(text.filled(values)?)))
        };
        Ok(PreparedRequest {
            method: self.method.clone(),
            path,
            headers: self.headers.iter().map(header).collect::<Result<_, String>>()?,
            body,
            compare_headers: self.reported_headers.clone(),
            setup: Vec::new(),
        })
    }

    /// Whether a header is reported because it is compared.
    pub(super) fn compares_header(&self, name: &str) -> bool {
        self.compare_headers.iter().any(|it| it == name)
    }

    /// Takes what the requests after this one use of its response. What else was found is taken too where
    /// something was not: what is secret in a response must be known to be left out.
    ///
    /// # Errors
    ///
    /// What was not found, or not once, or cannot be used.
    pub(super) fn capture(&self, answer: &Exchange, values: &mut Values) -> Result<(), String> {
        let has_pointer = self.captures.iter().any(|(_, pointer)| !pointer.is_empty());
        let json = has_pointer && is_json(&answer.body);
        let mut first = Ok(());
        for (spec, pointer) in &self.captures {
            match captured(spec, pointer, answer, json) {
                Ok(value) => values.capture(&spec.name, value),
                Err(problem) => first = first.and(Err(problem)),
            }
        }
        first
    }
}

/// The value that is captured here, of a body that is `json` or not.
fn captured(
    CaptureSpec { name, from }: &CaptureSpec,
    pointer: &IgnoredPointers,
    answer: &Exchange,
    json: bool,
) -> Result<String, String> {
    let found = match from {
        CaptureSource::Json(_) => {
            if !json {
                return Err(format!("`{name}` is captured of a body that is no JSON"));
            }
            let places = values_of_json(&answer.body, pointer);
            places.into_iter().map(|it| answer.body[it].to_vec()).collect::<Vec<_>>()
        }
        CaptureSource::Header(header) => {
            let named = answer.headers.iter().filter(|(name, _)| name == header);
            named.map(|(_, value)| value.clone()).collect()
        }
        CaptureSource::Cookie(cookie) => {
            let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
            set.filter_map(|(_, value)| cookie_value(value, cookie)).collect()
        }
    };
    let place = || {
        let place = match from {
            CaptureSource::Json(pointer) => format!("at `{pointer}` of the body"),
            CaptureSource::Header(header) => format!("in header `{header}`"),
            CaptureSource::Cookie(cookie) => format!("in cookie `{cookie}`"),
        };
        printable(place.as_bytes(), 200)
    };
    let raw = match found.as_slice() {
        [raw] => raw,
        [] => return Err(format!("`{name}` is not there: nothing {}", place())),
        several => {
            let number = several.len();
            return Err(format!("`{name}` is there {number} times {}, not once", place()));
        }
    };
    let value = if matches!(from, CaptureSource::Json(_)) {
        json_scalar(raw)
    } else {
        String::from_utf8(raw.clone()).map_err(|_| "is not UTF-8")
    };
    let value = value.map_err(|problem| format!("`{name}` {} {problem}", place()))?;
    if value.is_empty() || value.len() > VALUE_MAX {
        return Err(format!(
            "`{name}` {} is empty, or longer than the {VALUE_MAX} bytes of a path",
            place()
        ));
    }
    Ok(value)
}

fn pointer(capture: &CaptureSpec) -> IgnoredPointers {
    match &capture.from {
        CaptureSource::Json(pointer) => IgnoredPointers::new(std::slice::from_ref(pointer)),
        CaptureSource::Header(_) | CaptureSource::Cookie(_) => IgnoredPointers::default(),
    }
}

/// The text of a JSON text, or the characters of another plain value.
fn json_scalar(raw: &[u8]) -> Result<String, &'static str> {
    match raw.first() {
        Some(b'"') => serde_json::from_slice(raw).map_err(|_| "is half a character"),
        Some(b'{' | b'[' | b'n') | None => Err("is neither text nor number, `true` or `false`"),
        Some(_) => String::from_utf8(raw.to_vec()).map_err(|_| "is not UTF-8"),
    }
}

/// The value that a `set-cookie` header gives this cookie.
fn cookie_value(header: &[u8], cookie: &str) -> Option<Vec<u8>> {
    let pair = header.split(|byte| *byte == b';').next()?;
    let at = pair.iter().position(|byte| *byte == b'=')?;
    let named = pair[..at].trim_ascii() == cookie.as_bytes();
    named.then(|| pair[at + 1..].trim_ascii().to_vec())
}

/// A path: what stands behind the first `?` is encoded alike.
fn path(text: &str, from: &mut Materials<'_>) -> Result<PlannedText, PlanError> {
    let whole = matches!(pieces(text).first(), Some(Piece::Value(_)));
    let place = |before: &str| {
        if whole && before.is_empty() { Place::WholePath } else { Place::Url }
    };
    PlannedText::new(text, false, &place, from)
}

type PlannedBody = (Vec<BodyPiece>, Option<String>, Option<String>);

/// The body, its media type where that follows, and what stands between its parts.
fn body(
    spec: Option<&BodySpec>,
    media_type: Option<&str>,
    from: &mut Materials<'_>,
) -> Result<PlannedBody, PlanError> {
    match spec {
        None => Ok((Vec::new(), None, None)),
        Some(BodySpec::Text(text)) => {
            let kind = TextKind::of(media_type, text);
            let text = PlannedText::new(text, true, &|before| kind.place(before), from)?;
            Ok((vec![BodyPiece::Text(text)], None, None))
        }
        Some(BodySpec::File(file)) => {
            Ok((vec![BodyPiece::Bytes(read_input(file, from)?)], None, None))
        }
        Some(BodySpec::Form(fields)) => {
            let mut body = Vec::new();
            for (number, (name, value)) in fields.iter().enumerate() {
                let separator = if number == 0 { "" } else { "&" };
                let name = encoded(name, Place::Form).unwrap_or_default();
                body.push(BodyPiece::Bytes(format!("{separator}{name}=").into_bytes()));
                body.push(BodyPiece::Text(PlannedText::form_value(value, from)?));
            }
            Ok((body, Some("application/x-www-form-urlencoded".to_owned()), None))
        }
        Some(BodySpec::Multipart(parts)) => multipart(parts, from),
    }
}

/// Equal parts are sent as equal bytes: what stands between them follows from the contract.
fn multipart(parts: &[PartSpec], from: &mut Materials<'_>) -> Result<PlannedBody, PlanError> {
    let boundary = hex(&Sha256::digest(format!("{parts:?}")))[..32].to_owned();
    let mut body = Vec::new();
    for PartSpec { name, content, filename, content_type } in parts {
        let mut head = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"");
        if let Some(filename) = filename {
            head.push_str(&format!("; filename=\"{filename}\""));
        }
        if let Some(content_type) = content_type {
            head.push_str(&format!("\r\ncontent-type: {content_type}"));
        }
        head.push_str("\r\n\r\n");
        body.push(BodyPiece::Bytes(head.into_bytes()));
        body.push(match content {
            PartContent::Text(text) => {
                let media_type = content_type.as_deref().unwrap_or("text/plain");
                let kind = TextKind::of(Some(media_type), text);
                BodyPiece::Text(PlannedText::new(text, true, &|before| kind.place(before), from)?)
            }
            PartContent::File(file) => BodyPiece::Bytes(read_input(file, from)?),
        });
        body.push(BodyPiece::Bytes(b"\r\n".to_vec()));
    }
    body.push(BodyPiece::Bytes(format!("--{boundary}--\r\n").into_bytes()));
    let media_type = format!("multipart/form-data; boundary={boundary}");
    Ok((body, Some(media_type), Some(boundary)))
}
