//! `GET /metrics`: totals, and what answering this very request cost so far.
//!
//! One query of one row and one serialisation, so the cost does not grow with the tables. Figures
//! of `performance` are measured up to the moment the answer is written, by two profilers: what the
//! kernel says of the process, and what the allocator counted for this request. Where one of them is
//! absent its figures are null.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::super::{
    LedgerState,
    error::{ApiError, json},
    hash::Hash,
    queries::{self, FirstOrganism, Totals},
    timestamp::Timestamp,
    watch::Reading,
};
use perf_passport_meter::{
    allocation::{self, AllocationCost},
    clock::Clock,
    process_memory::{self, ProcessMemory},
    telemetry::ExpositionFormat,
    units::{Bytes, Count, Nanos},
};

/// Bytes of the largest answer, rounded up.
const BODY_ROOM: usize = 2048;

#[derive(Serialize)]
struct Metrics {
    generated_at: Timestamp,
    proofs: ProofMetrics,
    statements: Statements,
    blocks: BlockMetrics,
    block_count: u64,
    max_depth: u64,
    first_organism: Option<Organism>,
    queue_length: u64,
    performance: Performance,
}

#[derive(Serialize)]
struct ProofMetrics {
    total: u64,
    success: u64,
    failure: u64,
    /// From 0 to 1; null where nothing was tried, because no rate is known.
    success_rate: Option<f64>,
}

#[derive(Serialize)]
struct Statements {
    total: u64,
    max_depth: u64,
}

#[derive(Serialize)]
struct BlockMetrics {
    count: u64,
    height: u64,
}

#[derive(Serialize)]
struct Organism {
    runs_total: u64,
    runs_completed: u64,
    runs_failed: u64,
    #[serde(serialize_with = "as_text")]
    last_ht_hash: Hash,
    last_abstention_rate: f64,
    latency_seconds: f64,
    latency_buckets: LatencyBuckets,
    abstention_buckets: AbstentionBuckets,
}

/// Runs that took at most so many seconds.
#[derive(Serialize)]
struct LatencyBuckets {
    #[serde(rename = "0.1")]
    le_0_1: u64,
    #[serde(rename = "0.5")]
    le_0_5: u64,
    #[serde(rename = "1")]
    le_1: u64,
    #[serde(rename = "2")]
    le_2: u64,
    #[serde(rename = "5")]
    le_5: u64,
    #[serde(rename = "10")]
    le_10: u64,
    #[serde(rename = "+Inf")]
    all: u64,
}

/// Runs that abstained at most at such a rate.
#[derive(Serialize)]
struct AbstentionBuckets {
    #[serde(rename = "0.05")]
    le_0_05: u64,
    #[serde(rename = "0.1")]
    le_0_1: u64,
    #[serde(rename = "0.15")]
    le_0_15: u64,
    #[serde(rename = "0.2")]
    le_0_2: u64,
    #[serde(rename = "0.3")]
    le_0_3: u64,
    #[serde(rename = "0.5")]
    le_0_5: u64,
    /// A rate is never above 1.
    #[serde(rename = "1")]
    le_1: u64,
    #[serde(rename = "+Inf")]
    all: u64,
}

/// What this request cost up to here. MB are 2^20 bytes.
#[derive(Serialize)]
struct Performance {
    latency_ms: f64,
    latency_ns: Nanos,
    /// Resident memory of the process now, less that when the request came.
    memory_delta_mb: Option<f64>,
    initial_memory_mb: Option<f64>,
    final_memory_mb: Option<f64>,
    /// The most resident memory since the process started.
    peak_memory_mb: Option<f64>,
    /// Allocations of this request that are still live.
    object_delta: Option<i64>,
    allocations: Option<Count>,
    allocated_bytes: Option<Bytes>,
    heap_peak_bytes: Option<Bytes>,
}

/// What is known when a request comes.
struct Start {
    elapsed: Nanos,
    memory: Option<ProcessMemory>,
}

pub(in super::super) async fn metrics(
    State(state): State<LedgerState>,
) -> Result<Response, ApiError> {
    let clock = state.clock();
    let start = Start { elapsed: clock.elapsed(), memory: process_memory::read_self().ok() };
    let (totals, organism) = queries::totals(state.database()).await?;
    let body = Metrics {
        generated_at: Timestamp::at(clock.now()),
        proofs: proofs(&totals),
        statements: Statements { total: totals.statements, max_depth: totals.max_depth },
        blocks: BlockMetrics { count: totals.blocks, height: totals.height },
        block_count: totals.blocks,
        max_depth: totals.max_depth,
        first_organism: organism.as_ref().map(first_organism),
        queue_length: totals.queue_length,
        performance: performance(&start, clock),
    };
    Ok(json(StatusCode::OK, &body, BODY_ROOM))
}

/// The same, or the metrics of who watches, as `Accept` asks for. These are answered where the database
/// cannot be read, too: without what only it knows.
pub(in super::super) async fn negotiated(
    State(state): State<LedgerState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if ExpositionFormat::negotiated(&headers).is_some()
        && let Some(watch) = state.watched()
    {
        let reading = Reading::of(state.database()).await;
        if let Err(error) = &reading {
            (state.settings().report)(error);
        }
        let connections = state.database().connections();
        if let Some(answer) = watch.respond(&headers, reading.as_ref().ok(), connections) {
            return Ok(answer.into_response());
        }
    }
    let mut answer = metrics(State(state)).await?;
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(answer)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of counts, exact below 2^53")]
fn proofs(totals: &Totals) -> ProofMetrics {
    let (total, success) = (totals.proofs, totals.proofs_success);
    ProofMetrics {
        total,
        success,
        failure: total - success,
        success_rate: (total > 0).then(|| success as f64 / total as f64),
    }
}

#[expect(clippy::cast_precision_loss, reason = "millionths, exact below 2^53")]
fn first_organism(organism: &FirstOrganism) -> Organism {
    let [latency_0, latency_1, latency_2, latency_3, latency_4, latency_5] = organism.latency_le;
    let [rate_0, rate_1, rate_2, rate_3, rate_4, rate_5] = organism.abstention_le;
    let all = organism.runs;
    Organism {
        runs_total: organism.runs,
        runs_completed: organism.runs_completed,
        runs_failed: organism.runs - organism.runs_completed,
        last_ht_hash: organism.last_ht_hash,
        last_abstention_rate: organism.last_abstention_ppm as f64 / 1e6,
        latency_seconds: organism.last_latency_us as f64 / 1e6,
        latency_buckets: LatencyBuckets {
            le_0_1: latency_0,
            le_0_5: latency_1,
            le_1: latency_2,
            le_2: latency_3,
            le_5: latency_4,
            le_10: latency_5,
            all,
        },
        abstention_buckets: AbstentionBuckets {
            le_0_05: rate_0,
            le_0_1: rate_1,
            le_0_15: rate_2,
            le_0_2: rate_3,
            le_0_3: rate_4,
            le_0_5: rate_5,
            le_1: all,
            all,
        },
    }
}

fn performance(start: &Start, clock: &impl Clock) -> Performance {
    let memory = process_memory::read_self().ok();
    let heap = allocation::current_request();
    let initial_memory_mb = start.memory.map(|memory| memory.rss.to_mb());
    let final_memory_mb = memory.map(|memory| memory.rss.to_mb());
    let latency_ns = clock.elapsed().saturating_sub(start.elapsed);
    Performance {
        latency_ms: latency_ns.to_ms(),
        latency_ns,
        memory_delta_mb: final_memory_mb.zip(initial_memory_mb).map(|(end, start)| end - start),
        initial_memory_mb,
        final_memory_mb,
        peak_memory_mb: memory.map(|memory| memory.rss_peak.to_mb()),
        object_delta: heap.map(live_objects),
        allocations: heap.map(|heap| heap.allocations),
        allocated_bytes: heap.map(|heap| heap.bytes),
        heap_peak_bytes: heap.map(|heap| heap.heap_peak),
    }
}

fn live_objects(heap: AllocationCost) -> i64 {
    heap.allocations.get().cast_signed().wrapping_sub(heap.frees.get().cast_signed())
}

fn as_text<S: serde::Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(hash.as_str())
}
