//! Answering questions until the other end is closed.

use std::{
    io::{self, BufReader},
    os::{fd::AsFd, unix::net::UnixStream},
    process::ExitCode,
    sync::mpsc,
    thread,
};

use super::{
    added_work,
    operations::Operations,
    protocol::{self, Answer, Question, Seen, VERSION},
};
use crate::{
    clock::SystemClock,
    contract::{Check, Contract},
    environment::Build,
    passport::MeasuredCheck,
    pipeline::{self, RunContext, Turns, Work},
    probe::{PlanError, Probe, SamplePlan, Target},
    text::printable,
    units::Nanos,
};

/// Makes the target of a contract.
type TargetMaker<'a> = dyn FnOnce(&Contract) -> Box<dyn Target + Send> + 'a;

/// What a target has to be measured.
pub struct Offered<'a> {
    /// Makes its service, where it has one.
    pub target: Option<Box<TargetMaker<'a>>>,
    /// The operations that it declares.
    pub operations: &'a dyn Operations,
}

impl std::fmt::Debug for Offered<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offered")
            .field("operations", &self.operations.names())
            .finish_non_exhaustive()
    }
}

/// Serves the process's standard input, which must be a socket; returns at its end.
///
/// The process ends at once when the other end is closed, also in the middle of a sample: a worker
/// never outlives the comparison that started it.
#[expect(clippy::print_stderr, reason = "there is nobody else to tell")]
pub fn serve_stdin(offered: Offered<'_>, environment: &dyn Fn(&str) -> Option<String>) -> ExitCode {
    let served = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(UnixStream::from)
        .and_then(|stream| serve(&stream, offered, environment));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {}", printable(error.to_string().as_bytes(), 300));
            ExitCode::from(3)
        }
    }
}

fn serve(
    stream: &UnixStream,
    Offered { target, operations }: Offered<'_>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> io::Result<()> {
    let questions = questions(stream.try_clone()?);
    let Ok(first) = questions.recv() else { return Ok(()) };
    let mut line = Conversation { questions, stream };
    let ready = match first? {
        Question::Hello { version: VERSION, contract, directory } => Contract::parse(&contract)
            .map(|contract| contract.in_directory(directory.unwrap_or_else(|| ".".into())))
            .map(|contract| (target.map(|make| make(&contract)), contract))
            .map_err(|error| error.to_string()),
        Question::Hello { version, .. } => {
            Err(format!("the worker speaks version {VERSION} and not {version}: rebuild it"))
        }
        _ => Err("the first question was not the contract".to_owned()),
    };
    match ready {
        Err(message) => line.answer(&Answer::Failed(message)),
        Ok((mut target, contract)) => {
            line.answer(&Answer::Ready { build: Build::current() })?;
            let work = Work::new(added_work());
            let mut worker = Worker { contract: &contract, environment, line, work };
            let mut next = worker.line.next()?;
            while let Some(question) = next {
                next = match question {
                    Question::Offers => {
                        let (service, operations) = (target.is_some(), operations.names());
                        worker.line.answer(&Answer::Offers { service, operations })?;
                        worker.line.next()?
                    }
                    Question::ObserveCase { .. }
                    | Question::PrepareCase { .. }
                    | Question::InstructionsCase { .. }
                    | Question::AllocationSitesCase { .. }
                    | Question::Iterate { .. } => worker.answer_code(operations, question)?,
                    _ => {
                        if let Some(target) = &mut target {
                            worker.answer(target.as_mut(), question)?
                        } else {
                            let message = "this target has no service".to_owned();
                            worker.line.answer(&Answer::Failed(message))?;
                            worker.line.next()?
                        }
                    }
                };
            }
            Ok(())
        }
    }
}

/// Reads questions on a thread of its own, which ends the process at the end of the stream.
#[expect(clippy::exit, reason = "the main thread may be in a request that never ends")]
fn questions(stream: UnixStream) -> mpsc::Receiver<io::Result<Question>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        loop {
            match protocol::read::<Question>(&mut stream).transpose() {
                None => std::process::exit(0),
                Some(question) => {
                    let broken = question.is_err();
                    if sender.send(question).is_err() || broken {
                        return;
                    }
                }
            }
        }
    });
    receiver
}

/// The line to the comparison.
pub(super) struct Conversation<'a> {
    questions: mpsc::Receiver<io::Result<Question>>,
    stream: &'a UnixStream,
}

impl Conversation<'_> {
    pub(super) fn next(&mut self) -> io::Result<Option<Question>> {
        self.questions.recv().ok().transpose()
    }

    pub(super) fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        protocol::write(&mut &*self.stream, answer)
    }
}

/// A check with its plan, and a probe of the service in the state that it needs.
type Prepared<'t> = (Check, SamplePlan, Box<dyn Probe + 't>);

pub(super) struct Worker<'a> {
    pub(super) contract: &'a Contract,
    environment: &'a dyn Fn(&str) -> Option<String>,
    pub(super) line: Conversation<'a>,
    /// What is added to samples that are to take longer.
    pub(super) work: Work,
}

impl Worker<'_> {
    /// Answers a question, and those that follow from it; the next one that does not.
    fn answer(
        &mut self,
        target: &mut dyn Target,
        question: Question,
    ) -> io::Result<Option<Question>> {
        match question {
            Question::Observe { check, samples } => {
                let answer = self.observe(target, &check, samples);
                self.line.answer(&answer)?;
                self.line.next()
            }
            Question::Prepare { check, samples, time } => {
                self.take_turns(target, &check, (samples, time))
            }
            Question::Instructions { check, warmup, samples } => {
                let answer = self.execute(target, &check, (warmup, samples));
                self.line.answer(&answer)?;
                self.line.next()
            }
            Question::AllocationSites { check, warmup } => {
                let answer = self.allocation_sites(target, &check, warmup);
                self.line.answer(&answer)?;
                self.line.next()
            }
            _ => {
                self.line.answer(&Answer::Failed("asked out of order".to_owned()))?;
                self.line.next()
            }
        }
    }

    fn check(&self, id: &str) -> Result<&Check, String> {
        self.contract.check(id).ok_or_else(|| format!("the worker has no check `{id}`"))
    }

    fn observe(&self, target: &mut dyn Target, id: &str, samples: u32) -> Answer {
        let mut contract = self.contract.clone();
        contract.sampling.samples = samples;
        let clock = SystemClock::start();
        let mut context = RunContext {
            target,
            clock: &clock,
            environment: self.environment,
            stop: &|| false,
            progress: &mut |_| {},
        };
        match pipeline::measure(&contract, &mut context, &|check| check.has_id(id)) {
            Err(missing) => Answer::Failed(missing.to_string()),
            Ok(run) => match run.measured.into_iter().next() {
                Some(MeasuredCheck { mut evidence, .. }) => Answer::Observed {
                    bodies: Box::new(std::mem::take(&mut evidence.bodies)),
                    evidence: Box::new(evidence),
                },
                None => Answer::Failed(format!("the worker has no check `{id}`")),
            },
        }
    }

    /// Makes everything ready for a check's requests.
    fn prepare<'t>(&self, target: &'t mut dyn Target, id: &str) -> Result<Prepared<'t>, String> {
        let check = self.check(id)?;
        let plan = SamplePlan::new(check, &self.contract.directory, self.environment);
        let plan = plan.map_err(|error| match error {
            PlanError::Variable(name) => format!("environment variable {name} is not set"),
            PlanError::Input(problem) => problem,
        })?;
        let probe = target.probe(check).map_err(|error| error.to_string())?;
        Ok((check.clone(), plan, probe))
    }

    /// Takes samples whose instructions somebody else counts, of this check. Other checks are
    /// asked for next; where they share a service, it is there already: under a program that counts, it
    /// takes longer to bring a service into a state than to ask it.
    fn execute(&self, target: &mut dyn Target, id: &str, (warmup, samples): (u32, u32)) -> Answer {
        let clock = SystemClock::start();
        let executed = self.prepare(target, id).and_then(|(check, plan, mut probe)| {
            let mut turns = Turns::new(check, plan, &clock);
            let taken = turns.instructions(probe.as_mut(), warmup, samples);
            let ended = turns.end(probe.as_mut());
            taken.and_then(|it| ended.map(|()| it)).map_err(|error| error.to_string())
        });
        match executed {
            Err(message) => Answer::Failed(message),
            Ok(response) => Answer::Executed { response: response.map(Seen::from) },
        }
    }

    /// Takes a sample under dhat.
    #[cfg(feature = "oracle")]
    fn allocation_sites(&self, target: &mut dyn Target, id: &str, warmup: u32) -> Answer {
        let asked = self.prepare(target, id).and_then(|(check, plan, mut probe)| {
            let clock = SystemClock::start();
            let mut turns = Turns::new(check, plan, &clock);
            // As under callgrind: without a timeout, and where the work can be told from the probe's.
            let mut take = |warmup, samples| {
                let taken = turns.instructions(probe.as_mut(), warmup, samples);
                taken.map_err(|error| error.to_string())
            };
            let warm = take(warmup, 0)?;
            let (taken, sites) = super::sites::watched(|| take(0, 1))?;
            let alike =
                |it: &pipeline::ResponseFingerprint| warmup == 0 || warm.as_ref() == Some(it);
            Ok((sites, taken.filter(alike)))
        });
        match asked {
            Err(message) => Answer::Failed(message),
            Ok((sites, response)) => {
                Answer::Allocated { sites, response: response.map(Seen::from) }
            }
        }
    }

    #[cfg(not(feature = "oracle"))]
    #[expect(clippy::unused_self, reason = "the signature with the feature")]
    fn allocation_sites(&self, _: &mut dyn Target, _: &str, _: u32) -> Answer {
        Answer::Failed("build the harness with the feature `oracle`".to_owned())
    }

    /// Warms a check up and takes its batches, until another question is asked.
    fn take_turns(
        &mut self,
        target: &mut dyn Target,
        id: &str,
        (samples, time): (u32, Nanos),
    ) -> io::Result<Option<Question>> {
        let (check, plan, mut probe) = match self.prepare(target, id) {
            Ok(prepared) => prepared,
            Err(message) => {
                self.line.answer(&Answer::Failed(message))?;
                return self.line.next();
            }
        };
        let clock = SystemClock::start();
        let work = std::mem::take(&mut self.work);
        let mut turns = Turns::new(check, plan, &clock).with_work(work);
        let answer = match turns.warm_up(probe.as_mut(), samples, time) {
            Err(error) => Answer::Failed(error.to_string()),
            Ok((_, None)) => Answer::Failed("no sample to warm up".to_owned()),
            Ok((latency_ns, Some(seen))) => Answer::Prepared { latency_ns, response: seen.into() },
        };
        self.line.answer(&answer)?;
        loop {
            let Some(question) = self.line.next()? else { return Ok(None) };
            let Question::Batch { samples, slower_ppm } = question else {
                // What is left of a state that ends here disturbs nobody.
                let _ = turns.end(probe.as_mut());
                self.work = turns.into_work();
                return Ok(Some(question));
            };
            let answer = match turns.batch(probe.as_mut(), samples, slower_ppm) {
                Err(error) => Answer::Failed(error.to_string()),
                Ok(batch) => Answer::Samples {
                    latencies_ns: batch.latencies,
                    response: batch.seen.map(Seen::from),
                },
            };
            self.line.answer(&answer)?;
        }
    }
}

impl From<pipeline::ResponseFingerprint> for Seen {
    fn from(seen: pipeline::ResponseFingerprint) -> Self {
        Self { statuses: seen.statuses, body_sha256: seen.body_sha256 }
    }
}
