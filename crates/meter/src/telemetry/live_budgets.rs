//! [`LiveBudgets`]: the budgets of the contract that a running service knows.
//!
//! `passport monitor budgets` writes the file. A service has it in its binary by `include_str!`, so edges
//! and digest are those of the commit that it was built from.

use serde::Deserialize;

use super::edges::{BucketEdges, EDGES_MAX, Edge};
use crate::text::printable;

/// Bytes of a file that are read.
const LENGTH_MAX: usize = 1024 * 1024;
/// The format that is read.
const SCHEMA_VERSION: u64 = 1;
/// Characters of a service's name.
const SERVICE_LENGTH_MAX: usize = 200;

/// Why a file of budgets cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveBudgetsError {
    /// It is no JSON of this format.
    #[error(
        "cannot read the file of budgets: {}; write it again with `passport monitor budgets`",
        crate::text::escaped(&.0.to_string())
    )]
    Json(#[from] serde_json::Error),
    /// It is another version of the format, or too long.
    #[error("cannot use the file of budgets: {0}; write it again with `passport monitor budgets`")]
    Content(String),
}

/// The budgets that a running service knows: the digest that names them, and the edges of its
/// histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveBudgets {
    /// The name of the service.
    pub service: String,
    /// 64 hexadecimal digits that name budgets and objectives.
    pub digest: String,
    /// Each latency budget, half of it and twice.
    pub edges: BucketEdges,
}

#[derive(Deserialize)]
struct Document {
    schema_version: u64,
    service: String,
    budgets: String,
    edges_seconds: Vec<String>,
}

impl LiveBudgets {
    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// [`LiveBudgetsError`] where it is no such file. The digest is not computed again.
    pub fn parse(text: &str) -> Result<Self, LiveBudgetsError> {
        let refused = |why: String| Err(LiveBudgetsError::Content(why));
        if text.len() > LENGTH_MAX {
            return refused(format!("it has more than {LENGTH_MAX} bytes"));
        }
        let document: Document = serde_json::from_str(text)?;
        if document.schema_version != SCHEMA_VERSION {
            let version = document.schema_version;
            return refused(format!("`schema_version` is {version} and not {SCHEMA_VERSION}"));
        }
        if document.service.is_empty() || document.service.len() > SERVICE_LENGTH_MAX {
            return refused(format!("`service` has not 1 to {SERVICE_LENGTH_MAX} bytes"));
        }
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if document.budgets.len() != 64 || !document.budgets.bytes().all(digit) {
            return refused("`budgets` has not 64 hexadecimal digits".to_owned());
        }
        if document.edges_seconds.len() > EDGES_MAX {
            return refused(format!("`edges_seconds` has more than {EDGES_MAX} edges"));
        }
        let mut edges: Vec<Edge> = Vec::with_capacity(document.edges_seconds.len());
        for text in &document.edges_seconds {
            let Some(edge) = edge(text) else {
                let shown = printable(text.as_bytes(), 40);
                return refused(format!(
                    "the edge `{shown}` is no number of seconds to half a nanosecond"
                ));
            };
            if edges.last().is_some_and(|before| *before >= edge) {
                return refused(format!("the edge `{text}` is not above the one before"));
            }
            edges.push(edge);
        }
        let edges = BucketEdges::of_edges(edges);
        Ok(Self { service: document.service, digest: document.budgets, edges })
    }
}

/// A positive decimal number of seconds, below a million, to half a nanosecond.
fn edge(text: &str) -> Option<Edge> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(whole, 6) || !digits(rest, 10) {
        return None;
    }
    let rest = format!("{rest:0<10}");
    let and_a_half = match rest.as_bytes().last() {
        Some(b'0') => false,
        Some(b'5') => true,
        _ => return None,
    };
    let (seconds, nanos): (u64, u64) = (whole.parse().ok()?, rest[..9].parse().ok()?);
    let edge = Edge { value: seconds * 1_000_000_000 + nanos, and_a_half };
    (edge > Edge { value: 0, and_a_half: false }).then_some(edge)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(change: (&str, &str)) -> String {
        let text = r#"{"schema_version":1,"service":"ledger","budgets":"DIGEST","edges_seconds":["0.005","0.01","1"],"objectives":{}}"#;
        text.replace(change.0, change.1).replace("DIGEST", &"0f".repeat(32))
    }

    #[test]
    fn a_file_gives_edges_and_digest() {
        let budgets = LiveBudgets::parse(&file(("", ""))).unwrap();
        assert_eq!(budgets.service, "ledger");
        assert_eq!(budgets.digest, "0f".repeat(32));
        assert_eq!(budgets.edges.texts(), ["0.005", "0.01", "1"]);
        let odd = LiveBudgets::parse(&file(("0.01", "0.0061728395"))).unwrap();
        assert_eq!(odd.edges.texts(), ["0.005", "0.0061728395", "1"]);
    }

    #[test]
    fn rubbish_is_refused_with_a_sentence() {
        let said = |text: &str| LiveBudgets::parse(text).unwrap_err().to_string();
        for (change, expected) in [
            (("\"schema_version\":1", "\"schema_version\":2"), "`schema_version` is 2 and not 1"),
            (("DIGEST", "0F"), "`budgets` has not 64 hexadecimal digits"),
            (("\"ledger\"", "\"\""), "`service` has not 1 to 200 bytes"),
            (("0.01", "0.005"), "the edge `0.005` is not above the one before"),
            (("0.01", "-0.01"), "the edge `-0.01` is no number of seconds"),
            (("0.01", "1e-2"), "the edge `1e-2` is no number"),
            (("0.01", ""), "the edge `` is no number"),
            (("\"0.005\"", "\"0\""), "the edge `0` is no number"),
            (("0.01", "0.0000000001"), "the edge `0.0000000001` is no number"),
            (("0.01", "\u{663}\\u001b"), "the edge `\\xd9\\xa3\\x1b` is no number"),
            (("[\"0.005\"", "[0.005"), "expected a string"),
            (("\"budgets\"", "\"digest\""), "missing field `budgets`"),
        ] {
            let said = said(&file(change));
            assert!(said.contains(expected) && said.contains("passport monitor budgets"), "{said}");
            assert!(said.is_ascii(), "{said}");
        }
        for text in ["", "no", "[]", "null"] {
            assert!(said(text).starts_with("cannot read the file of budgets: "), "{text}");
        }
        assert!(said(&" ".repeat(LENGTH_MAX + 1)).contains("more than 1048576 bytes"));
        let many = (1..=201).map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(",");
        let many = file(("\"0.005\",\"0.01\",\"1\"", &many));
        assert!(said(&many).contains("more than 200 edges"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = LiveBudgets::parse(&text);
            edge(&text);
        }
    }
}
