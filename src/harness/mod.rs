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
mod lock;
mod operations;
#[cfg(unix)]
mod lent;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    future::Future,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex},
};

use arguments::UnknownOption;
use http_body::Body;
use libtest_mimic::{Arguments, Failed, Measurement, Trial};
use tower_service::Service;

use crate::{
    claim::Verdict,
    clock::SystemClock,
    contract::{Check, Contract},
    files,
    passport::{MeasuredCase, MeasuredCheck, Passport, ProbeKind},
    pipeline::{self, Circumstances, Run, RunContext},
    probe::{InProcessTarget, Request, Target},
    report::{self, Style},
    text::escaped,
    units::{BYTES_PER_MB, Bytes, Count},
};
pub use code::Code;
use code::Measurable;
use lock::lock;

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
}

/// Makes the target once the contract is read.
type MakeTarget = Box<dyn FnOnce(&Contract) -> Result<Box<dyn Target + Send>, String>>;

impl std::fmt::Debug for Harness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness").field("contract", &self.contract).finish_non_exhaustive()
    }
}

impl Harness {
    /// A harness for the contract at this path, relative to the package's directory.
    ///
    /// `factory` gets the name of a fixture and resolves to the service in that state; it is called
    /// once for each fixture.
    pub fn new<Factory, Made, Failure, S, Out>(
        contract: impl Into<PathBuf>,
        mut factory: Factory,
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
        let target = move |contract: &Contract| {
            let made: Arc<Mutex<BTreeMap<String, S>>> = Arc::default();
            let kept = move |fixture: String| {
                let made = Arc::clone(&made);
                let known = lock(&made).get(&fixture).cloned();
                let making = known.is_none().then(|| factory(fixture.clone()));
                async move {
                    let Some(making) = making else { return known.ok_or_else(String::new) };
                    let service = making.await.map_err(|error| error.to_string())?;
                    lock(&made).insert(fixture, service.clone());
                    Ok(service)
                }
            };
            let target =
                InProcessTarget::new(contract.sampling, kept).map_err(|error| error.to_string())?;
            Ok(Box::new(target) as Box<dyn Target + Send>)
        };
        Self { target: Some(Box::new(target)), ..Self::operations(contract) }
    }

    /// A harness for the operations of the contract at this path, without a service.
    pub fn operations(contract: impl Into<PathBuf>) -> Self {
        Self { contract: contract.into(), target: None, code: Vec::new(), inspections: Vec::new() }
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

    /// Runs the tests that the process's arguments select.
    ///
    /// The exit code is libtest's: 0, or 101 when a test failed. A contract that cannot be read
    /// fails whatever the arguments select, so that it is never taken for an empty one.
    pub fn run(self) -> ExitCode {
        #[cfg(unix)]
        if std::env::args_os().skip(1).eq([crate::worker::FLAG]) {
            let operations = &lent::Lent::new(&self.code);
            let offered = crate::worker::Offered { target: self.target, operations };
            return crate::worker::serve_stdin(offered, &variable);
        }
        let directory = PathBuf::from(manifest_directory());
        let path = directory.join(&self.contract);
        let contract = files::read(&path, CONTRACT_MAX)
            .map_err(|error| error.to_string())
            .and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()))
            .and_then(|text| Contract::parse(&text).map_err(|error| error.to_string()));
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
        let session = contract.and_then(|contract| {
            let target = self.target.map(|make| make(&contract)).transpose()?;
            Ok(Measurements {
                contract,
                target,
                declared,
                directory,
                measured: BTreeMap::new(),
                operations: BTreeMap::new(),
            })
        });
        let trials = match session {
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
        libtest_mimic::run(&arguments, trials).exit_code()
    }
}

/// The directory of the package under test, as Cargo and nextest tell it.
#[expect(clippy::disallowed_methods, reason = "a test target is told its package by a variable")]
fn manifest_directory() -> String {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| ".".to_owned())
}

fn trials(
    session: Measurements,
    inspections: Vec<(String, Inspection)>,
    bench: bool,
) -> Vec<Trial> {
    let contract = &session.contract;
    let any_slow = contract.checks.iter().any(|check| check.slow)
        || (!session.declared.is_empty() && contract.operations.iter().any(|it| it.slow));
    let checks = session.target.iter().flat_map(|_| &contract.checks);
    let names: Vec<(String, String)> = checks.map(|check| (test_name(check), check.id())).collect();
    let operations = session.operation_names();
    let session = Arc::new(Mutex::new(session));
    let mut trials: Vec<Trial> = names
        .into_iter()
        .map(|(name, check)| {
            let session = Arc::clone(&session);
            Trial::test(name, move || lock(&session).hold(&check))
        })
        .collect();
    for (name, operation) in operations {
        let session = Arc::clone(&session);
        trials.push(test_or_benchmark(name, bench, move || {
            lock(&session).hold_operation(&operation)
        }));
    }
    for (name, inspection) in inspections {
        let session = Arc::clone(&session);
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

/// What was measured so far in this process.
struct Measurements {
    contract: Contract,
    target: Option<Box<dyn Target + Send>>,
    /// Names of the operations that the target declares, in their order.
    declared: Vec<String>,
    directory: PathBuf,
    measured: BTreeMap<String, MeasuredCheck>,
    /// Cases of operations, by name.
    operations: BTreeMap<String, Vec<MeasuredCase>>,
}

impl Measurements {
    /// Measures one check and fails with every claim that is not proved.
    fn hold(&mut self, check: &str) -> Result<(), Failed> {
        let measured = self.measure(&[check.to_owned()])?;
        let passport = self.assemble(measured, Vec::new())?;
        let proved = passport.test_results.iter().all(|result| {
            result.status == Verdict::Pass && result.evidence.failed_samples == Count::ZERO
        });
        if proved && !passport.test_results.is_empty() {
            return Ok(());
        }
        Err(Failed::from(report::claims_at_fault(&passport, Style::Plain)))
    }

    /// The tests of operations with what they are of: those of the contract, then declared ones that
    /// it lacks. A target without any leaves the contract's to others.
    fn operation_names(&self) -> Vec<(String, String)> {
        if self.declared.is_empty() {
            return Vec::new();
        }
        let named = self.contract.operations.iter().map(|it| (it.name.as_str(), it.slow));
        let known: BTreeSet<&str> = named.clone().map(|(name, _)| name).collect();
        let mut others: Vec<&str> = self.declared.iter().map(String::as_str).collect();
        others.retain(|name| !known.contains(name));
        others.sort_unstable();
        others.dedup();
        named
            .chain(others.into_iter().map(|name| (name, false)))
            .map(|(name, slow)| {
                let slow = if slow { "slow::" } else { "" };
                (format!("{slow}operation::{name}"), name.to_owned())
            })
            .collect()
    }

    /// Measures one operation and fails with every claim that is not proved.
    fn hold_operation(&mut self, name: &str) -> Result<Measurement, Failed> {
        let cases = self.measure_operation(name)?;
        let passport = self.assemble(Vec::new(), cases)?;
        let Some(result) = passport.operations.first() else {
            return Err(Failed::from(format!("operation `{name}` was not measured")));
        };
        let last = result.cases.last().and_then(|case| case.latency);
        if result.status == Verdict::Pass {
            let (mean, spread) =
                last.map_or((0, 0), |it| (it.mean_ps.get(), it.max_ps.get() - it.min_ps.get()));
            return Ok(Measurement { avg: mean.div_ceil(1000), variance: spread / 1000 });
        }
        Err(Failed::from(report::claims_at_fault(&passport, Style::Plain)))
    }

    fn measure_operation(&mut self, name: &str) -> Result<Vec<MeasuredCase>, Failed> {
        if let Some(cases) = self.operations.get(name) {
            return Ok(cases.clone());
        }
        let Some(operation) = self.contract.operation(name) else {
            return Err(Failed::from(format!(
                "operation `{}` is declared, and not in the contract: add an [[operation]] of that name",
                crate::text::escaped(name)
            )));
        };
        match self.declared.iter().filter(|it| *it == name).count() {
            1 => {}
            0 => return Err(Failed::from(self.undeclared(name))),
            _ => return Err(Failed::from(format!("operation `{name}` is declared twice"))),
        }
        let cases = operations::measure(operation)?;
        self.operations.insert(name.to_owned(), cases.clone());
        Ok(cases)
    }

    fn undeclared(&self, name: &str) -> String {
        let nearest = self
            .declared
            .iter()
            .map(|declared| (strsim::damerau_levenshtein(declared, name), declared))
            .min()
            .filter(|(distance, declared)| *distance <= declared.len().max(name.len()) / 2);
        let meant =
            nearest.map(|(_, it)| format!(", did you mean `{}`?", crate::text::escaped(it)));
        format!(
            "the contract names operation `{name}`, and this target declares none of that name{}",
            meant.unwrap_or_default()
        )
    }

    /// The passport of all checks and operations that this target measures.
    fn passport(&mut self) -> Result<Passport, Failed> {
        let checks = self.target.iter().flat_map(|_| &self.contract.checks);
        let all: Vec<String> = checks.map(Check::id).collect();
        let measured = self.measure(&all)?;
        let mut cases = Vec::new();
        for (_, name) in self.operation_names() {
            // One that is missing is left out of the passport, and fails its own test.
            cases.extend(self.measure_operation(&name).unwrap_or_default());
        }
        self.assemble(measured, cases)
    }

    /// Measures those of the checks that were not measured yet.
    fn measure(&mut self, checks: &[String]) -> Result<Vec<MeasuredCheck>, Failed> {
        let missing: Vec<&String> =
            checks.iter().filter(|check| !self.measured.contains_key(*check)).collect();
        let clock = SystemClock::start();
        let Some(target) = &mut self.target else { return Ok(Vec::new()) };
        let run = pipeline::measure(
            &self.contract,
            &mut RunContext {
                target: target.as_mut(),
                clock: &clock,
                environment: &variable,
                stop: &|| false,
                progress: &mut |_| {},
            },
            &|check| missing.contains(&&check.id()),
        )?;
        for measured in run.measured {
            self.measured.insert(measured.check.clone(), measured);
        }
        Ok(checks.iter().filter_map(|check| self.measured.get(check).cloned()).collect())
    }

    fn assemble(
        &self,
        measured: Vec<MeasuredCheck>,
        operations: Vec<MeasuredCase>,
    ) -> Result<Passport, Failed> {
        let timestamps = measured.iter().map(|it| &it.timestamp);
        let timestamp = timestamps.chain(operations.iter().map(|it| &it.timestamp)).next();
        let timestamp = timestamp.cloned().unwrap_or_default();
        let run = Run { timestamp, measured, operations, complete: true };
        let circumstances = Circumstances::current(
            ProbeKind::InProcess,
            self.contract.name.as_str(),
            &self.directory,
        );
        Ok(pipeline::passport(&self.contract, run, circumstances, None)?)
    }
}

#[expect(clippy::disallowed_methods, reason = "headers of a contract may name variables")]
fn variable(name: &str) -> Option<String> {
    // A secret that nobody gave is empty, as in the pull request of a fork.
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
