//! The body of a request: a text, a file, a form, or several parts.

use std::collections::BTreeMap;

use super::{ContractError, PartDocument, compared::is_header_name, placeholder, rows::check_file};

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodySpec {
    /// A text.
    Text(String),
    /// A file relative to the contract, sent as it is.
    File(String),
    /// Fields of a form, by name.
    Form(Vec<(String, String)>),
    /// Parts of the type `multipart/form-data`.
    Multipart(Vec<PartSpec>),
}

/// One part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSpec {
    /// The name of the field.
    pub name: String,
    /// What is sent: a text or a file, and no other body.
    pub content: PartContent,
    /// The name that the service is told of the file.
    pub filename: Option<String>,
    /// Its media type.
    pub content_type: Option<String>,
}

/// What a part is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartContent {
    /// A text.
    Text(String),
    /// A file relative to the contract.
    File(String),
}

impl BodySpec {
    /// The texts of it in which names can stand.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::File(_) => Vec::new(),
            Self::Form(fields) => fields.iter().map(|(_, value)| value.as_str()).collect(),
            Self::Multipart(parts) => parts.iter().filter_map(PartSpec::text).collect(),
        }
    }

    /// The files that it is made of.
    pub fn files(&self) -> Vec<&str> {
        match self {
            Self::Text(_) | Self::Form(_) => Vec::new(),
            Self::File(file) => vec![file],
            Self::Multipart(parts) => parts
                .iter()
                .filter_map(|part| match &part.content {
                    PartContent::File(file) => Some(file.as_str()),
                    PartContent::Text(_) => None,
                })
                .collect(),
        }
    }
}

impl PartSpec {
    fn text(&self) -> Option<&str> {
        match &self.content {
            PartContent::Text(text) => Some(text),
            PartContent::File(_) => None,
        }
    }
}

/// The four keys of a body, of which one can be there.
#[derive(Debug, Clone, Default)]
pub(super) struct WrittenBody {
    pub(super) text: Option<String>,
    pub(super) file: Option<String>,
    pub(super) form: Option<BTreeMap<String, String>>,
    pub(super) multipart: Option<Vec<PartDocument>>,
}

impl WrittenBody {
    pub(super) fn is_empty(&self) -> bool {
        let Self { text, file, form, multipart } = self;
        text.is_none() && file.is_none() && form.is_none() && multipart.is_none()
    }
}

/// The body of a request. Errors are within the table that has it; variables are filled into bodies of
/// requests with values alone.
pub(super) fn body(
    check: &str,
    written: WrittenBody,
    has_values: bool,
) -> Result<Option<BodySpec>, ContractError> {
    let WrittenBody { text, file, form, multipart } = written;
    let given = [
        ("body", text.is_some()),
        ("body_file", file.is_some()),
        ("form", form.is_some()),
        ("multipart", multipart.is_some()),
    ];
    let mut given = given.into_iter().filter(|(_, is_there)| *is_there).map(|(key, _)| key);
    let Some(key) = given.next() else { return Ok(None) };
    if let Some(other) = given.next() {
        let message = format!("check `{check}` has `{key}` and `{other}`: a request has one body");
        return Err(ContractError::meaning(other, message));
    }
    let spec = if let Some(text) = text {
        BodySpec::Text(text)
    } else if let Some(file) = file {
        check_file(key, &file)?;
        BodySpec::File(file)
    } else if let Some(form) = form {
        BodySpec::Form(form.into_iter().collect())
    } else {
        let parts = multipart.unwrap_or_default();
        if parts.is_empty() {
            let message = format!("check `{check}` has a `multipart` without parts");
            return Err(ContractError::meaning(key, message));
        }
        let parts = parts.into_iter().enumerate();
        let parts = parts.map(|(place, it)| part(it).map_err(|error| error.within(key, place)));
        BodySpec::Multipart(parts.collect::<Result<_, _>>()?)
    };
    let has_variable = |text: &str| {
        let is_variable = |it: &_| matches!(it, placeholder::Piece::Variable(_));
        text.contains("${") || placeholder::pieces(text).iter().any(is_variable)
    };
    if !has_values && spec.texts().into_iter().any(has_variable) {
        let message = format!(
            "check `{check}` has `${{` in its body: variables are filled into headers alone, but for \
             the bodies of a [[flow]] and of checks with `rows`"
        );
        return Err(ContractError::meaning(key, message));
    }
    Ok(Some(spec))
}

fn part(written: PartDocument) -> Result<PartSpec, ContractError> {
    let PartDocument { name, value, file, filename, content_type } = written;
    let plain =
        |text: &str| text.chars().all(|c| (' '..='~').contains(&c) && c != '"' && c != '\\');
    for (key, text) in [("name", Some(&name)), ("filename", filename.as_ref())] {
        if text.is_some_and(|it| it.is_empty() || !plain(it)) {
            let message = format!("the {key} of a part is printable ASCII without `\"` and `\\`");
            return Err(ContractError::meaning(key, message));
        }
    }
    let is_type =
        |it: &String| it.split_once('/').is_some_and(|(a, _)| is_header_name(a) && plain(it));
    if content_type.as_ref().is_some_and(|it| !is_type(it)) {
        let message = "the media type of a part is such as `image/png`";
        return Err(ContractError::meaning("content_type", message));
    }
    let content = match (value, file) {
        (Some(text), None) => PartContent::Text(text),
        (None, Some(file)) => {
            check_file("file", &file)?;
            PartContent::File(file)
        }
        _ => {
            let message = format!("part `{name}` has either a `value` or a `file`");
            return Err(ContractError::meaning("name", message));
        }
    };
    Ok(PartSpec { name, content, filename, content_type })
}
