//! Sessions of two builds, round after round, until each check is decided.
//!
//! [`hold_sessions`] has fresh copies of all sides take turns until [`perf_passport::paired`] decides
//! every [`Item`], or the time is over. Nothing is decided here.

use std::collections::BTreeMap;

use perf_passport::{
    contract::{Check, Contract},
    paired::{Paired, Policy, Session, is_cold, is_decided},
    text::escaped,
    units::{Count, Nanos, Ppm},
};

use crate::{
    error::WorkerError,
    item::Item,
    round::{self, Round, Starters},
    server_subject::ServerStarter,
    session::{ItemResult, SessionSetting},
    subject::WorkerStarter,
    subjects::Subjects,
    warm_up::WarmSides,
    warm_windows::{WarmUps, Warmth},
    watch::Watch,
    workplace::{prepared, temporary_directory},
};

/// Sessions of a check that may fail before it is given up.
const FAILED_SESSIONS_MAX: u64 = 3;

/// One part of so many of the whole time is what a session warms up for, at most.
const WARM_SHARE: u64 = 18;

/// Servers that take turns beside the floor, without an anchor.
const SIDES_WARMED: u64 = 3;

/// What sessions need beside the sides.
pub struct SessionTask<'a> {
    /// The contract of the current side.
    pub contract: &'a Contract,
    /// The checks and operations that both sides have.
    pub items: Vec<Item<'a>>,
    /// Names of those that the anchor takes no turns of.
    pub not_anchored: &'a [String],
    /// The builds.
    pub subjects: &'a Subjects<'a>,
    /// How to decide.
    pub policy: Policy,
    /// Sessions take this long, all together. No round begins that would end later if it took as long
    /// as the round before it.
    pub time_max: Nanos,
    /// Sessions of an earlier run of the same builds, by [`Item::id`].
    pub known: BTreeMap<String, Paired>,
    /// How much slower the current side is made, by work that is added to each of its samples. It is 0
    /// but where a comparison is itself on trial.
    pub slower: Ppm,
    /// Seeds the sessions.
    pub seed: u64,
    /// The time, and whether the run was interrupted.
    pub watch: Watch<'a>,
    /// Is told what happens.
    pub progress: &'a mut dyn FnMut(SessionProgress<'_>),
}

impl std::fmt::Debug for SessionTask<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionTask").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// What a comparison is doing while it holds sessions.
#[derive(Debug, Clone, Copy)]
pub enum SessionProgress<'a> {
    /// Sessions are beginning, all at the same time.
    Round {
        /// The number of the first of them, from 1.
        first: u64,
        /// How many there are.
        sessions: usize,
        /// Checks, operations and parts of them that take part.
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
pub fn hold_sessions(task: &mut SessionTask<'_>) -> Result<BTreeMap<String, Paired>, WorkerError> {
    let began = task.watch.clock.elapsed();
    let directory = temporary_directory()?;
    let starters = match task.subjects {
        Subjects::Workers(sides) => {
            let prepare = |role: &'static str, side| prepared(side, directory.path(), role);
            let sides = sides.as_ref().as_ref().try_map(prepare)?;
            Starters::Workers(Box::new(WorkerStarter { sides, watch: task.watch }))
        }
        Subjects::Servers(servers) => {
            let checks: Vec<&Check> = task.items.iter().filter_map(Item::check).collect();
            Starters::Servers(Box::new(ServerStarter::new(
                servers,
                task.contract,
                &checks,
                task.watch,
            )))
        }
    };
    let mut known = std::mem::take(&mut task.known);
    let mut rounds = Rounds::default();
    loop {
        // What is left to decide, and whether there is time for it.
        let is_open = |item: &Item<'_>| is_open(&task.policy, &known, *item);
        let open: Vec<Item<'_>> = task.items.iter().copied().filter(is_open).collect();
        let spent = task.watch.clock.elapsed().saturating_sub(began);
        if open.is_empty() || task.watch.is_over() {
            return Ok(known);
        }
        if !is_time_for_more(spent, rounds.last_took, task.time_max) {
            return rounds.end(task, known);
        }

        // One round of sessions, and what they say.
        let ended = rounds.hold_one(task, &starters, &open, &mut known);
        if ended.interrupted {
            return Ok(known);
        }
        let now = task.watch.clock.elapsed().saturating_sub(began);
        rounds.last_took = now.saturating_sub(spent);

        // Sessions that cannot be started again and again never will be.
        rounds.note_failed_start(task, ended);
        if rounds.failed_starts >= FAILED_SESSIONS_MAX && rounds.no_session.is_some() {
            return rounds.end(task, known);
        }
    }
}

/// The rounds that were held so far.
#[derive(Default)]
struct Rounds {
    /// Sessions in all of them.
    held: u64,
    last_took: Nanos,
    /// Rounds of which a session could not be started.
    failed_starts: u64,
    /// Why the last round had no session.
    no_session: Option<WorkerError>,
    /// How the servers of each item were warmed up, in the sessions that explored that.
    warm_ups: BTreeMap<String, WarmUps>,
}

/// How a round ended.
#[derive(Default)]
struct RoundEnd {
    interrupted: bool,
    /// Why a session could not be started.
    not_started: Option<WorkerError>,
    any_held: bool,
}

impl Rounds {
    /// Holds the sessions of a round, and adds what they saw to what is known.
    fn hold_one<'a>(
        &mut self,
        task: &mut SessionTask<'a>,
        starters: &Starters<'_>,
        open: &[Item<'a>],
        known: &mut BTreeMap<String, Paired>,
    ) -> RoundEnd {
        let first = self.held + 1;
        let round = Round::new(starters, task.seed, first);
        let sessions = round.places.len();
        (task.progress)(SessionProgress::Round { first, sessions, items: open.len() });
        let time_of = |item: Item<'_>| {
            let session = known.get(&item.id())?.sessions.first()?;
            session.http.map(|http| http.time)
        };
        let warm_ups = |item: Item<'_>| self.warm_ups.get(&item.id()).cloned().unwrap_or_default();
        let setting = SessionSetting {
            contract: task.contract,
            not_anchored: task.not_anchored,
            policy: &task.policy,
            time_of: &time_of,
            warm_ups: &warm_ups,
            warm_time_max: warm_time_max(task, open.len()),
            slower: task.slower,
            clock: task.watch.clock,
        };
        let held = round::hold(&setting, starters, open, &round);
        let mut end = RoundEnd::default();
        for session in held {
            self.held += 1;
            match session {
                Ok(results) => {
                    end.any_held = true;
                    for result in results {
                        let id = result.item.id();
                        if let Some(error) = self.take_in(&task.policy, known, result) {
                            (task.progress)(SessionProgress::Failed(&error));
                        }
                        let paired = known.entry(id).or_default();
                        paired.same_processes = task.subjects.are_running();
                    }
                }
                Err(WorkerError::Interrupted) => end.interrupted = true,
                Err(error) => end.not_started = Some(error),
            }
        }
        end
    }

    /// Adds what became of an item in a session, and how its servers were warmed up; why it failed, where that is
    /// held against it.
    fn take_in(
        &mut self,
        policy: &Policy,
        known: &mut BTreeMap<String, Paired>,
        ItemResult { item, session, warmed }: ItemResult<'_>,
    ) -> Option<WorkerError> {
        let error = keep(policy, known, item, session);
        let warm_ups = self.warm_ups.entry(item.id()).or_default();
        if let Some(WarmSides { first_window, explored: Some(explored), .. }) = warmed {
            warm_ups.add(first_window, explored);
        }
        if let Warmth::Warm { .. } = warm_ups.warmth() {
            leave_out_cold(policy, item, known.entry(item.id()).or_default());
        }
        error
    }

    /// Tells why a session could not be started: once for all of a round, as they wanted the same at
    /// the same time.
    fn note_failed_start(&mut self, task: &mut SessionTask<'_>, end: RoundEnd) {
        if let Some(error) = &end.not_started {
            (task.progress)(SessionProgress::Failed(error));
            self.failed_starts += 1;
        }
        let is_final = !end.any_held || self.failed_starts >= FAILED_SESSIONS_MAX;
        self.no_session = end.not_started.filter(|_| is_final);
    }

    /// What is known in the end; an error when the last round had no session.
    fn end(
        self,
        task: &mut SessionTask<'_>,
        known: BTreeMap<String, Paired>,
    ) -> Result<BTreeMap<String, Paired>, WorkerError> {
        let Some(error) = self.no_session else { return Ok(known) };
        task.known = known;
        Err(error)
    }
}

/// For how long the servers of a session are warmed up for one of so many items: so that there is time for
/// some sessions more than the first look needs, and as long as the contract allows.
fn warm_time_max(task: &SessionTask<'_>, items: usize) -> Nanos {
    let share = task.time_max.get() / WARM_SHARE / u64::try_from(items).unwrap_or(u64::MAX).max(1);
    let allowed = task.contract.sampling.warm_time_max.saturating_mul(SIDES_WARMED);
    Nanos::new(share).min(allowed)
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

/// Why an item has no result, if it was attempted: it was given up, or no session of it was held while
/// there was time.
pub(crate) fn why_unmeasured(paired: &Paired) -> Option<&str> {
    let never = paired.sessions.is_empty() && paired.failed_sessions > 0;
    paired.first_failure.as_deref().filter(|_| never || is_given_up(paired))
}

/// Leaves out the sessions of an item whose servers were cold, once it is known what warms them up: later ones
/// take their places. What is decided stays as it is. Whether a session is cold is known before it measures,
/// so this favours no side.
fn leave_out_cold(policy: &Policy, item: Item<'_>, paired: &mut Paired) {
    if is_decided(policy, item.tolerance(), paired) {
        return;
    }
    let held = paired.sessions.len();
    paired.sessions.retain(|session| !is_cold(session));
    let left_out = held.saturating_sub(paired.sessions.len());
    paired.cold_sessions = Count::new(paired.cold_sessions.get() + left_out as u64);
}

/// Adds what became of an item in a session; why it failed, where that is held against it.
fn keep(
    policy: &Policy,
    known: &mut BTreeMap<String, Paired>,
    item: Item<'_>,
    session: Result<Session, WorkerError>,
) -> Option<WorkerError> {
    // What is settled by a session that was held at the same time fails no more.
    let is_open = is_open(policy, known, item);
    let paired = known.entry(item.id()).or_default();
    match session {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warm_windows::Took;
    use perf_passport::paired::{ComparedBuilds, FALLING_MAX, OverHttp, Pairs, TimeOf, WarmUp};

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
    fn cold_sessions_are_left_out_until_there_is_a_decision() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let item = Item::Check(&contract.checks[0]);
        let policy = Policy::for_servers(20, ComparedBuilds::Served);
        let served = |seed: u64, falling_ppm| {
            let warmup = Some(WarmUp { samples: Count::new(400), falling_ppm });
            let http = OverHttp {
                time: TimeOf::Service,
                round_trip_ns: Nanos::new(100_000),
                floor_ns: None,
                untold_ppm: Some(0),
                untold_anchor_ppm: None,
                warmup,
            };
            Session { http: Some(http), ..session(seed) }
        };
        let left = |cold: u64, sessions: u64| {
            let falling = |seed| if seed < cold { FALLING_MAX + 1 } else { FALLING_MAX };
            let sessions = (0..sessions).map(|seed| served(seed, falling(seed))).collect();
            let mut paired = Paired { sessions, ..Paired::default() };
            leave_out_cold(&policy, item, &mut paired);
            (paired.sessions.len(), paired.cold_sessions.get())
        };
        assert_eq!((left(4, 5), left(0, 5), left(9, 16)), ((1, 4), (5, 0), (7, 9)));
        assert_eq!(left(4, 16), (16, 0), "it is decided");

        // Three sessions do not tell whether servers are warm, and a fourth does.
        let (mut rounds, mut known) = (Rounds::default(), BTreeMap::new());
        let mut held = |(falling_ppm, first_window)| {
            let flat = Took { trip: Nanos::new(9), ..Took::default() };
            let explored = Some(vec![vec![flat]; 5]);
            let warmed = Some(WarmSides { first_window, explored, ..WarmSides::default() });
            let session = Ok(served(rounds.held, falling_ppm));
            rounds.held += 1;
            assert_eq!(
                rounds.take_in(&policy, &mut known, ItemResult { item, session, warmed }),
                None
            );
            let paired = &known[&item.id()];
            (paired.sessions.len(), paired.cold_sessions.get())
        };
        let cold = FALLING_MAX + 1;
        // The windows of one are of another size.
        let sessions = [(cold, 40), (0, 40), (0, 50), (cold, 40), (0, 40)].map(&mut held);
        assert_eq!(sessions, [(1, 0), (2, 0), (3, 0), (4, 0), (3, 2)]);
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
