//! What other tools measured and wrote, taken over: one file for each tool.
//!
//! A reader makes a [`Suite`] of what a tool wrote: its benchmarks by the names that the tool gives
//! them, with raw samples. Of a tool that keeps no samples its figures are told, and prove nothing.
//! [`Suite::take`] finds those that a contract is about. What cannot be used of one
//! benchmark is told of that one, and takes nothing from the others. Unknown fields are passed over, and
//! sizes are bounded. [`convert_thresholds`] makes a contract of the threshold files of the original
//! systems. Nothing here decides a claim.

mod seconds;
mod bencher;
mod criterion_directory;
mod criterion_messages;
mod go_bench;
mod google_benchmark;
mod gungraun;
mod hyperfine;
mod jmh;
mod k6;
mod pytest_benchmark;
mod thresholds;
mod listing;

use std::{collections::BTreeMap, io, path::PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::{
    contract::{Contract, Operation},
    evidence::Range,
    operation::{CaseEvidence, FailureKind, Sample, Samples},
    passport::MeasuredCase,
    text::printable,
    units::Count,
};

pub use bencher::read_bencher;
pub use criterion_directory::{read_criterion, read_criterion_baseline};
pub use criterion_messages::read_cargo_criterion;
pub use go_bench::read_go_bench;
pub use google_benchmark::read_google_benchmark;
pub use gungraun::read_gungraun;
pub use hyperfine::read_hyperfine;
pub use jmh::read_jmh;
pub use k6::read_k6;
pub use listing::ListedBenchmark;
pub use pytest_benchmark::read_pytest_benchmark;
pub use thresholds::{Converted, ThresholdsError, convert_thresholds};

/// The most benchmarks that are read of one suite.
const BENCHMARKS_MAX: usize = 100_000;
/// The longest name that a message shows.
const NAME_LENGTH_MAX: usize = 120;
/// Names that a message lists.
const NAMES_SHOWN: usize = 5;

/// What the values of a suite are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasuredQuantity {
    /// Times, in the unit of the tool.
    Time,
    /// Allocations: [`crate::operation::CaseEvidence::allocations`].
    Allocations,
    /// Allocated bytes.
    AllocatedBytes,
}

/// What a tool wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Benchmarks by name, in the order of names.
    benchmarks: BTreeMap<String, Benchmark>,
}

/// One benchmark of a suite.
#[derive(Debug, Clone, PartialEq)]
struct Benchmark {
    /// When it was measured, RFC 3339 in UTC; empty where nobody says.
    timestamp: String,
    /// What was observed, or why that cannot be used.
    observed: Result<CaseEvidence, String>,
}

/// What a contract takes of a suite.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Cases of the contract that the suite has.
    pub cases: Vec<MeasuredCase>,
    /// One sentence for each case of the contract that the suite does not have.
    pub missing: Vec<String>,
    /// Benchmarks of the suite that the contract does not name.
    pub unnamed: Vec<String>,
}

/// A suite that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// The file or directory cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is nothing of this tool.
    #[error("{0}")]
    Nothing(String),
    /// It is not what the tool writes.
    #[error("{0}")]
    Foreign(String),
    /// It is too large to be what it should be.
    #[error("{0}")]
    TooLarge(String),
}

impl Suite {
    /// Names of all benchmarks, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.benchmarks.keys().map(String::as_str)
    }

    /// Finds the benchmarks that the contract is about.
    pub fn take(&self, contract: &Contract, timestamp: &str) -> Taken {
        let mut left: BTreeMap<&str, &Benchmark> =
            self.benchmarks.iter().map(|(name, benchmark)| (name.as_str(), benchmark)).collect();
        let (mut cases, mut missing) = (Vec::new(), Vec::new());
        for operation in &contract.operations {
            for size in operation.cases() {
                match self.benchmarks.get(&operation.benchmark_of(size)) {
                    None => missing.push(self.missing(operation, size)),
                    Some(benchmark) => {
                        left.remove(operation.benchmark_of(size).as_str());
                        cases.push(case(operation, size, benchmark, timestamp));
                    }
                }
            }
        }
        Taken { cases, missing, unnamed: left.into_keys().map(str::to_owned).collect() }
    }

    fn missing(&self, operation: &Operation, size: Option<u64>) -> String {
        let wanted = operation.benchmark_of(size);
        let nearest = self
            .names()
            .map(|name| (strsim::damerau_levenshtein(name, &wanted), name))
            .min()
            .filter(|(distance, name)| *distance <= name.len().max(wanted.len()) / 2);
        let remedy = match nearest {
            Some((_, name)) => format!("did you mean `benchmark = \"{}\"`?", shown(name)),
            None => format!("there is {}", self.listed()),
        };
        format!(
            "operation `{}`: there is no benchmark `{}`; {remedy}",
            operation.case_name(size),
            shown(&wanted)
        )
    }

    /// The first names.
    fn listed(&self) -> String {
        let names: Vec<String> =
            self.names().take(NAMES_SHOWN).map(|name| format!("`{}`", shown(name))).collect();
        let more = self.benchmarks.len().saturating_sub(NAMES_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        names.join(", ") + &more
    }

    fn of(source: &str, benchmarks: BTreeMap<String, Benchmark>) -> Result<Self, ForeignError> {
        if benchmarks.is_empty() {
            return Err(ForeignError::Nothing(source.to_owned()));
        }
        Ok(Self { benchmarks })
    }
}

/// Benchmarks while they are read, each with a name of its own.
#[derive(Debug, Default)]
struct Benchmarks(BTreeMap<String, Benchmark>);

impl Benchmarks {
    /// Adds one; where the name is taken, neither can be told from the other.
    fn add(
        &mut self,
        name: String,
        observed: Result<CaseEvidence, String>,
    ) -> Result<(), ForeignError> {
        if self.0.len() >= BENCHMARKS_MAX {
            return Err(ForeignError::TooLarge(format!("more than {BENCHMARKS_MAX} benchmarks")));
        }
        let observed = if self.0.contains_key(&name) {
            Err(format!("there are two of the name `{}`", shown(&name)))
        } else {
            observed
        };
        self.0.insert(name, Benchmark { timestamp: String::new(), observed });
        Ok(())
    }

    /// The suite, or what to say where there is none.
    fn suite(self, nothing: &str) -> Result<Suite, ForeignError> {
        Suite::of(nothing, self.0)
    }
}

/// Reads a document of a tool, whose name begins what is said where it is another.
fn json_document<T: for<'de> Deserialize<'de>>(
    bytes: &[u8],
    what: &str,
) -> Result<T, ForeignError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ForeignError::Foreign(format!("{what}: {}", json_problem(&error))))
}

fn case(
    operation: &Operation,
    size: Option<u64>,
    benchmark: &Benchmark,
    timestamp: &str,
) -> MeasuredCase {
    let timestamp =
        if benchmark.timestamp.is_empty() { timestamp } else { benchmark.timestamp.as_str() };
    let evidence = match &benchmark.observed {
        Ok(evidence) => evidence.clone(),
        Err(why) => CaseEvidence::failed(FailureKind::Unusable, why),
    };
    MeasuredCase {
        operation: operation.name.clone(),
        size,
        timestamp: timestamp.to_owned(),
        evidence,
        baseline: None,
        paired: None,
        paired_parts: BTreeMap::new(),
        instructions: None,
    }
}

/// A stranger's name, printable and not too long.
fn shown(name: &str) -> String {
    printable(name.as_bytes(), NAME_LENGTH_MAX)
}

/// Evidence of samples as criterion has them: iterations, and what they took together.
fn evidence(
    measured: MeasuredQuantity,
    iterations: &[Option<f64>],
    values: &[Option<f64>],
) -> Result<CaseEvidence, String> {
    if iterations.len() != values.len() {
        return Err(format!(
            "it has {} counts of iterations and {} values",
            iterations.len(),
            values.len()
        ));
    }
    if iterations.is_empty() {
        return Err("it has no sample".to_owned());
    }
    let pairs = iterations.iter().zip(values).enumerate().map(|(place, (iterations, value))| {
        let iterations = whole(*iterations).filter(|it| *it > 0);
        let value = value.filter(|it| it.is_finite() && *it >= 0.0);
        iterations.zip(value).ok_or(place + 1)
    });
    let pairs: Vec<(u64, f64)> = pairs.collect::<Result<_, usize>>().map_err(|place| {
        format!("sample {place} is not a count of iterations and a finite value of at least 0")
    })?;
    match measured {
        MeasuredQuantity::Time => timed(pairs.iter().map(|(iterations, ns)| (*iterations, *ns))),
        MeasuredQuantity::Allocations => Ok(CaseEvidence {
            counted: Count::new(pairs.len() as u64),
            allocations: counted(&pairs),
            ..CaseEvidence::default()
        }),
        MeasuredQuantity::AllocatedBytes => Ok(CaseEvidence {
            counted: Count::new(pairs.len() as u64),
            allocated_bytes: counted(&pairs),
            // Bytes alone say nothing of allocations; the peak is at most all bytes.
            ..CaseEvidence::default()
        }),
    }
}

/// Evidence of iterations and nanoseconds.
fn timed(samples: impl Iterator<Item = (u64, f64)>) -> Result<CaseEvidence, String> {
    let samples = samples.enumerate().map(|(place, (iterations, ns))| {
        let ns = whole(Some(ns.round())).ok_or(place + 1)?;
        Ok(Sample { iterations, ns })
    });
    let samples: Vec<Sample> = samples.collect::<Result<_, usize>>().map_err(|place| {
        format!("the time of sample {place} is not a number of nanoseconds up to 2^53")
    })?;
    let samples = Samples::new(samples).map_err(|error| error.to_string())?;
    Ok(CaseEvidence { samples, ..CaseEvidence::default() })
}

/// The least and the most of one iteration. A measurement may tell a count by a trifle too large, so
/// that criterion can plot it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "at least 0, and a float holds what is beyond a u64 at its end"
)]
fn counted(pairs: &[(u64, f64)]) -> Option<Range> {
    let of_one = |(iterations, count): &(u64, f64)| count.round() / *iterations as f64;
    let least = pairs.iter().map(of_one).reduce(f64::min)?;
    let most = pairs.iter().map(of_one).reduce(f64::max)?;
    Some(Range { min: least.floor() as u64, max: most.ceil() as u64 })
}

/// A whole number up to 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole, at least 0 and at most 2^53"
)]
fn whole(value: Option<f64>) -> Option<u64> {
    let value = value?;
    let fits = (0.0..=9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0;
    fits.then_some(value as u64)
}

/// What is wrong with a JSON text, in one sentence.
fn json_problem(error: &serde_json::Error) -> String {
    if error.is_eof() {
        format!("it ends early, at line {}: was it cut short?", error.line())
    } else if error.is_syntax() {
        format!("it is not JSON, at line {}", error.line())
    } else {
        format!("it is of another shape: {}", printable(error.to_string().as_bytes(), 200))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_cannot_be_are_told_by_place() {
        let of = |iterations: &[Option<f64>], values: &[Option<f64>]| {
            evidence(MeasuredQuantity::Time, iterations, values).unwrap_err()
        };
        assert_eq!(of(&[], &[]), "it has no sample");
        assert!(of(&[Some(1.0)], &[]).contains("1 counts of iterations and 0 values"));
        for (iterations, value) in [
            (Some(0.0), Some(1.0)),
            (Some(1.5), Some(1.0)),
            (None, Some(1.0)),
            (Some(1.0), None),
            (Some(1.0), Some(-1.0)),
            (Some(1.0), Some(f64::INFINITY)),
        ] {
            let told = of(&[Some(1.0), iterations], &[Some(5.0), value]);
            assert!(told.starts_with("sample 2 is not"), "{told}");
        }
        assert!(of(&[Some(1.0)], &[Some(1e17)]).contains("up to 2^53"));
        assert_eq!(of(&[Some(1.0)], &[Some(0.0)]), "no sample took any time");
    }

    #[test]
    fn counts_are_of_one_iteration() {
        let of = |values: &[f64]| {
            let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
            let evidence =
                evidence(MeasuredQuantity::Allocations, &[Some(10.0), Some(20.0)], &values);
            evidence.unwrap().allocations.unwrap()
        };
        assert_eq!(of(&[30.0, 60.000_000_06]), Range::of(3));
        assert_eq!(of(&[30.0, 61.0]), Range { min: 3, max: 4 });
        assert_eq!(of(&[1e-9, 2e-9]), Range::of(0));
    }
}
