//! A service that mostly waits for memory: it looks records up and answers with a digest of them, as
//! replicas ask for when they compare themselves.
//!
//! Each request looks for other records than the one before, so that no cache gets to know them. So
//! `digest` differs from answer to answer; how many were found does not. One in eight of what is
//! looked for by id or key is not there.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

use super::tables::{RECORDS, Record, Tables, id_of, key_of};

/// Records of one request, at most.
const COUNT_MAX: u32 = 10_000;

/// Bytes of a record's line: whole words.
const LINE: usize = 56;

/// What all requests share.
struct Shared {
    tables: Tables,
    /// Requests so far.
    asked: AtomicU64,
}

/// The service, with tables of its own.
pub(crate) fn router() -> Router {
    let shared = Shared { tables: Tables::new(), asked: AtomicU64::new(0) };
    Router::new()
        .route("/records/by-number/{count}", get(by_number))
        .route("/records/by-id/{count}", get(by_id))
        .route("/records/by-key/{count}", get(by_key))
        .route("/records/by-rank/{count}", get(by_rank))
        .route("/records/in-order/{count}", get(in_order))
        .route("/records/around/{count}", get(around))
        .route("/records/of/{row}", get(of))
        .with_state(Arc::new(shared))
}

type Store = State<Arc<Shared>>;

/// Rows of an array: whose place is known is not waited for in turn.
async fn by_number(State(shared): Store, Path(count): Path<u32>) -> Response {
    answer(&shared, count, |answer, picks| {
        for number in picks {
            answer.add(Some(shared.tables.by_number(number)), true);
        }
    })
}

async fn by_id(State(shared): Store, Path(count): Path<u32>) -> Response {
    answer(&shared, count, |answer, picks| {
        for (index, number) in picks.enumerate() {
            let exists = index % 8 != 7;
            answer.add(shared.tables.by_id(id_of(number, exists)), exists);
        }
    })
}

async fn by_key(State(shared): Store, Path(count): Path<u32>) -> Response {
    answer(&shared, count, |answer, picks| {
        for (index, number) in picks.enumerate() {
            let exists = index % 8 != 7;
            answer.add(shared.tables.by_key(key_of(number, exists)), exists);
        }
    })
}

async fn by_rank(State(shared): Store, Path(count): Path<u32>) -> Response {
    answer(&shared, count, |answer, picks| {
        for number in picks {
            // A rank of 0 is not in the tree.
            answer.add(shared.tables.by_rank(number.max(1)), true);
        }
    })
}

async fn in_order(State(shared): Store, Path(count): Path<u32>) -> Response {
    answer(&shared, count, |answer, picks| {
        let records = shared.tables.in_order(picks.next().unwrap_or_default());
        for record in records.take(count as usize) {
            answer.add(Some(record), true);
        }
    })
}

async fn around(State(shared): Store, Path(count): Path<u32>) -> Response {
    answer(&shared, count, |answer, picks| {
        let start = picks.next().unwrap_or_default();
        for record in shared.tables.around(start, count as usize) {
            answer.add(Some(record), true);
        }
    })
}

/// Loads more for each row, which the campaign `rows` of `.ci/campaign` makes 60 of.
const LOADS_MORE: usize = 0;

/// Answers for one row: about 60 us of work on its record. The loads more come first, each from where the
/// record before leads; the same row always leads to the same records.
async fn of(State(shared): Store, Path(row): Path<u32>) -> Response {
    let first = row.wrapping_mul(0x9e37_79b9);
    let mut at = first;
    for () in std::iter::repeat_n((), LOADS_MORE) {
        at = at.rotate_left(7).wrapping_mul(0x85eb_ca6b) ^ shared.tables.by_number(at).rank;
    }
    std::hint::black_box(at);
    let mut answer = Answer::new();
    for _ in 0..WORK {
        answer.add(Some(shared.tables.by_number(first)), true);
    }
    answer.into_response()
}

/// Looks at the record of a row so many times.
const WORK: u32 = 300;

/// What was found so far.
struct Answer {
    found: u32,
    missing: u32,
    /// Whether anything was found that is not there, or not found that is.
    wrong: bool,
    line: String,
    digest: u64,
}

impl Answer {
    fn new() -> Self {
        let line = String::with_capacity(LINE);
        Self { found: 0, missing: 0, wrong: false, line, digest: 0 }
    }

    /// A failure where the structures are broken.
    fn into_response(self) -> Response {
        let Self { found, missing, wrong, digest, .. } = self;
        let status = if wrong { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        let body =
            format!("{{\"found\":{found},\"missing\":{missing},\"digest\":\"{digest:016x}\"}}");
        (status, [(CONTENT_TYPE, "application/json")], body).into_response()
    }

    fn add(&mut self, found: Option<&Record>, exists: bool) {
        self.wrong |= found.is_some() != exists;
        let Some(record) = found else {
            self.missing += 1;
            return;
        };
        self.found += 1;
        self.line.clear();
        let Record { id, key, amount, rank, .. } = record;
        // Into a text of our own this cannot fail.
        let _ = writeln!(self.line, "{id:016x} {key:>12} {rank:>8} {amount:>16}");
        for word in self.line.as_bytes().chunks_exact(8) {
            let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
            self.digest = (self.digest ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        }
    }
}

/// Looks records up and answers with what was found.
fn answer(
    shared: &Shared,
    count: u32,
    look_up: impl FnOnce(&mut Answer, &mut dyn Iterator<Item = u32>),
) -> Response {
    if count > COUNT_MAX {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let mut answer = Answer::new();
    let seed = shared.asked.fetch_add(1, Ordering::Relaxed);
    look_up(&mut answer, &mut picks(seed).take(count as usize));
    answer.into_response()
}

/// Numbers of records at random, eight in a page of memory each time, by the generator of Steele, Lea
/// and Flood (2014).
fn picks(seed: u64) -> impl Iterator<Item = u32> {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = (seed + 1).wrapping_mul(0xd134_2543_de82_ef95);
    let mut next = move || {
        state = state.wrapping_add(STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    std::iter::repeat_with(move || {
        let (page, mut lines) = (((next() >> 32) as u32 % RECORDS) & !63, next());
        (0..8).map(move |_| {
            lines >>= 6;
            page | (lines & 63) as u32
        })
    })
    .flatten()
}
