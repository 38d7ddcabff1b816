//! The harness: a contract as a Cargo test target of one's own project.
//!
//! A target with `harness = false` whose `main` calls [`Harness::run`] has one test for each check
//! of the contract, named `endpoint::variant` (`slow::endpoint::variant` for slow ones), and
//! answers to `cargo test`, its filters and flags, and to nextest as ordinary targets do. Tests run
//! one at a time: dhat and resident memory are those of the whole process.
//!
//! The contract's `baseline` is not compared with: it was accepted from a release build, and counts
//! of the test profile are others, so every comparison would abstain. What the test profile counts
//! is held by [`Harness::inspect`] and a snapshot; the baseline by `passport check`.
//!
//! ```no_run
//! use perf_passport::{allocation::CountingAllocator, harness::Harness};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator::system();
//!
//! # mod app { pub fn router() -> axum::Router { axum::Router::new() } }
//! fn main() -> std::process::ExitCode {
//!     Harness::new("passport.toml", |_fixture| async { Ok::<_, String>(app::router()) }).run()
//! }
//! ```
//!
//! Operations of the contract are declared as [`Code`]; each is one test, `operation::name`, over all its
//! sizes, and a benchmark where the target is asked for benchmarks (`cargo bench`, `--bench`), which
//! says its mean time as well. Every operation is measured in a process of its own, so that one that
//! panics, crashes or never returns takes nothing from the others. A target that declares any must
//! declare all of the contract's, and no other.
//!
//! The same target is the worker of `passport compare`, for checks and operations.

mod arguments;
mod code;
mod filed;
mod lock;
mod variables;
mod operations;
mod measurements;
#[cfg(unix)]
mod lent;

use std::{
    collections::BTreeMap,
    fmt::Display,
    future::Future,
    io::{self, Write},
    num::NonZero,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex},
};

use arguments::UnknownOption;
use http_body::Body;
use libtest_mimic::{Arguments, Failed, Measurement, Trial};
use tower_service::Service;

use crate::{
    contract::{Check, Contract},
    files,
    passport::Passport,
    probe::{InProcessTarget, Request, Target},
    text::escaped,
    units::{BYTES_PER_MB, Bytes},
};
pub use code::Code;
use code::Measurable;
use lock::lock;
use measurements::Measurements;
use variables::Variables;

/// The exit code of libtest, also for arguments that it does not know.
const FAILED: u8 = 101;
/// The largest contract that is read.
const CONTRACT_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

/// What a test of the whole passport looks at; a panic fails the test.
type Inspection = Box<dyn FnOnce(&Passport) + Send>;

/// A contract, and how to make the service that it is about.
///
/// Budgets are held, and no baseline: see the [module](self).
pub struct Harness {
    contract: PathBuf,
    target: Option<MakeTarget>,
    code: Vec<Box<dyn Measurable>>,
    inspections: Vec<(String, Inspection)>,
    variables: Variables,
    worker_threads: Option<NonZero<usize>>,
}

/// Makes the target once the contract is read, with so many threads for its tasks.
type MakeTarget = Box<dyn FnOnce(&Contract, Option<NonZero<usize>>) -> Box<dyn Target + Send>>;

impl std::fmt::Debug for Harness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness").field("contract", &self.contract).finish_non_exhaustive()
    }
}

impl Harness {
    /// A harness for the contract at this path, relative to the package's directory.
    ///
    /// `factory` gets the name of a fixture and resolves to a service in that state. Each check gets a
    /// service made for it, so that no check sees what another one left; or each of its samples does,
    /// where the contract says `fresh = "sample"`. Of a fixture that the contract calls `shared` it is
    /// made once.
    pub fn new<Factory, Made, Failure, S, Out>(
        contract: impl Into<PathBuf>,
        factory: Factory,
    ) -> Self
    where
        Factory: FnMut(String) -> Made + Send + 'static,
        Made: Future<Output = Result<S, Failure>> + 'static,
        Failure: Display + 'static,
        S: Service<Request, Response = http::Response<Out>> + Clone + Send + 'static,
        S::Error: Display,
        Out: Body + 'static,
        Out::Error: Display,
    {
        let target = move |contract: &Contract, worker_threads: Option<NonZero<usize>>| {
            let target = InProcessTarget::new(contract.sampling, factory);
            let target = match worker_threads {
                Some(number) => target.multi_thread(number),
                None => target,
            };
            Box::new(target) as Box<dyn Target + Send>
        };
        Self { target: Some(Box::new(target)), ..Self::operations(contract) }
    }

    /// A harness for the operations of the contract at this path, without a service.
    pub fn operations(contract: impl Into<PathBuf>) -> Self {
        Self {
            contract: contract.into(),
            target: None,
            code: Vec::new(),
            inspections: Vec::new(),
            variables: Variables::default(),
            worker_threads: None,
        }
    }

    /// Declares an operation: [`Code::new`], where nothing but its cost is told.
    ///
    /// ```no_run
    /// use perf_passport::harness::Harness;
    ///
    /// let harness = Harness::operations("passport.toml").operation("sum", |size| {
    ///     let numbers: Vec<u64> = (0..size).collect();
    ///     move || numbers.iter().sum::<u64>()
    /// });
    /// ```
    #[must_use]
    pub fn operation<Prepare, Iterate, Out>(self, name: impl Into<String>, prepare: Prepare) -> Self
    where
        Prepare: Fn(u64) -> Iterate + Send + 'static,
        Iterate: FnMut() -> Out + 'static,
        Out: 'static,
    {
        self.code(Code::new(name, prepare))
    }

    /// Declares an operation that tells of its results.
    #[must_use]
    pub fn code<Out: 'static>(mut self, code: Code<Out>) -> Self {
        self.code.push(Box::new(code));
        self
    }

    /// Adds a test of the whole passport, such as a snapshot of its hash and counts.
    #[must_use]
    pub fn inspect(
        mut self,
        name: impl Into<String>,
        inspection: impl FnOnce(&Passport) + Send + 'static,
    ) -> Self {
        self.inspections.push((name.into(), Box::new(inspection)));
        self
    }

    /// Gives `${name}` in the contract's headers this value, such as the key that the service was made
    /// with. It goes before the environment, and is in no passport.
    ///
    /// ```no_run
    /// # use perf_passport::harness::Harness;
    /// # fn started(harness: Harness) -> Harness {
    /// harness.variable("API_KEY", "a key of this test alone")
    /// # }
    /// ```
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.set(name.into(), value.into());
        self
    }

    /// Gives the tasks of each service so many threads, as `tokio::task::block_in_place` needs. Without
    /// this all work is done on one thread, where all of it can be counted.
    ///
    /// Requests run on the thread of the test all the same. Where tasks on other threads allocate what no
    /// request is charged with, `allocations` and `heap` abstain (`other-threads`), and instructions and
    /// allocation sites are not told.
    #[must_use]
    pub fn multi_thread(self, worker_threads: NonZero<usize>) -> Self {
        Self { worker_threads: Some(worker_threads), ..self }
    }

    /// Runs the tests that the process's arguments select.
    ///
    /// What was measured is filed at the end: `perf-passport/PACKAGE/NAME.json` beside the executables of
    /// the profile, such as `target/debug/perf-passport/shop/passport.json`; as `NAME.part.json` where the
    /// arguments leave a part of the contract out. With `--nocapture` each test prints its figures.
    ///
    /// The exit code is libtest's: 0, or 101 when a test failed. A contract that cannot be read
    /// fails whatever the arguments select, so that it is never taken for an empty one.
    pub fn run(self) -> ExitCode {
        #[cfg(unix)]
        if std::env::args_os().skip(1).eq([crate::worker::FLAG]) {
            let operations = &lent::Lent::new(&self.code);
            let target = self.target.map(|make| {
                let number = self.worker_threads;
                Box::new(move |contract: &Contract| make(contract, number)) as Box<_>
            });
            let offered = crate::worker::Offered { target, operations };
            return crate::worker::serve_stdin(offered, &|name| self.variables.get(name));
        }
        let directory = PathBuf::from(manifest_directory());
        let path = directory.join(&self.contract);
        let contract = files::read(&path, CONTRACT_MAX)
            .map_err(|error| error.to_string())
            .and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()))
            .and_then(|text| Contract::parse(&text).map_err(|error| error.to_string()))
            .map(|contract| contract.in_directory(path.parent().unwrap_or(&directory)));
        if let Some(name) = operations::asked_for() {
            let answer = |contract| operations::answer(&contract, &self.code, &name);
            return contract.map_or(ExitCode::from(2), answer);
        }
        let mut arguments = match arguments::read(std::env::args_os().skip(1)) {
            Ok(arguments) => arguments,
            Err(UnknownOption(name)) => {
                let _ = writeln!(io::stderr(), "error: Unrecognized option: '{}'", escaped(&name));
                return ExitCode::from(FAILED);
            }
        };
        arguments.test_threads = Some(1);
        let declared: Vec<String> = self.code.iter().map(|it| it.name().to_owned()).collect();
        let session = contract.map(|contract| {
            Arc::new(Mutex::new(Measurements {
                target: self.target.map(|make| make(&contract, self.worker_threads)),
                contract,
                declared,
                directory,
                variables: self.variables,
                shows_figures: arguments.nocapture,
                measured: BTreeMap::new(),
                operations: BTreeMap::new(),
            }))
        });
        let trials = match &session {
            Err(error) => {
                let message = format!("cannot read contract `{}`: {error}", path.display());
                // Nothing that was asked for exists, so a filter must not leave this out.
                if !arguments.list {
                    arguments = Arguments {
                        test_threads: arguments.test_threads,
                        color: arguments.color,
                        format: arguments.format,
                        quiet: arguments.quiet,
                        logfile: arguments.logfile,
                        ..Arguments::default()
                    };
                }
                vec![Trial::test("contract", move || Err(Failed::from(message)))]
            }
            Ok(session) => trials(session, self.inspections, arguments.bench),
        };
        let conclusion = libtest_mimic::run(&arguments, trials);
        if let Ok(session) = session {
            file(&lock(&session));
        }
        conclusion.exit_code()
    }
}

/// Files what was measured, and says where. That it cannot be fails no test.
fn file(measurements: &Measurements) {
    let Some(passport) = measurements.passport_so_far() else { return };
    let filed = passport
        .map_err(|failed| failed.message().unwrap_or_default().to_owned())
        .and_then(|it| filed::file(&it).map_err(|error| error.to_string()));
    let said = match filed {
        Ok(path) => format!("passport {}", path.display()),
        Err(message) => format!("no passport was filed: {message}"),
    };
    let _ = writeln!(io::stderr(), "{}", escaped(&said));
}

/// The directory of the package under test, as Cargo and nextest tell it.
#[expect(clippy::disallowed_methods, reason = "a test target is told its package by a variable")]
fn manifest_directory() -> String {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| ".".to_owned())
}

fn trials(
    session: &Arc<Mutex<Measurements>>,
    inspections: Vec<(String, Inspection)>,
    bench: bool,
) -> Vec<Trial> {
    let measurements = lock(session);
    let contract = &measurements.contract;
    let any_slow = contract.checks.iter().any(|check| check.slow)
        || (!measurements.declared.is_empty() && contract.operations.iter().any(|it| it.slow));
    let checks = measurements.target.iter().flat_map(|_| &contract.checks);
    let names: Vec<(String, String)> = checks.map(|check| (test_name(check), check.id())).collect();
    let operations = measurements.operation_names();
    let mut trials: Vec<Trial> = names
        .into_iter()
        .map(|(name, check)| {
            let session = Arc::clone(session);
            Trial::test(name, move || lock(&session).hold(&check))
        })
        .collect();
    for (name, operation) in operations {
        let session = Arc::clone(session);
        trials.push(test_or_benchmark(name, bench, move || {
            lock(&session).hold_operation(&operation)
        }));
    }
    for (name, inspection) in inspections {
        let session = Arc::clone(session);
        let name = if any_slow { format!("slow::{name}") } else { name };
        trials.push(test_or_benchmark(name, bench, move || {
            inspection(&lock(&session).passport()?);
            Ok(Measurement { avg: 0, variance: 0 })
        }));
    }
    trials
}

/// What is asked for when benchmarks are is a benchmark, and otherwise a test.
fn test_or_benchmark(
    name: String,
    bench: bool,
    run: impl FnOnce() -> Result<Measurement, Failed> + Send + 'static,
) -> Trial {
    if bench {
        Trial::bench(name, move |_| run().map(Some))
    } else {
        Trial::test(name, move || run().map(drop))
    }
}

fn test_name(check: &Check) -> String {
    let slow = if check.slow { "slow::" } else { "" };
    format!("{slow}{}::{}", check.endpoint, check.variant)
}
