//! Comparing two builds: started side by side, round after round of sessions, until each check is decided.
//!
//! [`observe`] and [`observe_operations`] ask a side, an executable that is a worker
//! ([`perf_passport::worker`]), what its checks and operations do and cost by themselves. [`run`] then has fresh
//! copies of both sides take turns until [`perf_passport::paired`] decides every [`Item`] or the time is over.
//! Nothing is decided here. Linux only: elsewhere this crate is empty.

#![cfg(target_os = "linux")]

mod allocation_sites;
pub mod calibrate;
mod call_chains;
mod callgrind;
mod callgrind_file;
mod causes;
pub mod checkout;
mod command_line;
mod floor;
pub mod guard;
mod instructions;
mod item;
mod operations;
mod process;
mod random;
mod round;
mod served;
mod server;
mod session;
mod site_changes;
mod subject;
pub mod supervisor;
mod taken;
mod temporary;
mod workplace;

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use thiserror::Error;

pub use allocation_sites::SitesError;
pub use call_chains::ChainCost;
pub use callgrind::InstructionsError;
pub use causes::{AllocationCause, CheckCauses, Finding, InstructionCause, Suspect, causes};
pub use command_line::{CommandLine, CommandLineError};
pub use instructions::{Executed, Outcomes, count_instructions, count_samples};
pub use item::Item;
pub use operations::{ObservedOperations, Offer, observe_operations, offer};
use perf_passport::{
    clock::Clock,
    contract::{Check, Contract},
    environment::Build,
    evidence::Evidence,
    paired::{Paired, Policy, Session, is_decided},
    passport::Measured,
    text::escaped,
    units::{Nanos, Ppm},
    worker::protocol::{Answer, Question},
};
use process::{Placement, Worker, copy_path};
pub use round::AT_ONCE_MAX;
use round::Starters;
pub use served::{Server, ServerAt, Servers};
pub use server::ServerProblem;
use session::Setting;
pub use site_changes::{SiteChange, site_changes};
use subject::Workers;
pub use temporary::TemporaryDirectory;
pub use workplace::with_caches;
use workplace::{prepared, temporary_directory};

/// What stands between how a process ended and its last words.
const WORDS: &str = "; ";

/// Sessions of a check that may fail before it is given up.
const FAILED_SESSIONS_MAX: u64 = 3;

/// Whether the user interrupted.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// The time, and whether the user interrupted.
pub type Watch<'a> = (&'a dyn Clock, Stop<'a>);

/// One of the builds that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// What people call it: `baseline`, or a ref.
    pub label: String,
    /// The executable.
    pub executable: PathBuf,
    /// The same code at other addresses, of which each session takes one; empty when nobody can
    /// link it again, and then `executable` is taken each time.
    pub relinked: Vec<PathBuf>,
    /// Arguments before the worker's flag.
    pub arguments: Vec<OsString>,
    /// Variables that it gets beside those of this process.
    pub environment: Vec<(OsString, OsString)>,
    /// The directory that it is started in.
    pub directory: PathBuf,
    /// Its contract as written.
    pub contract: String,
}

/// The builds of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// What the change started from.
    pub baseline: Side,
    /// The change.
    pub current: Side,
    /// What was accepted last, so that small steps do not add up unseen.
    pub anchor: Option<Side>,
}

/// What can go wrong with a worker.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// There is nowhere to copy executables to.
    #[error("cannot make a temporary directory: {0}")]
    NoDirectory(String),
    /// The process could not be started.
    #[error("cannot start the worker of {side}: {message}")]
    NotStarted {
        /// The side.
        side: String,
        /// What and why.
        message: String,
    },
    /// The process ended.
    #[error("the worker of {side} died: {message}")]
    Died {
        /// The side.
        side: String,
        /// Its exit status and its last words.
        message: String,
    },
    /// There was no answer in time.
    #[error("the worker of {side} did not answer within {after}")]
    Hangs {
        /// The side.
        side: String,
        /// How long was waited.
        after: Nanos,
    },
    /// What came is no answer to what was asked.
    #[error("the worker of {side} answers what was not asked: is it built with this version?")]
    Nonsense {
        /// The side.
        side: String,
    },
    /// The worker says that it cannot.
    #[error("the worker of {side} says: {message}")]
    Refused {
        /// The side.
        side: String,
        /// In its words.
        message: String,
    },
    /// Responses changed while they were timed.
    #[error("{side} answered something else half way: a response was not like the first one")]
    AnswersDiffer {
        /// The side.
        side: String,
    },
    /// Something is wrong with a server.
    #[error("the server of {side} {problem}")]
    Server {
        /// The side.
        side: String,
        /// What it is.
        problem: ServerProblem,
    },
    /// A response has another status than the contract says.
    #[error("{side} answers {check} with status {status} instead of {expected} while it is timed")]
    Status {
        /// The side.
        side: String,
        /// The check.
        check: String,
        /// The status.
        status: u16,
        /// What the contract says.
        expected: u16,
    },
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl WorkerError {
    /// What is recorded of it: all but the last words of a process, which may hold what it was told
    /// in confidence.
    fn recorded(&self) -> String {
        match self.clone() {
            Self::Died { side, message } => Self::Died { side, message: without_words(&message) },
            Self::Server { side, problem: ServerProblem::Died(message) } => {
                let problem = ServerProblem::Died(without_words(&message));
                Self::Server { side, problem }
            }
            other => other,
        }
        .to_string()
    }

    /// Whether whoever made it takes no further turns.
    fn ends_the_session(&self) -> bool {
        match self {
            Self::Interrupted | Self::Died { .. } | Self::Hangs { .. } => true,
            Self::Server { problem, .. } => *problem != ServerProblem::TellsNoMore,
            _ => false,
        }
    }
}

/// How a process ended, without its last words.
fn without_words(message: &str) -> String {
    message.split_once(WORDS).map_or(message, |(status, _)| status).to_owned()
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub enum Subjects<'a> {
    /// Executables that are workers.
    Workers(&'a Sides),
    /// Servers that are asked over HTTP.
    Servers(&'a Servers<'a>),
}

/// What a comparison needs beside the sides.
pub struct Task<'a> {
    /// The contract of the current side.
    pub contract: &'a Contract,
    /// The checks and operations that both sides have.
    pub items: Vec<Item<'a>>,
    /// Names of those that the anchor takes no turns of.
    pub not_anchored: &'a [String],
    /// The builds.
    pub subjects: Subjects<'a>,
    /// How to decide.
    pub policy: Policy,
    /// Sessions take this long, all together: none is begun that would not end by then if it took as
    /// long as those before it.
    pub time_max: Nanos,
    /// Sessions of an earlier run of the same builds.
    pub known: BTreeMap<String, Paired>,
    /// How much slower the current side is made, by work that is added to each of its samples: 0
    /// but where a comparison is itself on trial.
    pub slower: Ppm,
    /// Seeds the sessions.
    pub seed: u64,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Whether the run was interrupted.
    pub stop: Stop<'a>,
    /// Is told what happens.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

impl std::fmt::Debug for Task<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// What a comparison is doing.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// Sessions are beginning, all at the same time.
    Round {
        /// The number of the first of them, from 1.
        first: u64,
        /// How many there are.
        sessions: usize,
        /// Checks and operations that take part.
        items: usize,
    },
    /// A session could not be held, or not of one of its checks.
    Failed(&'a WorkerError),
}

/// Takes sessions until every item is decided, the time is over, or the user interrupts; what the
/// sessions saw of each, by [`Item::id`].
///
/// # Errors
///
/// When workers or servers cannot be started. What the sessions before saw is in `task.known` then.
pub fn run(task: &mut Task<'_>) -> Result<BTreeMap<String, Paired>, WorkerError> {
    let began = task.clock.elapsed();
    let mut failed_starts = 0;
    let directory = temporary_directory()?;
    let watch = (task.clock, task.stop);
    let starters = match task.subjects {
        Subjects::Workers(sides) => {
            let prepared = |side, role| prepared(side, directory.path(), role);
            let anchor = sides.anchor.as_ref().map(|side| prepared(side, "anchor")).transpose()?;
            let sides = Sides {
                baseline: prepared(&sides.baseline, "baseline")?,
                current: prepared(&sides.current, "current")?,
                anchor,
            };
            Starters::Workers(Box::new(Workers { sides, watch }))
        }
        Subjects::Servers(servers) => Starters::Servers(servers.starter(task.contract, watch)),
    };
    let mut known = std::mem::take(&mut task.known);
    let (mut held, mut last_round) = (0, Nanos::ZERO);
    // Why the last round had no session.
    let mut no_session = None;
    loop {
        let is_open = |item: &Item<'_>| is_open(&task.policy, &known, *item);
        let open: Vec<Item<'_>> = task.items.iter().copied().filter(is_open).collect();
        let spent = task.clock.elapsed().saturating_sub(began);
        if open.is_empty() || (task.stop)() {
            break;
        }
        if !is_time_for_more(spent, last_round, task.time_max) {
            if let Some(error) = no_session {
                task.known = known;
                return Err(error);
            }
            break;
        }
        let first = held + 1;
        let places = round::places(&starters, (task.seed, first));
        let sessions = places.len();
        (task.progress)(Progress::Round { first, sessions, items: open.len() });
        let time_of = |item: Item<'_>| {
            let session = known.get(&item.id())?.sessions.first()?;
            session.http.map(|http| http.time)
        };
        let setting = Setting {
            contract: task.contract,
            not_anchored: task.not_anchored,
            policy: &task.policy,
            time_of: &time_of,
            slower: task.slower,
            clock: task.clock,
        };
        let same_processes = task.subjects.are_running();
        let (mut interrupted, mut not_started, mut any_held) = (false, None, false);
        for session in round::hold(&setting, &starters, &open, (task.seed, first), &places) {
            held += 1;
            match session {
                Ok(outcomes) => {
                    any_held = true;
                    for (item, outcome) in outcomes {
                        if let Some(error) = keep(&task.policy, &mut known, item, outcome) {
                            (task.progress)(Progress::Failed(&error));
                        }
                        known.entry(item.id()).or_default().same_processes = same_processes;
                    }
                }
                Err(WorkerError::Interrupted) => interrupted = true,
                Err(error) => not_started = Some(error),
            }
        }
        if interrupted {
            break;
        }
        last_round = task.clock.elapsed().saturating_sub(began).saturating_sub(spent);
        // Once for all of a round, as they wanted the same at the same time.
        if let Some(error) = &not_started {
            (task.progress)(Progress::Failed(error));
            failed_starts += 1;
        }
        no_session = not_started.filter(|_| !any_held || failed_starts >= FAILED_SESSIONS_MAX);
        if failed_starts >= FAILED_SESSIONS_MAX
            && let Some(error) = no_session
        {
            task.known = known;
            return Err(error);
        }
    }
    Ok(known)
}

/// Whether sessions that take as long as the last ones would end in time.
fn is_time_for_more(spent: Nanos, last_round: Nanos, time_max: Nanos) -> bool {
    spent < time_max && spent.saturating_add(last_round) <= time_max
}

/// Whether more sessions of an item are worth their time.
fn is_open(policy: &Policy, known: &BTreeMap<String, Paired>, item: Item<'_>) -> bool {
    known
        .get(&item.id())
        .is_none_or(|paired| !is_given_up(paired) && !is_decided(policy, item.tolerance(), paired))
}

/// Whether so many sessions of a check or operation failed that no more are held.
fn is_given_up(paired: &Paired) -> bool {
    paired.failed_sessions >= FAILED_SESSIONS_MAX
}

/// Why an item could not be measured, where it was tried: it was given up, or no session of it was held
/// while there was time.
pub fn why_unmeasured(paired: &Paired) -> Option<&str> {
    let never = paired.sessions.is_empty() && paired.failed_sessions > 0;
    paired.first_failure.as_deref().filter(|_| never || is_given_up(paired))
}

impl Subjects<'_> {
    /// Whether the same processes answer in all sessions.
    fn are_running(self) -> bool {
        match self {
            Self::Workers(_) => false,
            Self::Servers(servers) => servers.are_running(),
        }
    }
}

/// Adds what became of an item in a session; why it failed, where that is held against it.
fn keep(
    policy: &Policy,
    known: &mut BTreeMap<String, Paired>,
    item: Item<'_>,
    outcome: Result<Session, WorkerError>,
) -> Option<WorkerError> {
    // What is settled by a session that was held at the same time fails no more.
    let is_open = is_open(policy, known, item);
    let paired = known.entry(item.id()).or_default();
    match outcome {
        Ok(session) => paired.sessions.push(session),
        Err(WorkerError::Interrupted) => {}
        Err(error) if is_open => {
            paired.failed_sessions += 1;
            paired.first_failure.get_or_insert_with(|| escaped(&error.recorded()));
            return Some(error);
        }
        Err(_) => {}
    }
    None
}

/// What a side says of its checks.
#[derive(Debug)]
pub struct Observed {
    /// When it was asked, RFC 3339 in UTC.
    pub timestamp: String,
    /// The build of its worker.
    pub build: Build,
    /// What each check does and costs by itself.
    pub measured: Vec<Measured>,
    /// Why checks are missing: the worker died or hung, or the user interrupted.
    pub fault: Option<WorkerError>,
}

/// Asks a side what each check does and costs by itself. What goes wrong with a check is evidence;
/// when the worker is gone, what it said before is kept.
///
/// # Errors
///
/// When the worker cannot be started.
pub fn observe(
    side: &Side,
    checks: &[&Check],
    samples: u32,
    (clock, stop): Watch<'_>,
) -> Result<Observed, WorkerError> {
    let directory = temporary_directory()?;
    let copy = copy_path(directory.path(), "observe");
    let (mut worker, build) = Worker::start(side, &copy, Placement::ANYWHERE, (clock, stop))?;
    let now = || humantime::format_rfc3339_millis(clock.now()).to_string();
    let mut observed = Observed { timestamp: now(), build, measured: Vec::new(), fault: None };
    for check in checks {
        let timestamp = now();
        let question = Question::Observe { check: check.id(), samples };
        let answer = worker.ask(&question, OBSERVE_TIME).and_then(|answer| match answer {
            // What cannot have been observed would be in no passport that verifies.
            Answer::Observed { evidence, bodies } if evidence.validate(check).is_ok() => {
                Ok(Evidence { bodies: *bodies, ..*evidence })
            }
            other => Err(worker.unexpected(&other)),
        });
        match answer {
            Ok(evidence) => observed.measured.push(Measured {
                check: check.id(),
                timestamp,
                evidence,
                baseline: None,
                paired: None,
                instructions: None,
            }),
            Err(fault) => {
                observed.fault = Some(fault);
                break;
            }
        }
    }
    Ok(observed)
}

/// Time to bring a service into the state of a fixture.
const FIXTURE_TIME: Nanos = Nanos::new(120_000_000_000);

/// Time to load a fixture and to measure a check by itself.
const OBSERVE_TIME: Nanos = Nanos::new(300_000_000_000);

#[cfg(test)]
mod tests {
    use super::*;
    use perf_passport::paired::Pairs;

    const CONTRACT: &str = "schema_version = 1\nname = \"a\"\n[[endpoint]]\nname = \"b\"\n\
                            path = \"/b\"\n";

    /// A session without a change.
    fn session(seed: u64) -> Session {
        let pairs = |after: u64| {
            let mut pairs = Pairs::default();
            pairs.push(Nanos::new(1_000_000), Nanos::new(after));
            pairs
        };
        Session {
            seed,
            baseline_ns: Nanos::new(1_000_000),
            iterations: None,
            current: pairs(1_000_000),
            control: pairs(1_000_000),
            injected: pairs(1_050_000),
            anchor: None,
            http: None,
        }
    }

    #[test]
    fn last_words_are_in_no_error_that_is_filed() {
        let (side, message) = ("current".to_owned(), "signal: 9; the key is hunter2".to_owned());
        let died = WorkerError::Died { side, message };
        assert!(died.to_string().contains("hunter2"));
        let expected = "not known: the worker of current died: signal: 9";
        let filed =
            [InstructionsError::from(died.clone()).to_string(), SitesError::from(died).to_string()];
        assert!(filed.iter().all(|it| it.ends_with(expected)), "{filed:?}");
    }

    #[test]
    fn what_never_could_be_held_is_not_measured() {
        let paired = |failed: u64, sessions: &[&str]| Paired {
            sessions: sessions.iter().map(|it| serde_json::from_str(it).unwrap()).collect(),
            failed_sessions: failed,
            first_failure: (failed > 0).then(|| "why".to_owned()),
            ..Paired::default()
        };
        let session = "{\"seed\": 1, \"baseline_ns\": 1, \"current\": \"1\", \
                       \"control\": \"1\", \"injected\": \"1\"}";
        assert_eq!(why_unmeasured(&paired(0, &[])), None);
        assert_eq!(why_unmeasured(&paired(1, &[session])), None);
        assert_eq!(why_unmeasured(&paired(1, &[])), Some("why"));
        assert_eq!(why_unmeasured(&paired(3, &[session])), Some("why"));
    }

    #[test]
    fn no_round_begins_that_would_end_late() {
        let time =
            |spent, last| is_time_for_more(Nanos::new(spent), Nanos::new(last), Nanos::new(75));
        assert!(time(0, 0) && time(73, 2));
        assert!(!time(74, 2) && !time(75, 0));
        assert!(!is_time_for_more(Nanos::ZERO, Nanos::ZERO, Nanos::ZERO));
    }

    #[test]
    fn what_is_decided_cannot_fail_any_more() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let item = Item::Check(&contract.checks[0]);
        let policy = Policy::for_suite(20, true);
        let failed = || Err(WorkerError::AnswersDiffer { side: "current".to_owned() });
        let mut known = BTreeMap::new();
        for _ in 0..2 {
            assert!(keep(&policy, &mut known, item, failed()).is_some());
        }
        for seed in 0..16 {
            assert!(is_open(&policy, &known, item));
            assert_eq!(keep(&policy, &mut known, item, Ok(session(seed))), None);
        }
        assert!(!is_open(&policy, &known, item));
        assert_eq!(keep(&policy, &mut known, item, failed()), None);
        assert_eq!(known[&item.id()].failed_sessions, 2);
        assert_eq!(known[&item.id()].sessions.len(), 16);
    }

    #[test]
    fn what_failed_three_times_is_given_up_and_told_no_more() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let item = Item::Check(&contract.checks[0]);
        let policy = Policy::for_suite(20, true);
        let failed = || Err(WorkerError::AnswersDiffer { side: "current".to_owned() });
        let mut known = BTreeMap::new();
        let told = (0..5).filter_map(|_| keep(&policy, &mut known, item, failed())).count();
        assert_eq!(told, 3);
        assert!(is_given_up(&known[&item.id()]) && !is_open(&policy, &known, item));
    }
}
