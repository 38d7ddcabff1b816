//! Digests: SHA-256 over the RFC 8785 form of typed structs.
//!
//! What is hashed is always a typed struct, never a `serde_json::Value`, whose key order another
//! crate's features could change. A hash proves integrity, not authorship: whoever can edit a
//! passport can hash it again.

use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::canonical::canonical;
use crate::contract::ContractDocument;

/// A document that has no canonical form.
#[derive(Debug, Error)]
#[error("cannot write the document as JSON: {0}")]
pub struct HashError(#[from] serde_json::Error);

/// SHA-256 of the canonical form, in hexadecimal.
pub(super) fn digest(document: &impl Serialize) -> Result<String, HashError> {
    let mut sha = Sha256::new();
    canonical(document, |piece| sha.update(piece))?;
    Ok(crate::text::hex(&sha.finalize()))
}

/// The digest that identifies a contract: key order, comments and blanks do not count.
///
/// # Errors
///
/// [`HashError`] when a number of the document is not finite, which no parsed contract has.
pub fn contract_digest(document: &ContractDocument) -> Result<String, HashError> {
    digest(document)
}
