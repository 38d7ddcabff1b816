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

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs,
    future::Future,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use http_body::Body;
use libtest_mimic::{Arguments, Failed, Trial};
use tower_service::Service;

use crate::{
    claim::Verdict,
    clock::SystemClock,
    contract::{Check, Contract},
    passport::{Measured, Passport, ProbeKind},
    pipeline::{self, Circumstances, Run, Session},
    probe::{InProcessTarget, Request, Target},
    report::{self, Style},
    units::Count,
};

/// What a test of the whole passport looks at; a panic fails the test.
type Inspection = Box<dyn FnOnce(&Passport) + Send>;

/// A contract, and how to make the service that it is about.
///
/// Budgets are held, and no baseline: see the [module](self).
pub struct Harness {
    contract: PathBuf,
    target: MakeTarget,
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
        Self { contract: contract.into(), target: Box::new(target), inspections: Vec::new() }
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
            return crate::worker::serve_stdin(self.target, &variable);
        }
        let mut arguments = Arguments::from_args();
        arguments.test_threads = Some(1);
        let directory = PathBuf::from(manifest_directory());
        let path = directory.join(&self.contract);
        let session = fs::read_to_string(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| Contract::parse(&text).map_err(|error| error.to_string()))
            .and_then(|contract| {
                let target = (self.target)(&contract)?;
                Ok(Measurements { contract, target, directory, measured: BTreeMap::new() })
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
            Ok(session) => trials(session, self.inspections),
        };
        libtest_mimic::run(&arguments, trials).exit_code()
    }
}

/// The directory of the package under test, as Cargo and nextest tell it.
#[expect(clippy::disallowed_methods, reason = "a test target is told its package by a variable")]
fn manifest_directory() -> String {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| ".".to_owned())
}

fn trials(session: Measurements, inspections: Vec<(String, Inspection)>) -> Vec<Trial> {
    let any_slow = session.contract.checks.iter().any(|check| check.slow);
    let names: Vec<(String, String)> =
        session.contract.checks.iter().map(|check| (test_name(check), check.id())).collect();
    let session = Arc::new(Mutex::new(session));
    let mut trials: Vec<Trial> = names
        .into_iter()
        .map(|(name, check)| {
            let session = Arc::clone(&session);
            Trial::test(name, move || lock(&session).hold(&check))
        })
        .collect();
    for (name, inspection) in inspections {
        let session = Arc::clone(&session);
        let name = if any_slow { format!("slow::{name}") } else { name };
        trials.push(Trial::test(name, move || {
            inspection(&lock(&session).passport()?);
            Ok(())
        }));
    }
    trials
}

fn test_name(check: &Check) -> String {
    let slow = if check.slow { "slow::" } else { "" };
    format!("{slow}{}::{}", check.endpoint, check.variant)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A test that panicked leaves whole measurements behind, or none.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was measured so far in this process.
struct Measurements {
    contract: Contract,
    target: Box<dyn Target + Send>,
    directory: PathBuf,
    measured: BTreeMap<String, Measured>,
}

impl Measurements {
    /// Measures one check and fails with every claim that is not proved.
    fn hold(&mut self, check: &str) -> Result<(), Failed> {
        let measured = self.measure(&[check.to_owned()])?;
        let passport = self.assemble(measured)?;
        let proved = passport.test_results.iter().all(|result| {
            result.status == Verdict::Pass && result.evidence.failed_samples == Count::ZERO
        });
        if proved && !passport.test_results.is_empty() {
            return Ok(());
        }
        Err(Failed::from(report::claims_at_fault(&passport, Style::Plain)))
    }

    /// The passport of all checks.
    fn passport(&mut self) -> Result<Passport, Failed> {
        let all: Vec<String> = self.contract.checks.iter().map(Check::id).collect();
        let measured = self.measure(&all)?;
        self.assemble(measured)
    }

    /// Measures those of the checks that were not measured yet.
    fn measure(&mut self, checks: &[String]) -> Result<Vec<Measured>, Failed> {
        let missing: Vec<&String> =
            checks.iter().filter(|check| !self.measured.contains_key(*check)).collect();
        let clock = SystemClock::start();
        let run = pipeline::measure(
            &self.contract,
            &mut Session {
                target: self.target.as_mut(),
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

    fn assemble(&self, measured: Vec<Measured>) -> Result<Passport, Failed> {
        let timestamp = measured.first().map(|it| it.timestamp.clone()).unwrap_or_default();
        let run = Run { timestamp, measured, complete: true };
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
    std::env::var(name).ok()
}
