//! What the harness itself costs: reading contracts, statistics, hashing, verifying, comparing.
//!
//! `cargo bench --bench harness`
//!
//! The large passport has 10,000 checks, each with its own counts and 1,000 latencies, and was
//! compared with a baseline: the most that a passport holds of a check.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    hint::black_box,
};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use perf_passport::{
    contract::{Contract, Quantile},
    environment::{Source, SystemInfo},
    evidence::{
        Behaviour, Bodies, CountSource, Counts, Evidence, OracleCounts, ProcessEvidence, Range,
        Response, WireBody,
    },
    foreign::{self, read_criterion},
    passport::{MeasuredCheck, Passport, ProbeKind, Provenance, contract_digest, diff, verify},
    pipeline::{self, Circumstances, Run},
    probe::Normalised,
    statistics::{Histogram, SummaryStatistics, interval},
    units::{Bytes, Count, Nanos, Ppm},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

const TIMESTAMP: &str = "2026-01-01T00:00:00.000Z";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    contracts(&mut criterion);
    statistics(&mut criterion);
    bodies(&mut criterion);
    for checks in [20, 10_000] {
        passports(&mut criterion, checks);
    }
    import(&mut criterion);
    criterion.final_summary();
}

fn contracts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("contract");
    let own = include_str!("../passport.toml").to_owned();
    for (name, text) in [("own", own), ("10000", contract_text(10_000))] {
        group.sample_size(if name == "own" { 100 } else { 10 });
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("parse", name), |bencher| {
            bencher.iter(|| Contract::parse(black_box(&text)).expect("a contract"));
        });
    }
    group.finish();
}

fn statistics(criterion: &mut Criterion) {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let samples = latencies(&mut random, 1_000);
    let histogram = Histogram::from_samples(&samples);
    let mut group = criterion.benchmark_group("histogram of 1000");
    group.bench_function("from_samples", |bencher| {
        bencher.iter(|| Histogram::from_samples(black_box(&samples)));
    });
    group.bench_function("summary", |bencher| {
        bencher.iter(|| SummaryStatistics::of(black_box(&histogram)));
    });
    group.bench_function("interval of p99", |bencher| {
        bencher.iter(|| interval(black_box(&histogram), Quantile::P99, Ppm::new(1_000)));
    });
    group.finish();
}

fn bodies(criterion: &mut Criterion) {
    let body = page(250_000);
    let ignore = ["/generated_at".to_owned(), "/performance".to_owned()];
    let mut group = criterion.benchmark_group("body");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("Normalised::of 250 KB of JSON", |bencher| {
        bencher.iter(|| Normalised::of(black_box(&body), &ignore));
    });
    group.finish();
}

/// A suite of 1,000 benchmarks of criterion with 100 samples each, from its directory to a passport.
fn import(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("import of 1000 x 100");
    group.sample_size(10);
    let made = OnceCell::new();
    group.bench_function("read, decide and hash", |bencher| {
        let (directory, contract) = made.get_or_init(suite);
        bencher.iter(|| {
            let suite = read_criterion(directory.path(), foreign::MeasuredQuantity::Time);
            let taken = suite.expect("a suite").take(contract, TIMESTAMP);
            assert_eq!(taken.cases.len(), 1_000);
            let run = Run {
                timestamp: TIMESTAMP.to_owned(),
                measured: Vec::new(),
                operations: taken.cases,
                complete: true,
            };
            pipeline::passport(contract, run, circumstances(), None)
        });
    });
    group.finish();
}

fn suite() -> (tempfile::TempDir, Contract) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut contract = "schema_version = 1\nname = \"suite\"\n".to_owned();
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for number in 0..1_000 {
        let _ = write!(
            contract,
            "[[operation]]\nname = \"b{number}\"\nbenchmark = \"group/b{number}\"\n\
             budgets = {{ mean_ms_max = 1 }}\n"
        );
        let newest = directory.path().join(format!("group/b{number}/new"));
        fs::create_dir_all(&newest).expect("made");
        let iterations = 1..=100_u64;
        let times = iterations.clone().map(|it| it * (1_000 + u64::from(random.next_u32() % 100)));
        let list = |numbers: Vec<u64>| {
            let numbers: Vec<String> = numbers.iter().map(|it| format!("{it}.0")).collect();
            numbers.join(",")
        };
        let (iterations, times) = (list(iterations.collect()), list(times.collect()));
        let sample = format!(
            "{{\"sampling_mode\":\"Linear\",\"iters\":[{iterations}],\"times\":[{times}]}}"
        );
        fs::write(newest.join("sample.json"), sample).expect("written");
        let names = format!("{{\"full_id\":\"group/b{number}\"}}");
        fs::write(newest.join("benchmark.json"), names).expect("written");
    }
    (directory, Contract::parse(&contract).expect("a contract"))
}

/// Everything that is done with a whole passport.
fn passports(criterion: &mut Criterion, checks: usize) {
    let mut group = criterion.benchmark_group(format!("passport of {checks}"));
    group.sample_size(if checks > 1_000 { 10 } else { 100 });
    // Made only once one of the benchmarks is selected.
    let made = OnceCell::new();
    let pair = || made.get_or_init(|| Pair::new(checks));
    group.bench_function("contract_digest", |bencher| {
        let document = &pair().contract.document;
        bencher.iter(|| contract_digest(black_box(document)).expect("finite numbers"));
    });
    group.bench_function("decide, compare and hash", |bencher| {
        let Pair { contract, before, .. } = pair();
        bencher.iter_batched(
            || run(contract, 2),
            |run| pipeline::passport(contract, run, circumstances(), Some(before)),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("write", |bencher| {
        let passport = &pair().after;
        bencher.iter(|| black_box(passport).to_bytes().expect("finite numbers"));
    });
    group.bench_function("verify", |bencher| {
        let bytes = &pair().bytes;
        bencher.iter_with_large_drop(|| verify(black_box(bytes)).expect("a sound passport"));
    });
    group.bench_function("diff", |bencher| {
        let Pair { before, after, .. } = pair();
        bencher.iter_with_large_drop(|| diff(black_box(before), black_box(after)));
    });
    group.finish();
}

/// Two passports of one contract, the second compared with the first and as it is stored.
struct Pair {
    contract: Contract,
    before: Passport,
    after: Passport,
    bytes: Vec<u8>,
}

impl Pair {
    fn new(checks: usize) -> Self {
        let contract = Contract::parse(&contract_text(checks)).expect("a contract");
        let passport = |seed, baseline| {
            pipeline::passport(&contract, run(&contract, seed), circumstances(), baseline)
                .expect("finite numbers")
        };
        let before = passport(1, None);
        let after = passport(2, Some(&before));
        let bytes = after.to_bytes().expect("finite numbers");
        Self { contract, before, after, bytes }
    }
}

fn contract_text(endpoints: usize) -> String {
    let mut text =
        "schema_version = 1\nname = \"large\"\n[target]\nurl = \"http://127.0.0.1:1\"\n".to_owned();
    for number in 0..endpoints {
        let _ = write!(
            text,
            "[[endpoint]]\nname = \"endpoint-{number}\"\npath = \"/items/{number}?limit=10\"\n\
             content_type = \"application/json\"\nignore = [\"/generated_at\"]\n\
             budgets = {{ allocations_max = 200 }}\n"
        );
    }
    text
}

/// A run in which each check has figures of its own; what must be deterministic depends on its
/// number alone, times on `seed`.
fn run(contract: &Contract, seed: u64) -> Run {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let measured = contract.checks.iter().zip(0_u64..).map(|(check, number)| MeasuredCheck {
        check: check.id(),
        timestamp: TIMESTAMP.to_owned(),
        evidence: evidence(number, &mut random),
        baseline: None,
        paired: None,
        instructions: None,
    });
    Run {
        timestamp: TIMESTAMP.to_owned(),
        measured: measured.collect(),
        operations: Vec::new(),
        complete: true,
    }
}

fn evidence(number: u64, random: &mut ChaCha8Rng) -> Evidence {
    let (allocations, bytes, peak) = (30 + number % 100, 8_000 + number, 4_000 + number % 1_000);
    let body = Normalised::of(&number.to_le_bytes(), &[]);
    Evidence {
        inputs: std::collections::BTreeMap::new(),
        rows: None,
        bodies: Bodies::default(),
        behaviour: Some(Behaviour {
            response: Response {
                status: 200,
                content_type: Some("application/json".to_owned()),
                body_sha256: body.sha256.clone(),
                body_bytes: Bytes::new(200 + number),
                json_sha256: None,
                headers: BTreeMap::new(),
            },
            responses: Count::new(1_050),
            responses_equal: Count::new(1_050),
            status_mismatches: Count::ZERO,
            status_unexpected: None,
            content_type_mismatches: Count::ZERO,
            not_json: Count::ZERO,
            wire: WireBody {
                sha256: body.sha256,
                bytes: Bytes::new(200 + number),
                responses_equal: Count::new(1_050),
            },
            unequal_in_bytes_alone: Count::ZERO,
            unequal_in_headers_alone: Count::ZERO,
            headers_unequal: BTreeSet::new(),
            ignored_nothing: BTreeSet::new(),
        }),
        counts: Some(Counts {
            source: CountSource::InProcess,
            samples: Count::new(20),
            allocations: Range::of(allocations),
            allocated_bytes: Some(Range::of(bytes)),
            heap_peak_bytes: Some(Range::of(peak)),
            unattributed_allocations: Some(Range::of(0)),
            untold_samples: Count::ZERO,
            heap_untold_samples: Count::ZERO,
            several_threads: false,
        }),
        heap_growth: None,
        oracle: Some(OracleCounts {
            request_allocations: Count::new(allocations.min(42)),
            allocations: Count::new(allocations),
            allocated_bytes: Bytes::new(bytes),
            heap_peak_bytes: Bytes::new(peak),
            counted_allocations: Count::new(allocations),
            counted_bytes: Bytes::new(bytes),
        }),
        latency: Histogram::from_samples(&latencies(random, 1_000)),
        server_latency: None,
        told_above_round_trip_samples: Count::ZERO,
        cpu_wait_ns: Some(Nanos::new(12_000 + number)),
        cpu_wait_kept_samples: Count::ZERO,
        cpu_pressure_ppm: None,
        process: Some(ProcessEvidence {
            rss_before_bytes: Bytes::new(50_000_000 + number * 4_096),
            rss_after_bytes: Bytes::new(50_004_096 + number * 4_096),
            rss_peak_before_bytes: Bytes::new(60_000_000),
            rss_peak_bytes: Bytes::new(60_000_000 + number * 4_096),
            processes: None,
            held_min_bytes: None,
        }),
        warmup_samples: Count::new(30),
        failed_samples: Count::ZERO,
        first_failure: None,
    }
}

/// Latencies with a body and a tail: 20 us to 300 us that differ by their own level, a fifth of
/// that spread, and one in a hundred some times slower. They fill about a hundred buckets.
fn latencies(random: &mut ChaCha8Rng, samples: usize) -> Vec<Nanos> {
    let level = 20_000 + random.next_u64() % 280_000;
    let sample = |_| {
        let spread = (0..4).map(|_| random.next_u64() % (level / 10)).sum::<u64>();
        let tail =
            if random.next_u64().is_multiple_of(100) { 1 + random.next_u64() % 8 } else { 0 };
        Nanos::new(level + spread + tail * level)
    };
    (0..samples).map(sample).collect()
}

/// A page of statements as the reference service sends it, of about this many bytes.
fn page(bytes: usize) -> Vec<u8> {
    let mut text = r#"{"generated_at":"2026-01-01T00:00:00Z","statements":["#.to_owned();
    for number in 0_u64.. {
        let hash = Normalised::of(&number.to_le_bytes(), &[]).sha256;
        let _ = write!(
            text,
            r#"{{"id":{number},"hash":"{hash}","text":"(p{number} -> (q -> p{number}))","depth":{},"proved":true}}"#,
            number % 7
        );
        if text.len() >= bytes {
            break;
        }
        text.push(',');
    }
    text.push_str(r#"],"performance":{"allocations":112,"latency_us":55.25}}"#);
    text.into_bytes()
}

fn circumstances() -> Circumstances {
    Circumstances {
        provenance: Provenance {
            said_commit: None,
            probe: ProbeKind::Http,
            target: "http://127.0.0.1:1".to_owned(),
            build: None,
            source: Source::default(),
        },
        system_info: SystemInfo::read(),
        session_id: "session".to_owned(),
        comparison: None,
    }
}
