//! Operations in a worker: what a target lends it, and the questions about them.

use std::io;

use super::{
    protocol::{Answer, Question},
    serve::Worker,
};
use crate::{
    clock::SystemClock,
    contract::{Operation, Sampling},
    operation::CaseEvidence,
    pipeline::{CodeTurns, Iterations},
    units::Nanos,
};

/// The operations that a target declares. Code that panics is an error or evidence of it here, and
/// ends nothing.
pub trait Operations {
    /// Their names.
    fn names(&self) -> Vec<String>;

    /// Measures an operation at one size in one pass over its sizes, counted from 0.
    ///
    /// # Errors
    ///
    /// When the target does not declare it, or there is no such pass.
    fn observe(
        &self,
        operation: &Operation,
        size: Option<u64>,
        sampling: &Sampling,
        pass: u32,
    ) -> Result<ObservedPass, String>;

    /// Makes an operation ready to run at one size.
    ///
    /// # Errors
    ///
    /// When the target does not declare it, or the message of a panic.
    fn prepare(&self, name: &str, size: Option<u64>) -> Result<Box<dyn Iterations + '_>, String>;
}

/// What was observed of an operation at one size in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedPass {
    /// The evidence; what is counted is in that of the first pass.
    pub evidence: CaseEvidence,
    /// How many passes there are.
    pub passes: u32,
}

impl Worker<'_> {
    /// Answers a question about code, and those that follow from it; the next one that does not.
    pub(super) fn answer_code(
        &mut self,
        operations: &dyn Operations,
        question: Question,
    ) -> io::Result<Option<Question>> {
        let answer = match question {
            Question::PrepareCase { operation, size, blocks, time } => {
                match operations.prepare(&operation, size) {
                    Ok(code) => return self.iterate(code, (blocks, time)),
                    Err(message) => Answer::Failed(message),
                }
            }
            Question::ObserveCase { operation, size, samples, pass } => {
                self.observe_case(operations, (&operation, size), (samples, pass))
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
