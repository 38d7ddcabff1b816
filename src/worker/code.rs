//! Operations in a worker: the questions about them.

use std::io;

use super::{
    operations::{ObservedPass, Operations},
    protocol::{Answer, Question},
    serve::Worker,
};
use crate::{
    clock::SystemClock,
    contract::Sampling,
    pipeline::{CodeTurns, CountedSamples, Iterations, run_counted},
    units::Nanos,
};

impl Worker<'_> {
    /// Answers a question about code, and those that follow from it; the next one that does not.
    pub(super) fn answer_code(
        &mut self,
        operations: &dyn Operations,
        question: Question,
    ) -> io::Result<Option<Question>> {
        let answer = match question {
            Question::PrepareCase { operation, size, part, blocks, time } => {
                let prepared = match part {
                    None => operations.prepare(&operation, size),
                    Some(part) => operations.prepare_part(&operation, size, &part),
                };
                match prepared {
                    Ok(code) => return self.iterate(code, (blocks, time)),
                    Err(message) => Answer::Failed(message),
                }
            }
            Question::ObserveCase { operation, size, samples, pass } => {
                self.observe_case(operations, (&operation, size), (samples, pass))
            }
            Question::InstructionsCase { operation, size, warmup, samples, iterations } => {
                let counted = CountedSamples { warmup, samples, iterations };
                let prepared = operations.prepare(&operation, size);
                match prepared.and_then(|mut code| run_counted(code.as_mut(), counted)) {
                    Ok(()) => Answer::ExecutedCase,
                    Err(message) => Answer::Failed(message),
                }
            }
            Question::AllocationSitesCase { operation, size, warmup } => {
                sites_of_case(operations, (&operation, size), warmup)
            }
            _ => Answer::Failed("asked out of order".to_owned()),
        };
        self.line.answer(&answer)?;
        self.line.next()
    }

    fn observe_case(
        &self,
        operations: &dyn Operations,
        (name, size): (&str, Option<u64>),
        (samples, pass): (u32, u32),
    ) -> Answer {
        let Some(operation) = self.contract.operation(name) else {
            return Answer::Failed(format!("the worker has no operation `{name}`"));
        };
        let sampling = Sampling { samples, ..self.contract.sampling };
        match operations.observe(operation, size, &sampling, pass) {
            Ok(ObservedPass { evidence, passes }) => {
                Answer::ObservedCase { evidence: Box::new(evidence), passes }
            }
            Err(message) => Answer::Failed(message),
        }
    }

    /// Warms the code up and takes its batches, until another question is asked.
    fn iterate(
        &mut self,
        code: Box<dyn Iterations + '_>,
        (blocks, time): (u32, Nanos),
    ) -> io::Result<Option<Question>> {
        let clock = SystemClock::start();
        let mut turns = CodeTurns::new(code, &clock, std::mem::take(&mut self.work));
        let answer = match turns.warm_up(blocks, time) {
            Ok((iterations, time_ns)) => Answer::PreparedCase { iterations, time_ns },
            Err(message) => Answer::Failed(message),
        };
        self.line.answer(&answer)?;
        loop {
            let Some(question) = self.line.next()? else { return Ok(None) };
            let Question::Iterate { samples, iterations, slower_ppm } = question else {
                self.work = turns.into_work();
                return Ok(Some(question));
            };
            let answer = match turns.batch(samples, iterations, slower_ppm) {
                Ok(latencies_ns) => Answer::Iterated { latencies_ns },
                Err(message) => Answer::Failed(message),
            };
            self.line.answer(&answer)?;
        }
    }
}

/// Runs one iteration under dhat.
#[cfg(feature = "oracle")]
fn sites_of_case(
    operations: &dyn Operations,
    (name, size): (&str, Option<u64>),
    warmup: u32,
) -> Answer {
    let found = operations.prepare(name, size).and_then(|mut code| {
        code.run(u64::from(warmup))?;
        let one = CountedSamples { warmup: 0, samples: 1, iterations: 1 };
        super::sites::watched(|| run_counted(code.as_mut(), one))
    });
    match found {
        Ok(((), sites)) => Answer::AllocatedCase { sites },
        Err(message) => Answer::Failed(message),
    }
}

#[cfg(not(feature = "oracle"))]
fn sites_of_case(_: &dyn Operations, _: (&str, Option<u64>), _: u32) -> Answer {
    Answer::Failed("build the harness with the feature `oracle`".to_owned())
}
