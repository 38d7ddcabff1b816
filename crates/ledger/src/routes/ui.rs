//! `GET /ui`: the ledger as a page for a person.
//!
//! No clock is shown, so equal rows give equal bytes.

use axum::{extract::State, http::StatusCode, response::Response};
use maud::html;

use super::{
    super::{LedgerState, error::ApiError, formula::InWords, queries, statements},
    page,
};

const BLOCKS_SHOWN: u32 = 10;
const STATEMENTS_SHOWN: u32 = 20;

pub(in super::super) async fn page_for_people(
    State(state): State<LedgerState>,
) -> Result<Response, ApiError> {
    let database = state.database();
    let (totals, organism) = queries::totals(database).await?;
    let blocks = queries::latest_blocks(database, BLOCKS_SHOWN).await?;
    let statements = statements::latest(database, STATEMENTS_SHOWN).await?;
    let figures = [
        ("blocks", totals.blocks),
        ("statements", totals.statements),
        ("deepest statement", totals.max_depth),
        ("proofs", totals.proofs),
        ("proofs that succeeded", totals.proofs_success),
        ("jobs that wait", totals.queue_length),
        ("organism runs", organism.map_or(0, |organism| organism.runs)),
    ];
    let body = html! {
        h1 { "Ledger" }
        dl {
            @for (name, figure) in figures {
                div { dt { (name) } dd { (grouped(figure)) } }
            }
        }
        h2 { "Latest blocks" }
        @if blocks.is_empty() { p { "There are no blocks yet." } } @else {
            table {
                thead { tr { th { "block" } th { "created" } th { "statements" } th { "Merkle root" } } }
                tbody {
                    @for block in &blocks {
                        tr {
                            td { (block.number) }
                            td { (block.created_at) }
                            td.n { (block.statement_count) }
                            td { code { (block.merkle_root) } }
                        }
                    }
                }
            }
        }
        h2 { "Recent statements" }
        @if statements.is_empty() { p { "There are no statements yet." } } @else {
            table {
                thead { tr { th { "statement" } th { "hash" } } }
                tbody {
                    @for (hash, text) in &statements {
                        tr {
                            td title=(text) { (InWords(text)) }
                            td { a href={ "/statements?hash=" (hash) } { code { (hash) } } }
                        }
                    }
                }
            }
        }
    };
    Ok(page(StatusCode::OK, "Ledger", &body))
}

/// A number with a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
