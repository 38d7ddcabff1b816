//! What other tools wrote, as commands name it: a subcommand for each tool.
//!
//! `import` and `contract import` have the same tools, and other options beside each.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};

use super::exit::Failure;
use perf_passport::{
    files,
    foreign::{self, ForeignError, MeasuredQuantity, Suite},
    units::{BYTES_PER_MB, Bytes},
};

/// The largest file of another tool that is read.
const FILE_MAX: Bytes = Bytes::new(512 * BYTES_PER_MB);
/// The same of tools whose documents take many times their size to be read.
const DOCUMENT_MAX: Bytes = Bytes::new(64 * BYTES_PER_MB);

/// The names of all tools, as a sentence lists them.
pub(super) const TOOLS: &str = "criterion, cargo-criterion, hyperfine, pytest-benchmark, go-bench, jmh, \
                                google-benchmark, gungraun, k6, bencher";

/// A tool, what it wrote, and the options `A` of the command.
#[derive(Debug, Subcommand)]
pub(super) enum ToolFile<A: Args> {
    /// The directory of a criterion suite, such as target/criterion
    Criterion {
        /// The directory
        #[arg(value_name = "DIR", default_value = "target/criterion")]
        directory: PathBuf,
        /// What the suite measured: criterion does not write it down
        #[arg(long, value_enum, default_value = "time")]
        measured: Measured,
        /// Read this baseline, as `cargo bench -- --save-baseline NAME` keeps it, instead of the newest run
        #[arg(long, value_name = "NAME")]
        saved: Option<String>,
        #[command(flatten)]
        options: A,
    },
    /// The output of `cargo criterion --message-format=json`
    CargoCriterion(OneFile<A>),
    /// The file of `hyperfine --export-json`
    Hyperfine(OneFile<A>),
    /// The file of `pytest --benchmark-json`, or what `--benchmark-save` keeps
    PytestBenchmark(OneFile<A>),
    /// The output of `go test -bench . -count 10`
    GoBench(OneFile<A>),
    /// The results of JMH: `-rf json`
    Jmh(OneFile<A>),
    /// The file of Google Benchmark: `--benchmark_out=FILE --benchmark_out_format=json`
    GoogleBenchmark(OneFile<A>),
    /// The summaries of gungraun or iai-callgrind: `--output-format=json`
    Gungraun(OneFile<A>),
    /// The summary of k6: of `handleSummary`, or `--summary-export`
    K6(OneFile<A>),
    /// Bencher Metric Format
    Bencher(OneFile<A>),
}

/// The file of a tool, and the options of the command.
#[derive(Debug, Args)]
pub(super) struct OneFile<A: Args> {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    options: A,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Measured {
    Time,
    Allocations,
    Bytes,
}

/// What reads the bytes of a file.
type Reader = fn(&[u8]) -> Result<Suite, ForeignError>;

impl<A: Args> ToolFile<A> {
    /// The tool's name, as provenance has it.
    pub(super) const fn tool(&self) -> &'static str {
        match self {
            Self::Criterion { .. } => "criterion",
            Self::CargoCriterion(_) => "cargo-criterion",
            Self::Hyperfine(_) => "hyperfine",
            Self::PytestBenchmark(_) => "pytest-benchmark",
            Self::GoBench(_) => "go-bench",
            Self::Jmh(_) => "jmh",
            Self::GoogleBenchmark(_) => "google-benchmark",
            Self::Gungraun(_) => "gungraun",
            Self::K6(_) => "k6",
            Self::Bencher(_) => "bencher",
        }
    }

    /// Where it is read from, and the options of the command.
    pub(super) fn parts(&self) -> (&Path, &A) {
        match self {
            Self::Criterion { directory, options, .. } => (directory, options),
            Self::CargoCriterion(it)
            | Self::Hyperfine(it)
            | Self::PytestBenchmark(it)
            | Self::GoBench(it)
            | Self::Jmh(it)
            | Self::GoogleBenchmark(it)
            | Self::Gungraun(it)
            | Self::K6(it)
            | Self::Bencher(it) => (&it.file, &it.options),
        }
    }

    /// Reads it.
    pub(super) fn read(&self) -> Result<Suite, Failure> {
        let (path, _) = self.parts();
        self.suite(path).map_err(|error| match error {
            error @ ForeignError::Read { .. } => Failure::usage(error),
            error => Failure::usage(anyhow!("cannot import `{}`: {error}", path.display())),
        })
    }

    fn suite(&self, path: &Path) -> Result<Suite, ForeignError> {
        let reader: Reader = match self {
            Self::Criterion { measured, saved: None, .. } => {
                return foreign::read_criterion(path, measured.quantity());
            }
            Self::Criterion { measured, saved: Some(name), .. } => {
                return foreign::read_criterion_baseline(path, name, measured.quantity());
            }
            Self::CargoCriterion(_) => foreign::read_cargo_criterion,
            Self::Hyperfine(_) => foreign::read_hyperfine,
            Self::PytestBenchmark(_) => foreign::read_pytest_benchmark,
            Self::GoBench(_) => foreign::read_go_bench,
            Self::Jmh(_) => foreign::read_jmh,
            Self::GoogleBenchmark(_) => foreign::read_google_benchmark,
            Self::Gungraun(_) => foreign::read_gungraun,
            Self::K6(_) => foreign::read_k6,
            Self::Bencher(_) => foreign::read_bencher,
        };
        let failed = |source| ForeignError::Read { path: path.to_owned(), source };
        let limit = match self {
            Self::Jmh(_) | Self::Gungraun(_) | Self::K6(_) | Self::Bencher(_) => DOCUMENT_MAX,
            _ => FILE_MAX,
        };
        reader(&files::read(path, limit).map_err(failed)?)
    }
}

impl Measured {
    const fn quantity(self) -> MeasuredQuantity {
        match self {
            Self::Time => MeasuredQuantity::Time,
            Self::Allocations => MeasuredQuantity::Allocations,
            Self::Bytes => MeasuredQuantity::AllocatedBytes,
        }
    }
}
