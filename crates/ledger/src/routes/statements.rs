//! `GET /statements`: one statement by `hash`, or a page by `limit` and `offset`.

use std::ops::RangeInclusive;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};

use super::super::{
    LedgerState,
    error::{ApiError, json, json_bytes},
    formula::InWords,
    hash::Hash,
    statements::{self, Page},
    timestamp::Timestamp,
};

const LIMIT_DEFAULT: u64 = 20;
const LIMIT_MAX: u64 = 1000;

/// The query as text: a parameter that does not parse is answered by its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Asked {
    hash: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
}

#[derive(Serialize)]
struct ShownStatement<'a> {
    hash: &'a str,
    text: &'a str,
    normalized_text: &'a str,
    display: InWords<'a>,
    depth: u64,
    block_number: u64,
    proofs: Vec<ShownProof<'a>>,
    parents: Vec<ShownParent<'a>>,
}

#[derive(Serialize)]
struct ShownProof<'a> {
    method: &'a str,
    status: &'static str,
    created_at: Timestamp,
}

#[derive(Serialize)]
struct ShownParent<'a> {
    hash: &'a str,
    display: InWords<'a>,
}

pub(in super::super) async fn statements(
    State(state): State<LedgerState>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(asked) = asked.map_err(|rejection| ApiError::bad_query(rejection.body_text()))?;
    if let Some(hash) = &asked.hash {
        if asked.limit.is_some() || asked.offset.is_some() {
            let message = "`hash` asks for one statement and goes without `limit` and `offset`";
            return Err(ApiError::bad_query(message));
        }
        return one(&state, hash).await;
    }
    let limit = number("limit", asked.limit.as_deref(), 1..=LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let offset = number("offset", asked.offset.as_deref(), 0..=u64::MAX)?.unwrap_or(0);
    let page = statements::page_json(state.database(), Page { limit, offset }).await?;
    Ok(json_bytes(StatusCode::OK, page))
}

async fn one(state: &LedgerState, hash: &str) -> Result<Response, ApiError> {
    let hash: Hash = hash.parse().map_err(|_| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_hash",
            "`hash` must be 64 lowercase hexadecimal digits",
        )
    })?;
    let found = statements::find(state.database(), &hash).await?;
    let Some(found) = found else {
        return Err(ApiError::not_found("unknown_statement", "no statement has this hash"));
    };
    let proofs = found.proofs.iter().map(|proof| ShownProof {
        method: &proof.method,
        status: if proof.success { "success" } else { "failure" },
        created_at: proof.created_at,
    });
    let parents = found
        .parents
        .iter()
        .map(|parent| ShownParent { hash: parent.hash.as_str(), display: InWords(&parent.text) });
    let body = ShownStatement {
        hash: hash.as_str(),
        text: &found.text,
        normalized_text: &found.normalized_text,
        display: InWords(&found.text),
        depth: found.depth,
        block_number: found.block_number,
        proofs: proofs.collect(),
        parents: parents.collect(),
    };
    Ok(json(StatusCode::OK, &body, 1024))
}

/// The number a parameter spells in digits, where it is there.
fn number(
    name: &str,
    text: Option<&str>,
    range: RangeInclusive<u64>,
) -> Result<Option<u64>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    // A plus sign would parse too.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::bad_query(format!("`{name}` must be a whole number, in digits")));
    }
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.map(Some).ok_or_else(|| {
        let (least, most) = range.into_inner();
        ApiError::out_of_range(format!("`{name}` must be from {least} to {most}"))
    })
}
