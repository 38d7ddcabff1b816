//! The whole of a comparison: from two builds to a passport with its verdicts, and why something got worse.
//!
//! [`ComparisonRequest::run`] finds what both builds can do, asks each what it does and costs by itself,
//! counts instructions, holds sessions, and has [`perf_passport::pipeline`] make the passport of all
//! that. Which arguments a user gave, what is printed and where passports are filed is for whoever calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use perf_passport::{
    claim::Reason,
    contract::{Check, ClaimKind, Contract},
    environment::Build,
    paired::{ComparedBuilds, InstructionCounts, Policy, WhyUncounted},
    passport::{Comparison, HashError, Passport, ProbeKind},
    pipeline::{self, Circumstances},
    store::StoreError,
    units::{Count, Nanos, Ppm},
};

use crate::{
    builds::{BuildSource, Builds},
    causes::{CheckCauses, causes},
    common_items::{ItemSelection, SelectedItems, select_items},
    comparison_error::ComparisonError,
    count_plan::CountPlan,
    error::WorkerError,
    instructions::count_samples,
    item::Item,
    progress::ComparisonProgress,
    session_history::{SessionHistory, SessionStore},
    sessions::{SessionTask, hold_sessions, why_unmeasured},
    side::Side,
    side_runs::{ObservationTask, SideRuns, case_of},
    subjects::Subjects,
    suspects::Suspects,
    temporary::TemporaryDirectory,
    watch::Watch,
    workplace::{temporary_directory, with_caches},
};

/// Two builds that are to be compared, and how.
///
/// ```no_run
/// use perf_passport::{clock::SystemClock, units::Nanos};
/// use perf_passport_compare::{BuildSource, ComparisonRequest, Side, Sides, Watch};
///
/// let contract = std::fs::read_to_string("passport.toml")?;
/// let side = |label: &str, file: &str| Side::of_executable(label, file.into(), contract.clone());
/// let sides = Sides { baseline: side("old", "old"), current: side("new", "new"), anchor: None };
/// let request = ComparisonRequest::of(BuildSource::Executables(Box::new(sides)));
/// let watch = Watch { clock: &SystemClock::start(), stop: &|| false };
/// let outcome = request.run(watch, &mut |_| {})?;
/// println!("{:?}", outcome.passport.gate());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ComparisonRequest<'a> {
    /// The builds.
    pub source: BuildSource<'a>,
    /// Where the contract is; what is recorded of the source tree is that of its directory.
    pub contract_path: &'a Path,
    /// The checks and operations that are compared, of those that both sides have.
    pub selection: ItemSelection<'a>,
    /// How much slower is too much, in percent; the contract's when left out.
    pub regression_percent: Option<f64>,
    /// Sessions take this long, all together.
    pub time_max: Nanos,
    /// Whether instructions of workers are counted, where valgrind is installed.
    pub counts_instructions: bool,
    /// Where sessions are kept from one comparison of the same builds to the next; nowhere when left
    /// out.
    pub sessions_directory: Option<&'a Path>,
    /// How to decide, but for the number of checks; this version's policy when left out. A passport by
    /// another policy is not one that verifies.
    pub policy: Option<Policy>,
}

/// What a comparison came to.
#[derive(Debug)]
pub struct ComparisonOutcome {
    /// The verdicts with their evidence.
    pub passport: Passport,
    /// What was observed of the baseline, whose figures the passport has.
    pub baseline: Passport,
    /// Why checks and operations got worse: of those with a change that failed, and of those that allocate more. This
    /// is advice, and no verdict depends on it.
    pub causes: Vec<CheckCauses>,
    /// Why the comparison was not brought to its end.
    pub fault: Option<String>,
    /// Whether its sessions are there for the next comparison. That they are not takes nothing from
    /// this one.
    pub sessions_kept: Result<(), StoreError>,
}

/// Is told what a comparison is doing.
type Observer<'o> = &'o mut dyn FnMut(ComparisonProgress<'_>);

impl<'a> ComparisonRequest<'a> {
    /// A comparison of all that both sides have, with sessions of 75 seconds that are kept nowhere, of
    /// the contract `passport.toml` here.
    pub fn of(source: BuildSource<'a>) -> Self {
        Self {
            source,
            contract_path: Path::new("passport.toml"),
            selection: ItemSelection::default(),
            regression_percent: None,
            time_max: Nanos::new(75_000_000_000),
            counts_instructions: true,
            sessions_directory: None,
            policy: None,
        }
    }

    /// Compares.
    ///
    /// `progress` is told what happens. [`ComparisonProgress::Decided`] comes before causes are looked
    /// for, and is the time to file the passport.
    ///
    /// # Errors
    ///
    /// [`ComparisonError`] where there is nothing to compare, or nothing could be observed. What goes
    /// wrong later is [`ComparisonOutcome::fault`], beside what was measured until then.
    pub fn run(
        &self,
        watch: Watch<'_>,
        progress: &mut dyn FnMut(ComparisonProgress<'_>),
    ) -> Result<ComparisonOutcome, ComparisonError> {
        // The builds, and the contract of the current one.
        let directory = temporary_directory()?;
        let builds =
            self.with_files(Builds::make(&self.source, directory.path(), watch, progress)?);
        let contract = self.contract(&builds.subjects)?;

        // What both have, and each by itself.
        let selected = select_items(&self.selection, &contract, &builds.subjects, watch)?;
        let checks: Vec<&Check> = selected.items.iter().filter_map(Item::check).collect();
        let operations = selected.items.iter().filter(|it| matches!(it, Item::Case(..))).count();
        progress(ComparisonProgress::Observing { checks: checks.len(), operations });
        let record = self.record(&builds, &selected);
        let Builds { subjects, sources, .. } = builds;
        let is_same_code = record.is_same_code();
        let subjects = &with_shared_caches(subjects, is_same_code, &checks, &directory, watch)?;
        let run = ComparisonRun {
            request: self,
            contract: &contract,
            subjects,
            items: &selected.items,
            watch,
        };

        // The verdicts, and then why something got worse.
        let decided = run.decide(record, sources.as_deref(), progress)?;
        let Verdicts { passport, baseline, fault, sessions_kept } = decided;
        progress(ComparisonProgress::Decided { passport: &passport, baseline: &baseline });
        let causes = run.causes(&passport, progress);
        Ok(ComparisonOutcome { passport, baseline, causes, fault, sessions_kept })
    }

    /// Where the files are that the contract names: in what the current side was built from, or where the
    /// contract is.
    fn files(&self, subjects: &Subjects<'_>) -> PathBuf {
        if let (BuildSource::Refs { .. }, Subjects::Workers(sides)) = (&self.source, subjects) {
            return sides.current.files.clone();
        }
        let parent = self.contract_path.parent();
        parent.filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
    }

    /// The same builds, which are all sent the same files.
    fn with_files<'b>(&self, builds: Builds<'b>) -> Builds<'b> {
        let files = self.files(&builds.subjects);
        let subjects = match builds.subjects {
            Subjects::Workers(sides) => {
                let sides = sides.map(|side| Side { files: files.clone(), ..side });
                Subjects::Workers(Box::new(sides))
            }
            servers @ Subjects::Servers(_) => servers,
        };
        Builds { subjects, ..builds }
    }

    /// The contract of the current side, with the tolerance that was asked for.
    fn contract(&self, subjects: &Subjects<'_>) -> Result<Contract, ComparisonError> {
        let (text, label) = match (&self.source, subjects) {
            (BuildSource::Servers { contract, .. }, _) => (contract, None),
            (_, Subjects::Workers(sides)) => {
                (&sides.current.contract, Some(sides.current.label.clone()))
            }
            (_, Subjects::Servers(_)) => unreachable!("servers come of servers"),
        };
        let contract = Contract::parse(text).map_err(|source| {
            let path = self.contract_path.to_owned();
            ComparisonError::Contract { path, label, source }
        })?;
        let contract = contract.in_directory(self.files(subjects));
        let Some(percent) = self.regression_percent else { return Ok(contract) };
        contract.with_regression_percent(percent).map_err(ComparisonError::Tolerance)
    }

    /// What the passport is to say of the comparison.
    fn record(&self, builds: &Builds<'_>, selected: &SelectedItems<'_>) -> Comparison {
        let items = selected.items.len() as u64;
        let ours = match &builds.subjects {
            Subjects::Workers(_) => Policy::for_suite(items, builds.are_relinked()),
            // What of them is the same is known later.
            Subjects::Servers(_) => Policy::for_servers(items, ComparedBuilds::Served),
        };
        let recorded = builds.recorded.clone();
        Comparison {
            policy: self.policy.map_or(ours, |policy| Policy { checks: ours.checks, ..policy }),
            baseline: recorded.baseline,
            current: recorded.current,
            anchor: recorded.anchor,
            same_code: builds.same_code.clone(),
            mapped_code: None,
            checks_not_compared: selected.not_compared.clone(),
            checks_not_in_anchor: selected.not_anchored.clone(),
        }
    }
}

/// Says how many builds each server has, where they are several.
fn note_builds(record: &mut Comparison, sides: &SideRuns) {
    let several = |builds: Count| Some(builds).filter(|it| *it > Count::new(1)).unwrap_or_default();
    record.baseline.builds = several(sides.builds.baseline);
    record.current.builds = several(sides.builds.current);
    if let Some((anchor, builds)) = record.anchor.as_mut().zip(sides.builds.anchor) {
        anchor.builds = several(builds);
    }
}

/// The same subjects, with workers that need not fill databases before each thing that they do.
fn with_shared_caches<'a>(
    subjects: Subjects<'a>,
    is_same_code: bool,
    checks: &[&Check],
    directory: &TemporaryDirectory,
    watch: Watch<'_>,
) -> Result<Subjects<'a>, WorkerError> {
    match subjects {
        Subjects::Workers(sides) => {
            let sides = with_caches(*sides, is_same_code, checks, directory, watch)?;
            Ok(Subjects::Workers(Box::new(sides)))
        }
        servers @ Subjects::Servers(_) => Ok(servers),
    }
}

/// A comparison of which it is known what is compared.
struct ComparisonRun<'r> {
    request: &'r ComparisonRequest<'r>,
    contract: &'r Contract,
    subjects: &'r Subjects<'r>,
    items: &'r [Item<'r>],
    watch: Watch<'r>,
}

/// What is known before sessions are held.
struct Observed<'o> {
    sides: &'o SideRuns,
    /// What is the same code and did the same.
    same: &'o BTreeSet<String>,
    record: &'o Comparison,
}

fn uncounted(
    plans: &[CountPlan<'_>],
    why: WhyUncounted,
    message: &str,
) -> BTreeMap<String, InstructionCounts> {
    let counts = InstructionCounts::uncounted(why, message);
    plans.iter().map(|plan| (plan.id(), counts.clone())).collect()
}

/// What a comparison came to, without the causes.
struct Verdicts {
    passport: Passport,
    baseline: Passport,
    fault: Option<String>,
    sessions_kept: Result<(), StoreError>,
}

impl ComparisonRun<'_> {
    fn decide(
        &self,
        mut record: Comparison,
        sources: Option<&[String]>,
        progress: Observer<'_>,
    ) -> Result<Verdicts, ComparisonError> {
        // What is known of earlier comparisons.
        let of = |directory| SessionStore::of(directory, &record, sources, self.contract);
        let store = self.request.sessions_directory.map_or(SessionStore::NONE, of);
        let history = store.read(progress);
        record.policy.checks = record.policy.checks.max(history.checks);

        // What each side does by itself.
        let task = ObservationTask {
            contract: self.contract,
            subjects: self.subjects,
            items: self.items,
            not_anchored: &record.checks_not_in_anchor,
            is_same_code: record.is_same_code(),
            watch: self.watch,
        };
        let mut sides = task.observe()?;
        record.mapped_code = sides.mapped_code.take();
        note_builds(&mut record, &sides);
        if matches!(self.subjects, Subjects::Servers(_)) && self.request.policy.is_none() {
            record.policy =
                Policy::for_servers(record.policy.checks.get(), record.compared_servers());
        }
        record.checks_not_in_anchor.append(&mut sides.answers_otherwise);

        // What both do side by side.
        let mut fault = sides.fault.take();
        let mut sessions_kept = Ok(());
        if fault.is_none() {
            let same = self.did_the_same(&sides, &record)?;
            if record.is_same_code() {
                progress(ComparisonProgress::SameCode { items: same.len() });
            }
            self.add_instructions(&mut sides, &same, &record.policy, progress);
            let observed = Observed { sides: &sides, same: &same, record: &record };
            let history = self.hold_sessions(&observed, history, &mut fault, progress);
            sessions_kept = store.write(&history);
            self.add_sessions(&mut sides, &same, &history);
            let mut unmeasured = history.sessions.values().filter_map(why_unmeasured);
            fault = fault.or_else(|| unmeasured.next().map(str::to_owned));
        }

        // The passports of all that.
        sides.after.run.complete &= !self.watch.is_over() && fault.is_none();
        let (baseline, passport) = self.passports(sides, record)?;
        Ok(Verdicts { passport, baseline, fault, sessions_kept })
    }

    /// What is the same code and did the same when it was asked: of that the claims pass without sessions.
    fn did_the_same(
        &self,
        sides: &SideRuns,
        record: &Comparison,
    ) -> Result<BTreeSet<String>, HashError> {
        if !record.is_same_code() {
            return Ok(BTreeSet::new());
        }
        let (_, passport) = self.passports(sides.clone(), record.clone())?;
        let same = passport.claims().filter(|(_, claim)| {
            (claim.kind, claim.reason) == (ClaimKind::LatencyChange, Reason::SameCode)
        });
        let same: BTreeSet<String> = same.map(|(subject, _)| subject.to_string()).collect();
        // With an anchor sessions are held, and decide.
        let items = self.items.iter().filter(|item| !item.is_anchored_in(record));
        let items = items.filter(|item| same.contains(&item.subject_id()));
        Ok(items.map(Item::id).collect())
    }

    /// Counts what both sides execute of each item, or says why nobody does; of those that are the same
    /// code nobody needs to.
    fn add_instructions(
        &self,
        sides: &mut SideRuns,
        same: &BTreeSet<String>,
        policy: &Policy,
        progress: Observer<'_>,
    ) {
        let plans = self.items.iter().filter(|item| !same.contains(&item.id()));
        let plans: Vec<CountPlan<'_>> = plans.filter_map(|item| sides.plan(*item)).collect();
        let (plans, too_long): (Vec<_>, Vec<_>) =
            plans.into_iter().partition(|plan| plan.why_not_counted().is_none());
        let mut counts = match self.subjects {
            _ if plans.is_empty() => BTreeMap::new(),
            Subjects::Workers(workers) if self.request.counts_instructions => {
                progress(ComparisonProgress::CountingInstructions { items: plans.len() });
                count_samples(workers, &plans, policy, self.watch, &mut |_| {})
            }
            Subjects::Workers(_) => {
                let message = "instructions were not counted: --no-instructions";
                uncounted(&plans, WhyUncounted::LeftOut, message)
            }
            Subjects::Servers(_) => {
                let message = "instructions are counted of workers, and not of servers";
                uncounted(&plans, WhyUncounted::Servers, message)
            }
        };
        for plan in too_long {
            let message = plan.why_not_counted().unwrap_or_default();
            counts.extend(uncounted(&[plan], WhyUncounted::Failed, &message));
        }
        for measured in &mut sides.after.run.measured {
            measured.instructions = counts.remove(&measured.check);
        }
        for item in self.items.iter().filter(|it| matches!(it, Item::Case(..))) {
            if let Some(case) = case_of(&mut sides.after.run.operations, *item) {
                case.instructions = counts.remove(&item.id());
            }
        }
    }

    /// Holds sessions of what can be compared; all that is known then. Why no more could be held is the
    /// fault.
    fn hold_sessions(
        &self,
        &Observed { sides, same, record }: &Observed<'_>,
        history: SessionHistory,
        fault: &mut Option<String>,
        progress: Observer<'_>,
    ) -> SessionHistory {
        let is_worth_sessions = |item: &Item<'_>| {
            // Of changed work only the change since the anchor can be told.
            let decides = sides.are_same_work(*item) || item.is_anchored_in(record);
            decides && !same.contains(&item.id()) && sides.are_comparable(*item)
        };
        let items: Vec<Item<'_>> = self.items.iter().copied().filter(is_worth_sessions).collect();
        if items.is_empty() {
            return history;
        }
        let known = history.for_items(record, self.items);
        let has_sessions =
            |item: &&Item<'_>| known.get(&item.id()).is_some_and(|it| !it.sessions.is_empty());
        let kept = items.iter().filter(has_sessions).count();
        if kept > 0 {
            progress(ComparisonProgress::SessionsKept { items: kept });
        }
        let mut task = SessionTask {
            contract: self.contract,
            items,
            not_anchored: &record.checks_not_in_anchor,
            subjects: self.subjects,
            policy: record.policy,
            time_max: self.request.time_max,
            known,
            slower: Ppm::new(0),
            seed: uuid::Uuid::now_v7().as_u64_pair().1,
            watch: self.watch,
            progress: &mut |it| progress(ComparisonProgress::Sessions(it)),
        };
        let sessions = hold_sessions(&mut task).unwrap_or_else(|error| {
            *fault = Some(error.to_string());
            std::mem::take(&mut task.known)
        });
        SessionHistory { checks: record.policy.checks, sessions }
    }

    /// Adds what is decided by sessions; of the same code none are needed, of earlier comparisons either.
    fn add_sessions(
        &self,
        sides: &mut SideRuns,
        same: &BTreeSet<String>,
        history: &SessionHistory,
    ) {
        let known = |id: &str| history.sessions.get(id).filter(|_| !same.contains(id)).cloned();
        for measured in &mut sides.after.run.measured {
            measured.paired = known(&measured.check);
        }
        for item in self.items {
            let Some(case) = case_of(&mut sides.after.run.operations, *item) else { continue };
            let known = known(&item.id());
            match item {
                Item::Part(_, _, part) => {
                    case.paired_parts.extend(known.map(|it| (part.name().to_owned(), it)));
                }
                _ => case.paired = known,
            }
        }
    }

    /// The passports of the baseline and of the comparison.
    fn passports(
        &self,
        sides: SideRuns,
        record: Comparison,
    ) -> Result<(Passport, Passport), HashError> {
        let probe = match self.subjects {
            Subjects::Workers(_) => ProbeKind::InProcess,
            Subjects::Servers(_) => ProbeKind::Http,
        };
        let target = record.current.url.clone().unwrap_or_else(|| self.contract.name.clone());
        let circumstances = |build: Option<Build>, comparison: Option<Comparison>| {
            let here = self.request.contract_path.parent();
            let here = here.filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut circumstances = Circumstances::current(probe, target.as_str(), here);
            circumstances.provenance.build = build;
            circumstances.comparison = comparison;
            circumstances
        };
        let SideRuns { before, after, .. } = sides;
        let around = circumstances(before.build, None);
        let baseline = pipeline::passport(self.contract, before.run, around, None)?;
        let around = circumstances(after.build, Some(record));
        let passport = pipeline::passport(self.contract, after.run, around, Some(&baseline))?;
        Ok((baseline, passport))
    }

    /// Looks into what got worse; nobody knows the inside of a server.
    fn causes(&self, passport: &Passport, progress: Observer<'_>) -> Vec<CheckCauses> {
        let Subjects::Workers(sides) = self.subjects else { return Vec::new() };
        let Suspects { looked_into, left_out } =
            Suspects::of(passport, self.items, self.request.counts_instructions);
        if looked_into.is_empty() || self.watch.is_over() {
            return Vec::new();
        }
        let items = looked_into.len();
        progress(ComparisonProgress::SeekingCauses { items, left_out });
        causes(sides, &looked_into, self.watch)
    }
}
