//! Passports that a test decides: sound ones, as if somebody had measured them.

use std::collections::{BTreeMap, BTreeSet};

use perf_passport::{
    contract::Contract,
    environment::{Build, Source, SystemInfo},
    evidence::{Behaviour, CountSource, Counts, Evidence, Range, Response, WireBody},
    operation::{CaseEvidence, Sample, Samples},
    passport::{MeasuredCase, MeasuredCheck, Parts, Passport, ProbeKind, Provenance, SaidCommit},
    production::{
        CounterSource, EdgeTally, ProductionEvidence, RouteTally, WINDOWS_MAX, watched_routes,
    },
    rules::{ProductionRule, Rules},
    statistics::Histogram,
    units::{Bytes, Count, Nanos, Ppm},
};

/// What was measured of one check, or of one operation without sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MadeSubject {
    /// The endpoint, whose check is `NAME/default`; or the operation.
    pub name: String,
    /// Allocations of a sample; each has as many bytes.
    pub allocations: u64,
    /// The median time.
    pub ns: u64,
    /// What the body is a digest of; an operation has none.
    pub body: Option<u64>,
}

/// A passport that somebody measured.
#[derive(Debug, Clone)]
pub struct Made {
    /// The name of the contract.
    pub contract: String,
    /// Further tables of the contract.
    pub tables: String,
    /// The subjects.
    pub subjects: Vec<MadeSubject>,
    /// The source tree.
    pub source: Source,
    /// The number of the run: two with the same say the same.
    pub run: u64,
    /// The processor.
    pub cpu: String,
    /// The compiler.
    pub rustc: String,
    /// Over HTTP, and of this commit if somebody said one.
    pub http: Option<Option<SaidCommit>>,
    /// What a running service counted of the endpoints instead, so many requests of each a window.
    pub production: Option<MadeTraffic>,
}

/// Requests of each endpoint in each of 60 windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeTraffic {
    /// All.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that took longer than any limit.
    pub slow: u64,
}

impl Made {
    /// A passport of these subjects and this tree.
    pub fn new(source: Source, run: u64, subjects: Vec<MadeSubject>) -> Self {
        Self {
            contract: "shop".to_owned(),
            tables: String::new(),
            subjects,
            source,
            run,
            cpu: "processor A".to_owned(),
            rustc: "rustc 1.88.0".to_owned(),
            http: None,
            production: None,
        }
    }

    /// The document.
    pub fn passport(&self) -> Passport {
        let mut text = format!(
            "schema_version = 1\nname = \"{}\"\n[budgets]\nlatency_ms_max = 100\n{}\n",
            self.contract, self.tables
        );
        for it in &self.subjects {
            let name = &it.name;
            text += &match it.body {
                Some(_) => format!("[[endpoint]]\nname = \"{name}\"\npath = \"/{name}\"\n"),
                None => format!(
                    "[[operation]]\nname = \"{name}\"\n[operation.budgets]\nallocations_max = 1000000\n"
                ),
            };
        }
        if self.production.is_some() {
            let all: Vec<String> =
                self.subjects.iter().map(|it| format!("\"{}\"", it.name)).collect();
            text += &format!(
                "[service]\n[slo.api]\nendpoints = [{}]\nobjective = 99\nlatency_ms = 10\n",
                all.join(", ")
            );
        }
        let contract = Contract::parse(&text).unwrap();
        let at = 1_750_000_000 + self.run;
        let timestamp = perf_passport::timestamp::rfc3339(
            std::time::UNIX_EPOCH + std::time::Duration::from_secs(at),
        );
        let (probe, build) = match (self.production, &self.http) {
            (Some(_), _) => (ProbeKind::Production, None),
            (None, Some(_)) => (ProbeKind::Http, None),
            (None, None) => (ProbeKind::InProcess, Some(self.build())),
        };
        let is_measured = self.production.is_none();
        let checks = self.subjects.iter().filter(|it| is_measured && it.body.is_some());
        let operations = self.subjects.iter().filter(|it| it.body.is_none());
        let parts = Parts {
            cartographer: "passport 0.1.0".to_owned(),
            run_id: format!("run-{}", self.run),
            session_id: "session".to_owned(),
            timestamp: timestamp.clone(),
            complete: true,
            rules: Rules::LATEST,
            provenance: Provenance {
                probe,
                target: "shop".to_owned(),
                build,
                source: self.source.clone(),
                said_commit: self.http.clone().flatten(),
            },
            system_info: SystemInfo {
                platform: "linux".to_owned(),
                architecture: "x86_64".to_owned(),
                kernel: Some("6.1".to_owned()),
                cpu_model: Some(self.cpu.clone()),
                cpu_count: Some(Count::new(2)),
                memory_total_bytes: None,
            },
            baseline: None,
            comparison: None,
            annotations: BTreeMap::new(),
            measured: checks.map(|it| measured_check(it, &timestamp)).collect(),
            operations: operations.map(|it| measured_case(it, &timestamp)).collect(),
            production: self.production.map(|it| counted(&contract, it, &timestamp)),
        };
        Passport::assemble(&contract, parts).unwrap()
    }

    fn build(&self) -> Build {
        Build {
            rustc: self.rustc.clone(),
            target: "x86_64-unknown-linux-gnu".to_owned(),
            opt_level: "3".to_owned(),
            debug_assertions: false,
        }
    }
}

fn counted(contract: &Contract, traffic: MadeTraffic, timestamp: &str) -> ProductionEvidence {
    let of = |number: u64| vec![Count::new(number); WINDOWS_MAX];
    let routes = watched_routes(contract).into_iter().map(|it| RouteTally {
        method: it.route.method,
        route: it.route.route,
        requests: of(traffic.requests),
        errors: of(traffic.errors),
        timed: of(traffic.requests),
        slow: it
            .limits
            .into_iter()
            .map(|limit| EdgeTally {
                limit_ns: limit,
                edge_below_ns: Some(limit),
                edge_above_ns: Some(limit),
                at_most: of(traffic.slow),
                at_least: Vec::new(),
            })
            .collect(),
        unsure: None,
    });
    ProductionEvidence {
        rule: ProductionRule::LATEST,
        source: CounterSource::Prometheus,
        from: timestamp.to_owned(),
        to: timestamp.to_owned(),
        window_ns: Nanos::new(60_000_000_000),
        windows: Count::new(WINDOWS_MAX as u64),
        instances: Count::new(1),
        resets: Count::ZERO,
        gaps: Count::ZERO,
        gap_ppm: Ppm::ZERO,
        contract_budgets: None,
        live_budgets: Vec::new(),
        doubts: Vec::new(),
        unfinished: None,
        late: None,
        routes: routes.collect(),
        other_routes: Vec::new(),
        other_requests: Count::ZERO,
    }
}

fn exact(value: u64) -> Range {
    Range { min: value, max: value }
}

fn measured_check(of: &MadeSubject, timestamp: &str) -> MeasuredCheck {
    let (samples, body) = (Count::new(40), of.body.unwrap_or_default());
    let digest = format!("{body:064x}");
    let evidence = Evidence {
        behaviour: Some(Behaviour {
            response: Response {
                status: 200,
                content_type: Some("application/json".to_owned()),
                body_sha256: digest.clone(),
                body_bytes: Bytes::new(100 + body % 100),
                json_sha256: Some(digest.clone()),
                headers: BTreeMap::new(),
            },
            responses: samples,
            responses_equal: samples,
            status_mismatches: Count::ZERO,
            status_unexpected: None,
            content_type_mismatches: Count::ZERO,
            not_json: Count::ZERO,
            wire: WireBody {
                sha256: digest,
                bytes: Bytes::new(100 + body % 100),
                responses_equal: samples,
            },
            unequal_in_bytes_alone: Count::ZERO,
            unequal_in_headers_alone: Count::ZERO,
            headers_unequal: BTreeSet::new(),
            ignored_nothing: BTreeSet::new(),
        }),
        counts: Some(Counts {
            source: CountSource::InProcess,
            samples: Count::new(3),
            allocations: exact(of.allocations),
            allocated_bytes: Some(exact(of.allocations * 16)),
            heap_peak_bytes: Some(exact(4096)),
            unattributed_allocations: None,
            untold_samples: Count::ZERO,
            heap_untold_samples: Count::ZERO,
            several_threads: false,
        }),
        latency: Histogram::from_samples(&[Nanos::new(of.ns); 40]),
        ..Evidence::default()
    };
    MeasuredCheck {
        check: format!("{}/default", of.name),
        timestamp: timestamp.to_owned(),
        evidence,
        baseline: None,
        paired: None,
        instructions: None,
    }
}

fn measured_case(of: &MadeSubject, timestamp: &str) -> MeasuredCase {
    let samples = vec![Sample { iterations: 10, ns: of.ns * 10 }; 20];
    MeasuredCase {
        operation: of.name.clone(),
        size: None,
        timestamp: timestamp.to_owned(),
        evidence: CaseEvidence {
            samples: Samples::new(samples).unwrap(),
            counted: Count::new(3),
            allocations: Some(exact(of.allocations)),
            allocated_bytes: Some(exact(of.allocations * 16)),
            heap_peak_bytes: Some(exact(2048)),
            ..CaseEvidence::default()
        },
        baseline: None,
        paired: None,
        paired_parts: BTreeMap::new(),
        instructions: None,
    }
}
