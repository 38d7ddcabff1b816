//! A request with places for values: made ready once, and filled for each run.

use std::{
    collections::BTreeMap,
    io::Read,
    path::Path,
};

use sha2::{Digest, Sha256};

use super::{
    pointed::values_at,
    request::PreparedRequest,
    values::{Place, VALUE_MAX, Values, encoded},
};
use crate::{
    contract::{
        BodySpec, CaptureSource, CaptureSpec, PartContent, PartSpec, Piece, RequestSpec,
        SecretValue, pieces,
    },
    files,
    text::{hex, printable},
    units::{BYTES_PER_MB, Bytes},
};

use super::exchange::Exchange;

/// The largest file that is sent.
const BODY_MAX: Bytes = Bytes::new(256 * BYTES_PER_MB);

/// Why a request cannot be made ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// This variable is not set, or not to what can be sent.
    Variable(String),
    /// What is wrong with a file.
    Input(String),
}

/// What requests are made of.
pub(super) struct Materials<'a> {
    pub(super) directory: &'a Path,
    pub(super) lookup: &'a dyn Fn(&str) -> Option<String>,
    /// Whether names in braces stand for values.
    pub(super) has_values: bool,
    /// Files that were read, with their SHA-256.
    pub(super) inputs: BTreeMap<String, String>,
    /// Variables that were filled in, with their values.
    pub(super) secrets: Vec<(String, String)>,
}

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
    captures: Vec<CaptureSpec>,
    pub(super) status: u16,
    /// Method and path as the contract has them: no value is shown.
    pub(super) shown: String,
}

#[derive(Debug)]
enum BodyPiece {
    Bytes(Vec<u8>),
    Text(PlannedText),
}

/// A text with places for values. What stands between is encoded already.
#[derive(Default)]
struct PlannedText(Vec<TextPart>);

enum TextPart {
    Text(String),
    Value(String, Place),
}

/// Variables may be secrets.
impl std::fmt::Debug for PlannedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlannedText(..)")
    }
}

impl PlannedRequest {
    pub(super) fn new(spec: &RequestSpec, from: &mut Materials<'_>) -> Result<Self, PlanError> {
        let mut headers = Vec::new();
        for (name, template) in &spec.headers {
            let place = if name == "cookie" { Place::Cookie } else { Place::Header };
            headers.push((name.clone(), PlannedText::new(template.as_str(), true, &|_| place, from)?));
        }
        let media_type = spec.headers.iter().find(|(name, _)| name == "content-type");
        let media_type = media_type.map(|(_, value)| value.as_str());
        let (body, own_type, boundary) = body(spec.body.as_ref(), media_type, from)?;
        if let Some(own_type) = own_type.filter(|_| media_type.is_none()) {
            let text = PlannedText(vec![TextPart::Text(own_type)]);
            headers.push(("content-type".to_owned(), text));
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
            captures: spec.captures.clone(),
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

    /// Takes what the requests after this one use of its response.
    ///
    /// # Errors
    ///
    /// What was not found, or not once, or cannot be used.
    pub(super) fn capture(&self, answer: &Exchange, values: &mut Values) -> Result<(), String> {
        for CaptureSpec { name, from } in &self.captures {
            let found = match from {
                CaptureSource::Json(pointer) => {
                    let pointers = std::slice::from_ref(pointer);
                    let places = values_at(&answer.body, pointers)
                        .ok_or_else(|| format!("`{name}` is captured of a body that is no JSON"))?;
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
            let place = match from {
                CaptureSource::Json(pointer) => format!("at `{pointer}` of the body"),
                CaptureSource::Header(header) => format!("in header `{header}`"),
                CaptureSource::Cookie(cookie) => format!("in cookie `{cookie}`"),
            };
            let place = printable(place.as_bytes(), 200);
            let raw = match found.as_slice() {
                [raw] => raw,
                [] => return Err(format!("`{name}` is not there: nothing {place}")),
                several => {
                    let number = several.len();
                    return Err(format!("`{name}` is there {number} times {place}, not once"));
                }
            };
            let value = if matches!(from, CaptureSource::Json(_)) {
                json_scalar(raw)
            } else {
                String::from_utf8(raw.clone()).map_err(|_| "is not UTF-8")
            };
            let value = value.map_err(|problem| format!("`{name}` {place} {problem}"))?;
            if value.is_empty() || value.len() > VALUE_MAX {
                return Err(format!(
                    "`{name}` {place} is empty, or longer than the {VALUE_MAX} bytes of a path"
                ));
            }
            values.capture(name, value);
        }
        Ok(())
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
                let kind = TextKind::of(content_type.as_deref(), text);
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

/// A file that is sent as it is.
fn read_input(name: &str, from: &mut Materials<'_>) -> Result<Vec<u8>, PlanError> {
    let refused = |problem: String| {
        let name = printable(name.as_bytes(), 200);
        PlanError::Input(format!("cannot send `{name}`: {problem}"))
    };
    let path = from.directory.join(name);
    let found = std::fs::metadata(&path).map_err(|error| refused(error.to_string()))?;
    if !found.is_file() {
        return Err(refused("it is a directory, a FIFO or a device, and no file".to_owned()));
    }
    let bytes = files::read(&path, BODY_MAX).map_err(|error| refused(error.to_string()))?;
    from.inputs.insert(name.to_owned(), hex(&Sha256::digest(&bytes)));
    Ok(bytes)
}

/// The SHA-256 of a file of a contract, which is read as a stream; `None` where it cannot be read.
pub fn input_digest(directory: &Path, name: &str) -> Option<String> {
    let path = directory.join(name);
    if !std::fs::metadata(&path).ok()?.is_file() {
        return None;
    }
    let mut file = std::fs::File::open(path).ok()?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(hex(&digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

/// What kind of text a body is, which says how values are written in it.
#[derive(Clone, Copy)]
enum TextKind {
    Json,
    Form,
    Markup,
    Plain,
}

impl TextKind {
    fn of(media_type: Option<&str>, text: &str) -> Self {
        let media_type = media_type.map(|it| it.split(';').next().unwrap_or(it).trim());
        match media_type.map(str::to_ascii_lowercase).as_deref() {
            Some("application/x-www-form-urlencoded") => Self::Form,
            Some(json) if json == "application/json" || json.ends_with("+json") => Self::Json,
            Some(markup) if markup.ends_with("xml") || markup == "text/html" => Self::Markup,
            None if text.trim_start().starts_with(['{', '[']) => Self::Json,
            _ => Self::Plain,
        }
    }

    /// Where a value stands that this text is before.
    fn place(self, before: &str) -> Place {
        match self {
            Self::Json if is_in_json_text(before) => Place::JsonText,
            Self::Json => Place::JsonValue,
            Self::Form => Place::Form,
            Self::Markup => Place::Markup,
            Self::Plain => Place::Text,
        }
    }
}

/// Whether a quotation mark is open at the end of this JSON.
fn is_in_json_text(before: &str) -> bool {
    let (mut inside, mut escaped) = (false, false);
    for byte in before.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
    }
    inside
}

impl PlannedText {
    /// Reads a text; `place` says where a value stands by what is before it in the text. Variables are
    /// filled in where there can be any.
    fn new(
        text: &str,
        with_variables: bool,
        place: &dyn Fn(&str) -> Place,
        from: &mut Materials<'_>,
    ) -> Result<Self, PlanError> {
        let (mut parts, mut before) = (Vec::new(), String::new());
        let read = if from.has_values { pieces(text) } else { only_variables(text, with_variables) };
        for piece in read {
            match piece {
                Piece::Text(text) => {
                    before.push_str(&text);
                    parts.push(TextPart::Text(text));
                }
                Piece::Variable(name) => {
                    let filled = variable(&name, place(&before), from)?;
                    // It changes nothing of where what follows stands.
                    before.push('x');
                    parts.push(TextPart::Text(filled));
                }
                Piece::Value(name) => {
                    parts.push(TextPart::Value(name, place(&before)));
                    before.push('x');
                }
            }
        }
        Ok(Self(parts))
    }

    /// The value of a field: what stands between values is encoded as they are.
    fn form_value(text: &str, from: &mut Materials<'_>) -> Result<Self, PlanError> {
        let Self(mut parts) = Self::new(text, true, &|_| Place::Form, from)?;
        let variables: Vec<bool> = match from.has_values {
            true => pieces(text).iter().map(|it| matches!(it, Piece::Variable(_))).collect(),
            false => vec![false; parts.len()],
        };
        for (part, is_variable) in parts.iter_mut().zip(variables) {
            if let TextPart::Text(text) = part
                && !is_variable
            {
                *text = encoded(text, Place::Form).unwrap_or_default();
            }
        }
        Ok(Self(parts))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            TextPart::Value(name, _) => Some(name.as_str()),
            TextPart::Text(_) => None,
        })
    }

    fn filled(&self, values: &Values) -> Result<String, String> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                TextPart::Text(text) => filled.push_str(text),
                TextPart::Value(name, place) => {
                    let value = values.get(name);
                    let value = value.ok_or_else(|| format!("there is no value for `{{{name}}}`"))?;
                    let encoded = encoded(value, *place);
                    filled.push_str(
                        &encoded.map_err(|problem| format!("the value of `{{{name}}}` {problem}"))?,
                    );
                }
            }
        }
        Ok(filled)
    }
}

/// The text where braces are braces.
fn only_variables(text: &str, with_variables: bool) -> Vec<Piece> {
    if !with_variables {
        return vec![Piece::Text(text.to_owned())];
    }
    let (mut read, mut rest) = (Vec::new(), text);
    while let Some((before, name, after)) = crate::contract::next_variable(rest) {
        read.push(Piece::Text(before.to_owned()));
        read.push(Piece::Variable(name.to_owned()));
        rest = after;
    }
    read.push(Piece::Text(rest.to_owned()));
    read
}

/// The value of a variable as it is written at this place.
fn variable(name: &str, place: Place, from: &mut Materials<'_>) -> Result<String, PlanError> {
    let missing = || PlanError::Variable(name.to_owned());
    let value = (from.lookup)(name).ok_or_else(missing)?;
    // What was given to a header is sent as it is, but for what none can carry.
    let filled = match place {
        Place::Header | Place::Cookie if value.contains(char::is_control) => Err(missing()),
        Place::Header | Place::Cookie => Ok(value.clone()),
        place => encoded(&value, place).map_err(|_| missing()),
    };
    from.secrets.push((name.to_owned(), value));
    filled
}
