//! `GET /statements`: one statement by `hash`, or a page by `limit` and `offset`.

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
struct Statement<'a> {
    hash: &'a str,
    text: &'a str,
    normalized_text: &'a str,
    display: InWords<'a>,
    depth: u64,
    block_number: u64,
    proofs: Vec<Proof<'a>>,
    parents: Vec<Parent<'a>>,
}

#[derive(Serialize)]
struct Proof<'a> {
    method: &'a str,
    status: &'static str,
    created_at: Timestamp,
}

#[derive(Serialize)]
struct Parent<'a> {
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
    let limit = number(asked.limit.as_deref(), LIMIT_DEFAULT)
        .filter(|limit| (1..=LIMIT_MAX).contains(limit))
        .ok_or_else(|| ApiError::bad_query("`limit` must be a whole number from 1 to 1000"))?;
    let offset = number(asked.offset.as_deref(), 0)
        .ok_or_else(|| ApiError::bad_query("`offset` must be a whole number, 0 or more"))?;
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
    let proofs = found.proofs.iter().map(|proof| Proof {
        method: &proof.method,
        status: if proof.success { "success" } else { "failure" },
        created_at: proof.created_at,
    });
    let parents = found
        .parents
        .iter()
        .map(|parent| Parent { hash: parent.hash.as_str(), display: InWords(&parent.text) });
    let body = Statement {
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

/// The number a parameter spells in digits, or the default where it is absent.
fn number(text: Option<&str>, default: u64) -> Option<u64> {
    match text {
        None => Some(default),
        // A plus sign would parse too.
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Some(_) => None,
    }
}
