//! What the responses of a check were like, and how two of them differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::contradiction::{EvidenceError, holds, is_sha256};
use crate::{
    contract::{Check, CompareBody, RequestSpec},
    units::{Bytes, Count},
};

/// What the responses of a check were like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// The first response.
    pub response: Response,
    /// Responses seen.
    pub responses: Count,
    /// Responses that were equal to the first.
    pub responses_equal: Count,
    /// Responses without the expected status.
    pub status_mismatches: Count,
    /// The first status that was not expected.
    pub status_unexpected: Option<u16>,
    /// Responses without the expected media type.
    pub content_type_mismatches: Count,
    /// Responses with the expected media type, of JSON, whose body is none.
    pub not_json: Count,
    /// The first body as it crossed the wire, whatever the contract ignores.
    pub wire: WireBody,
    /// Responses that differ from the first in the bytes of their JSON alone: the order of keys, white
    /// space or escapes.
    pub unequal_in_bytes_alone: Count,
    /// Responses that differ from the first in compared headers alone.
    pub unequal_in_headers_alone: Count,
    /// The compared headers that some response has otherwise than the first.
    pub headers_unequal: BTreeSet<String>,
    /// Entries of `ignore` that met nothing in any response that was as expected; empty where none was.
    pub ignored_nothing: BTreeSet<String>,
}

/// A body as it crossed the wire; of a scenario, all of its bodies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WireBody {
    /// SHA-256 in hexadecimal; of a scenario, of the digests of its bodies, one a line.
    pub sha256: String,
    /// Size; of a scenario, of all its bodies.
    pub bytes: Bytes,
    /// Responses whose body has the same bytes as the first.
    pub responses_equal: Count,
}

/// One response, without what the contract ignores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The status; of a scenario, that of its first request.
    pub status: u16,
    /// The media type without parameters, printable ASCII; of a scenario, of its first request.
    pub content_type: Option<String>,
    /// SHA-256 in hexadecimal of the body as the contract compares it: of its bytes as they crossed the
    /// wire, or of its JSON form. Of a scenario, of all its statuses, media types and body digests in
    /// order.
    pub body_sha256: String,
    /// Size of the body as it is compared; of JSON that is compared as such, without white space. Of a
    /// scenario, of all its bodies.
    pub body_bytes: Bytes,
    /// SHA-256 of the JSON form; `null` where a body is no JSON. Of a scenario, of the digests of all its
    /// bodies.
    pub json_sha256: Option<String>,
    /// SHA-256 of each compared header that is there, by name; of `set-cookie`, of the names of the
    /// cookies. Of a scenario, of those of its requests.
    pub headers: BTreeMap<String, String>,
}

/// How two responses differ, as far as the contract compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseDifference {
    /// In the bytes of their JSON alone.
    BytesAlone,
    /// In compared headers alone.
    HeadersAlone,
    /// In status, media type or body, or in several of these ways.
    Work,
}

impl Response {
    /// How this response differs from another; `None` when it does not.
    pub fn difference(&self, other: &Self) -> Option<ResponseDifference> {
        if self == other {
            return None;
        }
        let headers_of_other = Self { headers: other.headers.clone(), ..self.clone() };
        if headers_of_other == *other {
            return Some(ResponseDifference::HeadersAlone);
        }
        let bytes_of_other = Self {
            body_sha256: other.body_sha256.clone(),
            body_bytes: other.body_bytes,
            ..self.clone()
        };
        let alone = self.json_sha256.is_some() && bytes_of_other == *other;
        Some(if alone { ResponseDifference::BytesAlone } else { ResponseDifference::Work })
    }
}

impl Behaviour {
    /// Whether each response was equal to the first.
    pub fn is_deterministic(&self) -> bool {
        self.responses_equal == self.responses
    }
}

impl Behaviour {
    pub(super) fn validate(&self, check: &Check) -> Result<(), EvidenceError> {
        let Some(first) = check.requests.first() else { return Ok(()) };
        holds(
            "behaviour.response.body_sha256",
            is_sha256(&self.response.body_sha256),
            "is not 64 lowercase hexadecimal digits",
        )?;
        // The first response is equal to itself.
        let equal = Count::new(1) <= self.responses_equal && self.responses_equal <= self.responses;
        holds("behaviour.responses_equal", equal, "is not between 1 and `responses`")?;
        let unexpected = self.status_unexpected;
        holds(
            "behaviour.status_unexpected",
            unexpected.is_some() == (self.status_mismatches > Count::ZERO)
                && unexpected.is_none_or(|it| check.requests.iter().any(|sent| sent.status != it)),
            "does not fit `status_mismatches` and the expected status",
        )?;
        let status_fits = self.response.status == first.status;
        holds(
            "behaviour.status_mismatches",
            self.can_mismatch(check, self.status_mismatches, status_fits)
                && (status_fits || unexpected == Some(self.response.status)),
            "does not fit the status of the first response and the number of equal ones",
        )?;
        let (expected, seen) = (&first.content_type, &self.response.content_type);
        let type_fits = expected.is_none() || expected == seen;
        let any_expected = check.requests.iter().any(|sent| sent.content_type.is_some());
        holds(
            "behaviour.content_type_mismatches",
            self.can_mismatch(check, self.content_type_mismatches, type_fits)
                && (any_expected || self.content_type_mismatches == Count::ZERO),
            "does not fit the media type of the first response and the number of equal ones",
        )?;
        let typed = self.responses.saturating_sub(self.content_type_mismatches);
        let due = check.requests.iter().any(RequestSpec::expects_json);
        holds(
            "behaviour.not_json",
            self.not_json == Count::ZERO || (due && self.not_json <= typed),
            "is above the responses that say, as expected, that they are JSON",
        )?;
        self.validate_comparison(check)
    }

    /// What is known of bytes, headers and ignored pointers.
    fn validate_comparison(&self, check: &Check) -> Result<(), EvidenceError> {
        let Response { json_sha256, headers, .. } = &self.response;
        let digest = json_sha256.as_ref().is_none_or(|it| is_sha256(it));
        holds("behaviour.response.json_sha256", digest, "is not 64 lowercase hexadecimal digits")?;
        let asked = |name: &String| {
            check.requests.iter().any(|request| request.compare_headers.contains(name))
        };
        let digests = headers.iter().all(|(name, digest)| asked(name) && is_sha256(digest));
        holds("behaviour.response.headers", digests, "are not digests of compared headers")?;
        let wire = &self.wire;
        holds("behaviour.wire.sha256", is_sha256(&wire.sha256), "is no SHA-256")?;
        let equal = Count::new(1) <= wire.responses_equal && wire.responses_equal <= self.responses;
        holds("behaviour.wire.responses_equal", equal, "is not between 1 and `responses`")?;
        if let ([request], false) = (check.requests.as_slice(), check.rows.is_some()) {
            let compared = (&self.response.body_sha256, self.response.body_bytes);
            let of_bytes = compared == (&wire.sha256, wire.bytes)
                && self.responses_equal <= wire.responses_equal;
            let by_bytes = request.compare_body == CompareBody::Bytes;
            holds("behaviour.wire", of_bytes || !by_bytes, "is not the body that is compared")?;
            let form = json_sha256.as_ref().unwrap_or(&wire.sha256);
            let of_form = compared.0 == form;
            holds(
                "behaviour.response.body_sha256",
                of_form || by_bytes,
                "is not that of the form",
            )?;
        }
        let unequal = self.responses.saturating_sub(self.responses_equal);
        let (bytes, headers) = (self.unequal_in_bytes_alone, self.unequal_in_headers_alone);
        let within = bytes.get().saturating_add(headers.get()) <= unequal.get();
        holds("behaviour.unequal_in_bytes_alone", within, "is above the unequal responses")?;
        let known = headers == Count::ZERO || !self.headers_unequal.is_empty();
        let known = known && (unequal > Count::ZERO || self.headers_unequal.is_empty());
        holds(
            "behaviour.headers_unequal",
            known && self.headers_unequal.iter().all(asked),
            "does not fit the unequal responses and the compared headers",
        )?;
        let ignored = |it: &String| check.requests.iter().any(|sent| sent.ignore.contains(it));
        let known = self.ignored_nothing.iter().all(ignored);
        holds("behaviour.ignored_nothing", known, "has what the check does not ignore")
    }

    /// Whether so many responses can be otherwise than expected, given whether the first one is as
    /// expected. Where one request is repeated, those that are equal to the first share its fate.
    fn can_mismatch(&self, check: &Check, mismatches: Count, first_fits: bool) -> bool {
        let alike =
            if check.has_several_responses() { Count::new(1) } else { self.responses_equal };
        if first_fits {
            mismatches <= self.responses.saturating_sub(alike)
        } else {
            alike <= mismatches && mismatches <= self.responses
        }
    }
}
