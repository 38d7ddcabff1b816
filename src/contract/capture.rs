//! Values that are taken from a response, for the requests after it.

use std::collections::BTreeMap;

use super::{
    CaptureDocument, ContractError,
    compared::{check_pointers, is_header_name},
    placeholder::is_name,
};

/// A value that is taken from a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureSpec {
    /// The name by which later requests use it.
    pub name: String,
    /// Where it is.
    pub from: CaptureSource,
}

/// Where in a response a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureSource {
    /// At this pointer in the body.
    Json(String),
    /// In the header of this name, in lowercase.
    Header(String),
    /// In the cookie of this name.
    Cookie(String),
}

/// The captures of a request. Errors are within the table that has them.
pub(super) fn captures(
    written: Option<&BTreeMap<String, CaptureDocument>>,
) -> Result<Vec<CaptureSpec>, ContractError> {
    let one = |(name, from): (&String, &CaptureDocument)| {
        let refused =
            |message: String| Err(ContractError::meaning(name, message).inside("capture"));
        if !is_name(name) {
            return refused(format!(
                "`{}` is not the name of a value: 1 to 64 letters, digits and `_`, no digit first",
                name.escape_default()
            ));
        }
        let from = match (&from.json, &from.header, &from.cookie) {
            (Some(pointer), None, None) => {
                if let Err(error) = check_pointers(std::slice::from_ref(pointer)) {
                    return refused(error.message().to_owned());
                }
                CaptureSource::Json(pointer.clone())
            }
            (None, Some(header), None) if is_header_name(header) => {
                CaptureSource::Header(header.to_ascii_lowercase())
            }
            (None, None, Some(cookie)) if is_header_name(cookie) => {
                CaptureSource::Cookie(cookie.clone())
            }
            (None, Some(other), None) | (None, None, Some(other)) => {
                return refused(format!(
                    "`{}` is not the name of a header or cookie",
                    other.escape_default()
                ));
            }
            _ => {
                return refused(format!(
                    "`{name}` is captured from one place: write `json`, `header` or `cookie`"
                ));
            }
        };
        Ok(CaptureSpec { name: name.clone(), from })
    };
    written.into_iter().flatten().map(one).collect()
}
