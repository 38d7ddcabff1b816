//! The document: its fields, what a gate decides from it, and its bytes.

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};

use super::{CaseResult, HashError, OperationResult, OperationsSummary};
use crate::{
    claim::{BaselineFigures, Claim, Verdict},
    contract::{Budgets, ContractDocument, Tolerance},
    environment::{Build, Source, SystemInfo},
    evidence::Evidence,
    paired::{Certificate, ComparedBuilds, InstructionCounts, LAYOUTS_MIN, Paired, Policy},
    production::Production,
    rules::{Rules, SameCodeRule},
    statistics::Histogram,
    units::{Count, Nanos},
};

/// The passport format that this version writes. The rules have numbers of their own: [`Rules`].
pub const SCHEMA_VERSION: u32 = 1;

/// The guarantee, in the words of the documents this project implements.
pub const GUARANTEE: &str = "Even in sandbox mode, we never regress by more than 5%";

/// A performance passport.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Passport {
    /// The passport format.
    pub schema_version: u32,
    /// The program that wrote it, with its version.
    pub cartographer: String,
    /// Unique to this passport; sorts by time (UUID version 7).
    pub run_id: String,
    /// Unique to the process that measured.
    pub session_id: String,
    /// When measuring started, RFC 3339 in UTC.
    pub timestamp: String,
    /// Whether measuring came to its end; a passport that did not never gates as pass.
    pub complete: bool,
    /// The guarantee that the gate keeps.
    pub performance_guarantee: String,
    /// Names of the endpoints and scenarios, in the order they were measured, each once.
    pub endpoints_profiled: Vec<String>,
    /// The contract; `null` in a passport imported from another system.
    pub contract: Option<ContractRecord>,
    /// The versions of the rules by which it is decided on; those of a comparison are in its policy.
    pub rules: Rules,
    /// How and on what it was measured.
    pub provenance: Provenance,
    /// One result for each check that was measured, in the order of the contract.
    pub test_results: Vec<TestResult>,
    /// Checks of the contract without a result, because they were not selected or the run was cut
    /// short; a passport that lacks any never gates as pass. Of production there are none, as it is of no
    /// check.
    pub checks_left_out: Vec<String>,
    /// One result for each operation that was measured, in the order of the contract.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationResult>,
    /// Operations of the contract without a result, as `operation` or `operation/size`; a passport
    /// that lacks any never gates as pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations_left_out: Vec<String>,
    /// What the counters of a running service say; only there where they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<Production>,
    /// The results in numbers.
    pub summary: Summary,
    /// The budgets of checks that have none of their own.
    pub thresholds: Thresholds,
    /// The machine.
    pub system_info: SystemInfo,
    /// What was compared with; `null` when nothing was.
    pub baseline: Option<BaselineRecord>,
    /// The builds that took turns; only there where two were compared side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// Free text that was asked to be carried along.
    pub annotations: BTreeMap<String, String>,
    /// SHA-256 of what must be equal on every run of the same code: contract, behaviour, exact
    /// counts and the verdicts on them.
    pub passport_hash: String,
    /// SHA-256 of the whole document but for this field.
    pub evidence_hash: String,
}

/// The contract that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ContractRecord {
    /// SHA-256 of `document` in its canonical form.
    pub digest: String,
    /// The contract as written; headers are templates, never their values.
    pub document: ContractDocument,
}

/// How and on what a passport was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Which probe measured.
    pub probe: ProbeKind,
    /// What it measured: the name of a service, with the kind of its database where it has one, or
    /// a base URL.
    pub target: String,
    /// The build of a service measured in process, which is that of the measuring program. `null`
    /// over HTTP: nobody tells what the service was built with.
    pub build: Option<Build>,
    /// The source tree around the contract.
    pub source: Source,
    /// The commit that a service over HTTP was built from, as whoever measured said it: nothing that was
    /// measured shows it. Only there where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_commit: Option<SaidCommit>,
}

/// A commit that somebody named for what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SaidCommit {
    /// What was given, such as a branch; printable ASCII.
    pub reference: String,
    /// The commit that it named.
    pub commit: String,
    /// The tree of that commit.
    pub commit_tree: String,
}

/// Two builds that were compared side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// How the pairs were decided on.
    pub policy: Policy,
    /// What the change started from.
    pub baseline: ComparedBuild,
    /// The change.
    pub current: ComparedBuild,
    /// What was accepted last; `null` when nothing was named.
    pub anchor: Option<ComparedBuild>,
    /// That baseline and current side load the same; only there where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_code: Option<SameCode>,
    /// The machine code that all servers of the comparison have mapped; only there where it is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped_code: Option<MappedCode>,
    /// Checks that only one side has, or that ask for something else there; and operations that only
    /// one side has or can run, as `operation::name/size`.
    pub checks_not_compared: Vec<String>,
    /// What was compared, and not held against the anchor: it lacks it, or asks or answers otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks_not_in_anchor: Vec<String>,
}

impl Comparison {
    /// Whether an item of this name has drift: whether there is an anchor that does the same.
    pub fn is_anchored(&self, id: &str) -> bool {
        self.anchor.is_some() && !self.checks_not_in_anchor.iter().any(|it| it == id)
    }

    /// Whether baseline and current side are the same code: both load the same, and nothing else that
    /// they may read has changed.
    pub fn is_same_code(&self) -> bool {
        self.same_code.as_ref().is_some_and(|it| it.read_files_changed.is_empty())
    }

    /// Its builds.
    pub fn builds(&self) -> impl Iterator<Item = &ComparedBuild> {
        [&self.baseline, &self.current].into_iter().chain(&self.anchor)
    }
}

/// The files of machine code that the processes of a server have mapped: program, libraries, interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MappedCode {
    /// SHA-256 of the SHA-256 of each, in order and each on a line.
    pub mapped_sha256: String,
    /// How many there are.
    pub files: Count,
}

/// That two builds load the same: code, constants and data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SameCode {
    /// By which rule that was found.
    pub rule: SameCodeRule,
    /// SHA-256 of what both load, as the rule has it.
    pub loaded_sha256: String,
    /// Files that differ between the two and that a build may read while it runs; the first of them. Where
    /// there are any, that both load the same proves nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_files_changed: Vec<String>,
}

impl SameCode {
    /// How many files are named, at most.
    pub const FILES_MAX: usize = 20;
}

/// One of the builds of a comparison: an executable, or a server that was asked over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ComparedBuild {
    /// What it was called: a ref, or a file.
    pub label: String,
    /// The commit; `null` when it was built from no commit, or nobody knows.
    pub commit: Option<String>,
    /// SHA-256 of the executable; only there where it is a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable_sha256: Option<String>,
    /// Layouts of its links: executables of the same parts that have their code at other addresses.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub relinked: Count,
    /// The name of the program that started the server, and how many arguments it was given: none of
    /// them, as any may be a secret. What it started is not known by it: the same command may start
    /// another build on another day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Commands that start builds of the same server, of which each session takes one; only there where
    /// they are several.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub builds: Count,
    /// The base URL of a server that was running already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl ComparedBuild {
    /// Whether it has so many layouts that the margins of builds that are linked again hold.
    pub fn is_relinked(&self) -> bool {
        self.relinked >= Count::new(LAYOUTS_MIN)
    }
}

impl Comparison {
    /// What thresholds depend on, of servers.
    pub fn compared_servers(&self) -> ComparedBuilds {
        let fewest = self.builds().map(|it| it.builds.get().max(1)).min().unwrap_or(1);
        match (&self.mapped_code, fewest) {
            (Some(_), _) => ComparedBuilds::ServedByOneProgram,
            (None, 1) => ComparedBuilds::Served,
            (None, builds) => ComparedBuilds::ServedByBuilds(Count::new(builds)),
        }
    }
}

/// The kinds of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// A service called directly.
    InProcess,
    /// A service asked over HTTP.
    Http,
    /// Another tool measured operations: their samples were taken over.
    Samples,
    /// The counters of a running service were read.
    Production,
    /// Nothing was measured: the document was imported.
    Imported,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TestResult {
    /// The endpoint or scenario.
    pub endpoint: String,
    /// `endpoint/variant`, unique in the passport.
    pub test_name: String,
    /// Latency of one request in milliseconds: that of a sample, at the quantile of the budget,
    /// divided by its requests. `null` where there are too few samples for that quantile.
    pub latency_ms: Option<f64>,
    /// Peak heap of one request of the service, in MB (2^20 bytes).
    pub memory_mb: Option<f64>,
    /// Allocations of the service for one request: the most that a sample had, divided by its
    /// requests and rounded down, so that it is below a threshold just when the sample is below
    /// that threshold times its requests.
    pub objects: Option<u64>,
    /// The worst verdict of the required claims.
    pub status: Verdict,
    /// Whether a claim on a cost, or on a change of it, failed.
    pub regression: bool,
    /// Whether all responses were equal.
    pub deterministic: bool,
    /// When the check was measured, RFC 3339 in UTC.
    pub timestamp: String,
    /// The state of the service.
    pub fixture: String,
    /// Requests in one sample.
    pub requests_per_sample: Count,
    /// What one sample may cost.
    pub budgets: Option<Budgets>,
    /// How much worse than the baseline it may be.
    pub tolerance: Option<Tolerance>,
    /// Every claim, in a fixed order.
    pub claims: Vec<Claim>,
    /// Latency in numbers; `null` without a sample.
    pub latency: Option<LatencySummary>,
    /// What was observed.
    pub evidence: Evidence,
    /// What the baseline says; `null` when there was none or it lacks the check.
    pub baseline: Option<BaselineFigures>,
    /// What both builds took, in turns; only there where two were compared side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired: Option<Paired>,
    /// How good those turns were; follows from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// What both builds executed; only there where that was to be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<InstructionCounts>,
}

/// Latency in numbers: nanoseconds, quantiles at most 0.79 % too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LatencySummary {
    /// Number of samples.
    pub samples: Count,
    /// The smallest.
    pub min_ns: Nanos,
    /// The arithmetic mean.
    pub mean_ns: Nanos,
    /// The median; `null` below 20 samples.
    pub p50_ns: Option<Nanos>,
    /// `null` below 200 samples.
    pub p95_ns: Option<Nanos>,
    /// `null` below 1000 samples.
    pub p99_ns: Option<Nanos>,
    /// The largest.
    pub max_ns: Nanos,
}

impl LatencySummary {
    /// The summary of a histogram; `None` when it is empty.
    pub fn of(histogram: &Histogram) -> Option<Self> {
        let summary = crate::statistics::SummaryStatistics::of(histogram)?;
        Some(Self {
            samples: summary.samples,
            min_ns: summary.min,
            mean_ns: summary.mean,
            p50_ns: summary.p50,
            p95_ns: summary.p95,
            p99_ns: summary.p99,
            max_ns: summary.max,
        })
    }
}

/// The results in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Checks measured.
    pub total_tests: u64,
    /// Checks whose required claims all passed.
    pub passed_tests: u64,
    /// Checks of which a required claim failed.
    pub failed_tests: u64,
    /// Checks of which none failed and a required claim abstained.
    pub abstained_tests: u64,
    /// Checks of which a claim on latency or allocations failed.
    pub performance_regressions: u64,
    /// Checks of which a claim on heap or process memory failed.
    pub memory_regressions: u64,
    /// The largest `latency_ms`.
    pub max_latency_ms: Option<f64>,
    /// The largest `memory_mb`.
    pub max_memory_mb: Option<f64>,
    /// The largest `objects`.
    pub max_objects: Option<u64>,
    /// Percentage of deterministic checks among those that were answered; 0 when none was.
    pub deterministic_score: f64,
    /// Whether the score reaches the contract's least percentage.
    pub deterministic_status: Verdict,
    /// The worst of all required verdicts of the checks that were measured.
    pub measured_status: Verdict,
    /// The same for the contract as a whole: never PASS for an incomplete passport, or one that
    /// leaves checks or operations out.
    pub overall_status: Verdict,
    /// The operations in numbers; only there where any was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<OperationsSummary>,
}

/// The budgets of checks that have none of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Latency of one request, strictly less.
    pub max_latency_threshold_ms: f64,
    /// Peak heap of one request in MB (2^20 bytes), strictly less.
    pub max_memory_threshold_mb: f64,
    /// Allocations of one request, strictly less.
    pub max_objects_threshold: u64,
    /// How much worse than the baseline, in percent.
    pub regression_tolerance_percent: f64,
    /// The least percentage of deterministic checks.
    pub deterministic_threshold_percent: f64,
}

/// What a passport was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BaselineRecord {
    /// The baseline's hash of what must be equal.
    pub passport_hash: String,
    /// The baseline's hash of its whole document.
    pub evidence_hash: String,
    /// When the baseline was measured.
    pub timestamp: String,
    /// Whether its counts may be compared with those of this run, as far as can be known: measured
    /// by the same kind of probe, and in process on the same target and from an equal build.
    pub same_build: bool,
    /// Whether it was made for the same contract.
    pub same_contract: bool,
    /// What it said of itself as a whole: anything but PASS was accepted all the same.
    pub overall_status: Verdict,
    /// Checks that the baseline has and the contract no longer does.
    pub checks_gone: Vec<String>,
    /// Operations that the baseline has, as `operation` or `operation/size`, and the contract no longer
    /// does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations_gone: Vec<String>,
}

impl Provenance {
    /// Whether counts of `other` may be compared with these. Over HTTP the URL says nothing of the
    /// service, and its build is not known: nothing is held against it.
    pub fn same_build(&self, other: &Self) -> bool {
        let same_target = self.probe != ProbeKind::InProcess || self.target == other.target;
        self.probe == other.probe && same_target && self.build == other.build
    }
}

/// What a gate decides from a passport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Every required claim passed.
    Pass,
    /// A required claim failed.
    Fail,
    /// Nothing failed, but something could not be measured.
    NotMeasured,
    /// Nothing failed, but a required claim abstained.
    Abstain,
}

impl Passport {
    /// What a gate decides of the contract as a whole: a failure outweighs what could not be
    /// measured, and that outweighs an abstention.
    pub fn gate(&self) -> Gate {
        self.gate_on(self.summary.overall_status)
    }

    /// What a gate decides of the checks that were measured, for who left the others out on
    /// purpose.
    pub fn gate_of_measured(&self) -> Gate {
        self.gate_on(self.summary.measured_status)
    }

    fn gate_on(&self, status: Verdict) -> Gate {
        let unmeasured = |result: &TestResult| result.evidence.failed_samples > Count::ZERO;
        if status == Verdict::Fail {
            Gate::Fail
        } else if !self.complete
            || self.test_results.iter().any(unmeasured)
            || self.operations.iter().any(OperationResult::is_unmeasured)
        {
            Gate::NotMeasured
        } else if status == Verdict::Abstain {
            Gate::Abstain
        } else {
            Gate::Pass
        }
    }

    /// Why this cannot be what other passports are compared with; `None` when it can.
    pub fn unfit_as_baseline(&self) -> Option<&'static str> {
        if self.provenance.probe == ProbeKind::Imported {
            Some("it was imported, so it shows no evidence to compare with")
        } else if !self.complete {
            Some("its run was cut short, so it is not whole")
        } else if self.provenance.probe == ProbeKind::Production {
            Some("it says what a running service counted, and holds no check to compare with")
        } else {
            None
        }
    }

    /// The result of a check, by [`TestResult::test_name`].
    pub fn result(&self, test_name: &str) -> Option<&TestResult> {
        self.test_results.iter().find(|result| result.test_name == test_name)
    }

    /// The record of an operation, by [`CaseResult::name`].
    pub fn operation_case(&self, name: &str) -> Option<&CaseResult> {
        self.operation_cases().find(|case| case.name == name)
    }

    /// The records of all operations, in their order.
    pub fn operation_cases(&self) -> impl Iterator<Item = &CaseResult> {
        self.operations.iter().flat_map(|operation| &operation.cases)
    }

    /// All results by [`TestResult::test_name`], for who looks for many.
    pub(crate) fn results(&self) -> BTreeMap<&str, &TestResult> {
        // Backwards, so that the first of several wins, as in `result`.
        self.test_results.iter().rev().map(|it| (it.test_name.as_str(), it)).collect()
    }

    /// The document as it is stored: indented JSON with a newline at its end.
    ///
    /// # Errors
    ///
    /// [`HashError`] when a figure cannot be written as JSON, which no assembled passport has.
    pub fn to_bytes(&self) -> Result<Vec<u8>, HashError> {
        let mut bytes = Vec::new();
        self.write(&mut bytes)?;
        Ok(bytes)
    }

    // NOTE: of any writer, so that the serializer of all types is compiled once.
    pub(super) fn write(&self, out: &mut dyn io::Write) -> Result<(), HashError> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        Ok(out.write_all(b"\n").map_err(serde_json::Error::io)?)
    }
}
