//! `GET /blocks/latest`: the newest block.

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;

use super::super::{
    LedgerState,
    error::{ApiError, json},
    queries,
    timestamp::Timestamp,
};

#[derive(Serialize)]
struct Latest<'a> {
    block_number: u64,
    merkle_root: &'a str,
    created_at: Timestamp,
    header: Header<'a>,
}

#[derive(Serialize)]
struct Header<'a> {
    block_number: u64,
    merkle_root: &'a str,
    previous_merkle_root: &'a str,
    statement_count: u64,
    created_at: Timestamp,
}

pub(in super::super) async fn latest(
    State(state): State<LedgerState>,
) -> Result<Response, ApiError> {
    let blocks = queries::latest_blocks(state.database(), 1).await?;
    let Some(block) = blocks.first() else {
        return Err(ApiError::not_found("no_blocks", "the ledger has no blocks yet"));
    };
    let merkle_root = block.merkle_root.as_str();
    let body = Latest {
        block_number: block.number,
        merkle_root,
        created_at: block.created_at,
        header: Header {
            block_number: block.number,
            merkle_root,
            previous_merkle_root: block.previous_root.as_str(),
            statement_count: block.statement_count,
            created_at: block.created_at,
        },
    };
    Ok(json(StatusCode::OK, &body, 512))
}
