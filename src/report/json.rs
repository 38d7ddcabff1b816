//! The document itself, for other programs.

use super::{Document, Report, Style};
use crate::passport::HashError;

/// The document and a line end; of everything else in a report, the document has the evidence.
pub(super) fn render(report: &Report<'_>, _: Style) -> Result<String, HashError> {
    match &report.document {
        Document::Passport(passport) => {
            Ok(String::from_utf8_lossy(&passport.to_bytes()?).into_owned())
        }
        Document::Json(text) => Ok(format!("{}\n", text.trim_end())),
    }
}
