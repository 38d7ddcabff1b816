//! The messages between a comparison and its workers: JSON, one line each, one answer for each
//! question.

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    allocation::AllocationSite,
    environment::Build,
    evidence::{Bodies, Evidence},
    operation::CaseEvidence,
    units::{Nanos, Ppm},
};

/// Changes when a message does that a comparison cannot do without; both ends must speak the same. A
/// worker that does not know a question ends, so what is only asked for advice may be added.
pub const VERSION: u32 = 5;

/// The longest line that is read: the evidence of a check has some ten thousand bytes.
const LINE_MAX: u64 = 64 << 20;

/// What a worker is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// The first question: the worker makes itself ready to measure the checks of this contract.
    Hello {
        /// The version of the protocol.
        version: u32,
        /// The contract as written.
        contract: String,
        /// Where the files are that the contract names, where it names any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        directory: Option<PathBuf>,
    },
    /// Measures one check by itself: behaviour, counts and `samples` latencies.
    Observe {
        /// The check.
        check: String,
        /// Samples that are timed.
        samples: u32,
    },
    /// Brings the service into the state that the check needs, and warms it up.
    Prepare {
        /// The check.
        check: String,
        /// Samples to warm up, at most.
        samples: u32,
        /// After this time as few as tell how long a sample takes.
        time: Nanos,
    },
    /// Takes samples of the prepared check.
    Batch {
        /// Samples.
        samples: u32,
        /// How much longer each is to take, by work that is done within its time.
        slower_ppm: Ppm,
    },
    /// Brings the service into the state that the check needs, warms it up, and takes samples whose
    /// instructions whoever started the worker has counted.
    Instructions {
        /// The check.
        check: String,
        /// Samples to warm up, which are not counted.
        warmup: u32,
        /// Samples that are.
        samples: u32,
    },
    /// Brings the service into the state that the check needs, warms it up, and takes one sample of
    /// which it tells where it allocates.
    AllocationSites {
        /// The check.
        check: String,
        /// Samples to warm up, of which nothing is told.
        warmup: u32,
    },
    /// Says what the worker can measure.
    Offers,
    /// Measures an operation at one size by itself, in one of the passes over its sizes.
    ObserveCase {
        /// The operation.
        operation: String,
        /// The size, where it has any.
        size: Option<u64>,
        /// Samples that are timed in all passes together.
        samples: u32,
        /// Which pass, from 0; what is counted is counted in this one.
        pass: u32,
    },
    /// Makes an operation ready to run at one size, and warms it up.
    PrepareCase {
        /// The operation.
        operation: String,
        /// The size, where it has any.
        size: Option<u64>,
        /// The part of its time that counts; all of it when left out.
        part: Option<String>,
        /// Blocks of iterations to warm up, at most.
        blocks: u32,
        /// After this time as few as tell how long a block takes.
        time: Nanos,
    },
    /// Makes an operation ready to run at one size, warms it up, and takes samples whose instructions
    /// whoever started the worker has counted.
    InstructionsCase {
        /// The operation.
        operation: String,
        /// The size, where it has any.
        size: Option<u64>,
        /// Samples to warm up, which are not counted.
        warmup: u32,
        /// Samples that are.
        samples: u32,
        /// Iterations in each.
        iterations: u64,
    },
    /// Makes an operation ready to run at one size, warms it up, and takes one iteration of which it tells
    /// where it allocates.
    AllocationSitesCase {
        /// The operation.
        operation: String,
        /// The size, where it has any.
        size: Option<u64>,
        /// Iterations to warm up, of which nothing is told.
        warmup: u32,
    },
    /// Takes samples of the prepared operation.
    Iterate {
        /// Samples.
        samples: u32,
        /// Iterations in each.
        iterations: u64,
        /// How much longer each is to take, by work that is done within its time.
        slower_ppm: Ppm,
    },
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// To [`Question::Hello`].
    Ready {
        /// The build of the worker.
        build: Build,
    },
    /// To [`Question::Observe`].
    Observed {
        /// What was observed.
        evidence: Box<Evidence>,
        /// What is shown of the bodies, which evidence that is written leaves out.
        bodies: Box<Bodies>,
    },
    /// To [`Question::Prepare`].
    Prepared {
        /// The median latency of the second half of the warm-up.
        latency_ns: Nanos,
        /// What the last sample was like.
        response: Seen,
    },
    /// To [`Question::Batch`].
    Samples {
        /// The latencies in their order.
        latencies_ns: Vec<Nanos>,
        /// What the last sample was like; `None` when their statuses differ.
        response: Option<Seen>,
    },
    /// To [`Question::Offers`].
    Offers {
        /// Whether it has a service, so that it can measure checks.
        service: bool,
        /// The operations that it declares.
        operations: Vec<String>,
    },
    /// To [`Question::ObserveCase`].
    ObservedCase {
        /// What was observed in this pass.
        evidence: Box<CaseEvidence>,
        /// How many passes there are.
        passes: u32,
    },
    /// To [`Question::PrepareCase`].
    PreparedCase {
        /// Iterations in one block.
        iterations: u64,
        /// The median time of a block in the second half of the warm-up.
        time_ns: Nanos,
    },
    /// To [`Question::Iterate`].
    Iterated {
        /// The times in their order.
        latencies_ns: Vec<Nanos>,
    },
    /// To [`Question::Instructions`].
    Executed {
        /// What the samples were like; `None` when they differ.
        response: Option<Seen>,
    },
    /// To [`Question::AllocationSites`].
    Allocated {
        /// The sites, in the order of their places.
        sites: Vec<AllocationSite>,
        /// What the samples were like; `None` when they differ.
        response: Option<Seen>,
    },
    /// To [`Question::InstructionsCase`].
    ExecutedCase,
    /// To [`Question::AllocationSitesCase`].
    AllocatedCase {
        /// The sites, in the order of their places.
        sites: Vec<AllocationSite>,
    },
    /// To any question that could not be answered.
    Failed(String),
}

/// What a sample was like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The statuses of its requests.
    pub statuses: Vec<u16>,
    /// SHA-256 of its bodies and headers, as far as the contract compares them.
    pub body_sha256: String,
}

/// Writes one message.
///
/// # Errors
///
/// Those of the stream.
pub fn write(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    stream.flush()
}

/// Reads one message; `None` at the end of the stream.
///
/// # Errors
///
/// Those of the stream; [`io::ErrorKind::InvalidData`] for what is no message.
pub fn read<T: DeserializeOwned>(stream: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let read = io::Read::take(&mut *stream, LINE_MAX).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message broke off"));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_halves_are_refused() {
        let question = Question::Batch { samples: 8, slower_ppm: Ppm::new(50_000) };
        let mut bytes = Vec::new();
        write(&mut bytes, &question).unwrap();
        assert_eq!(read::<Question>(&mut bytes.as_slice()).unwrap(), Some(question));
        assert!(read::<Question>(&mut &bytes[..bytes.len() - 1]).is_err());
        assert!(read::<Question>(&mut b"{\"no\":1}\n".as_slice()).is_err());
        assert_eq!(read::<Question>(&mut b"".as_slice()).unwrap(), None);
    }
}
