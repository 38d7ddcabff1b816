//! Workers that do the jobs of the queue, as tasks of this process.
//!
//! [`Workers::start`] runs one task that claims as many jobs as there are free workers, and one task
//! for each job that is done. A job that fails to be recorded keeps its claim, and is claimed again when
//! that ends, here or by another process. [`Workers::stop`] lets running jobs finish. No task of a
//! worker belongs to a request, so no request is charged for one.

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout_at},
};

use super::{
    database::DatabaseError,
    moment::Moment,
    organism::{self, Occasion, Run},
    queue::{self, Claim, Completion, Job},
    state::LedgerState,
    statements,
};
use perf_passport_meter::units::{Count, Nanos};

/// A job that was claimed more often ends as a run that failed: it may be what kills its workers.
const CLAIMS_MAX: u64 = 10;
/// From one try to record a run to the next.
const RETRY: Duration = Duration::from_millis(100);

/// How jobs are done.
#[derive(Debug, Clone, Copy)]
pub struct WorkSettings {
    /// Jobs that are done at once at most.
    pub workers: NonZeroUsize,
    /// How long a claim holds. The jobs of a process that was killed wait so long.
    pub lease: Duration,
    /// How often the database is asked for jobs that other processes accepted or lost.
    pub poll: Duration,
}

impl Default for WorkSettings {
    /// 2 workers, claims of 5 s, and a look at the database each second.
    fn default() -> Self {
        Self {
            workers: const { NonZeroUsize::new(2).expect("2 is not zero") },
            lease: Duration::from_secs(5),
            poll: Duration::from_secs(1),
        }
    }
}

/// What is done with the jobs that wait when workers are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// They stay in the database for the next start.
    Keep,
    /// They are done: a database in memory ends with the process.
    Finish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping(Waiting),
}

/// Workers that run. Dropping them ends them at once, as a crash would.
#[derive(Debug)]
pub struct Workers {
    phase: watch::Sender<Phase>,
    dispatcher: JoinHandle<()>,
}

impl Workers {
    /// Starts to do jobs. Call it within a Tokio runtime.
    pub fn start(state: LedgerState, settings: WorkSettings) -> Self {
        let (phase, told) = watch::channel(Phase::Running);
        if let Some(watch) = state.watched() {
            let workers = u64::try_from(settings.workers.get()).unwrap_or(u64::MAX);
            watch.queue().set_workers(Count::new(workers));
        }
        let dispatcher = Dispatcher {
            slots: Arc::new(Semaphore::new(settings.workers.get())),
            running: JoinSet::new(),
            claims: 0,
            state,
            settings,
            told,
        };
        Self { phase, dispatcher: tokio::spawn(dispatcher.run()) }
    }

    /// Claims no more jobs, or does all that wait, and lets the jobs that run finish, for at most `grace`.
    pub async fn stop(mut self, waiting: Waiting, grace: Duration) {
        self.phase.send_replace(Phase::Stopping(waiting));
        // Beyond the grace, or after a panic, claims end by themselves and the jobs are done again.
        drop(tokio::time::timeout(grace, &mut self.dispatcher).await);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.dispatcher.abort();
    }
}

/// The task that claims.
struct Dispatcher {
    state: LedgerState,
    settings: WorkSettings,
    told: watch::Receiver<Phase>,
    slots: Arc<Semaphore>,
    running: JoinSet<()>,
    claims: u64,
}

impl Dispatcher {
    async fn run(mut self) {
        loop {
            let Some(free) = self.free_workers().await else { break };
            let draining = self.phase() == Phase::Stopping(Waiting::Finish);
            match self.claim(free).await {
                Ok(0) if draining && self.running.is_empty() => break,
                Ok(0) => self.pause(self.settings.poll).await,
                Ok(_) => {}
                Err(error) => {
                    (self.state.settings().report)(&error);
                    self.pause(self.settings.poll).await;
                }
            }
            while self.running.try_join_next().is_some() {}
        }
        while self.running.join_next().await.is_some() {}
    }

    /// A permit for each worker that is free, at least one; none where no more jobs are claimed.
    async fn free_workers(&mut self) -> Option<Vec<OwnedSemaphorePermit>> {
        let keep = |phase: &Phase| *phase == Phase::Stopping(Waiting::Keep);
        let first = tokio::select! {
            biased;
            _ = self.told.wait_for(keep) => return None,
            permit = Arc::clone(&self.slots).acquire_owned() => permit.ok()?,
        };
        let mut free = vec![first];
        while let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
            free.push(permit);
        }
        Some(free)
    }

    /// Claims a job for each free worker at most, and starts them.
    async fn claim(&mut self, free: Vec<OwnedSemaphorePermit>) -> Result<usize, DatabaseError> {
        self.claims += 1;
        let name: Arc<str> = format!("{}-{}", self.state.instance(), self.claims).into();
        let now = self.state.moment();
        let claim = Claim { name: &name, jobs: free.len(), now, lease: self.settings.lease };
        let claimed_until = Instant::now() + self.settings.lease;
        let jobs = queue::claim(self.state.database(), claim).await?;
        let count = jobs.len();
        for (job, permit) in jobs.into_iter().zip(free) {
            let claimed = ClaimedJob {
                state: self.state.clone(),
                job,
                name: Arc::clone(&name),
                at: now,
                lease: self.settings.lease,
                until: claimed_until,
            };
            self.running.spawn(async move {
                claimed.work().await;
                drop(permit);
            });
        }
        Ok(count)
    }

    /// Waits for a new job, a finished one while the queue is drained, the end, or so long.
    async fn pause(&mut self, limit: Duration) {
        let draining = self.phase() != Phase::Running;
        tokio::select! {
            biased;
            _ = self.told.changed(), if !draining => {}
            _ = self.running.join_next(), if draining && !self.running.is_empty() => {}
            () = self.state.job_accepted() => {}
            () = tokio::time::sleep(limit) => {}
        }
    }

    fn phase(&self) -> Phase {
        *self.told.borrow()
    }
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Its run is recorded, and closed its loop.
    Done,
    /// Its run is recorded as one that failed.
    Failed,
    /// The claim ended before the run was recorded: the job is done again.
    Lost,
}

/// A job that one worker does.
struct ClaimedJob {
    state: LedgerState,
    job: Job,
    /// The name of the claim, its moment, how long it holds, and until when.
    name: Arc<str>,
    at: Moment,
    lease: Duration,
    until: Instant,
}

impl ClaimedJob {
    async fn work(self) {
        let watch = self.state.watched();
        let waited = self.job.event.as_ref().map(|_| micros(self.latency_us(self.at)));
        // The database keeps the job until its run is recorded.
        let running = watch.map(|watch| watch.queue().started(waited).kept());
        // What takes longer than the claim holds would be done twice.
        let done = timeout_at(self.until, async {
            match self.run().await {
                Ok(run) => Some(self.record(run).await),
                Err(error) => {
                    self.report(&error);
                    None
                }
            }
        });
        let outcome = if let Ok(outcome) = done.await {
            outcome.unwrap_or(Outcome::Lost)
        } else {
            self.report(&DatabaseError::TimedOut(self.lease));
            Outcome::Lost
        };
        match (running, outcome) {
            (Some(running), Outcome::Done) => running.done(),
            (Some(running), Outcome::Failed) => running.failed(),
            (_, Outcome::Lost) | (None, _) => {}
        }
    }

    async fn run(&self) -> Result<Run, DatabaseError> {
        let at_us = self.job.event.as_ref().map_or(0, |event| event.at_us);
        let occasion = Occasion { job: self.job.id, at_us };
        if self.job.claims > CLAIMS_MAX {
            return Ok(organism::failed(occasion));
        }
        let found = statements::derivation(self.state.database(), self.job.statement).await?;
        let run = found.and_then(|derivation| {
            let questions = 1 + derivation.premises.len();
            let _timer = self.state.watched().map(|watch| watch.timer(questions));
            // Nothing is shared with what panicked, so nothing half done is seen.
            catch_unwind(AssertUnwindSafe(|| organism::run(occasion, &derivation))).ok()
        });
        Ok(run.unwrap_or_else(|| organism::failed(occasion)))
    }

    /// Records the run, again and again while the database fails and the claim holds.
    async fn record(&self, run: Run) -> Outcome {
        loop {
            let now = self.state.moment();
            let latency_us = self.latency_us(now);
            let completion =
                Completion { job: &self.job, claimed_by: &self.name, run, latency_us, now };
            match queue::complete(self.state.database(), completion).await {
                Ok(true) => {
                    if let Some(watch) = self.state.watched() {
                        watch.run_recorded(micros(latency_us));
                    }
                    return if run.completed { Outcome::Done } else { Outcome::Failed };
                }
                Ok(false) => return Outcome::Lost,
                Err(error) => self.report(&error),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// From the event until `now`; from the claim where there was no event.
    fn latency_us(&self, now: Moment) -> u64 {
        match &self.job.event {
            Some(event) if event.instance == self.state.instance() => {
                now.elapsed_us().saturating_sub(event.elapsed_us)
            }
            Some(event) => now.us_since(event.at_us),
            None => now.elapsed_us().saturating_sub(self.at.elapsed_us()),
        }
    }

    fn report(&self, error: &DatabaseError) {
        (self.state.settings().report)(error);
    }
}

fn micros(us: u64) -> Nanos {
    Nanos::new(us.saturating_mul(1_000))
}
