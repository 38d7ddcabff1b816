//! What can go wrong with a worker or a server while builds are compared.

use perf_passport::units::Nanos;
use thiserror::Error;

/// What stands between how a process ended and its last words.
pub(crate) const LAST_WORDS: &str = "; ";

/// What can be wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServerProblem {
    /// Its command could not be started.
    #[error("cannot be started: {0}")]
    NotStarted(String),
    /// It ended before it listened.
    #[error("ended before it listened on port {port}: {message}")]
    EndedEarly {
        /// The port that it was given.
        port: u16,
        /// Its exit status and its last words.
        message: String,
    },
    /// It listens somewhere else, or not at all.
    #[error(
        "does not listen on 127.0.0.1:{port} within {after}: it is told the port by the variable \
         PORT, and by {{port}} in its command"
    )]
    Silent {
        /// The port that it was given.
        port: u16,
        /// How long was waited.
        after: Nanos,
    },
    /// It does not answer a first request.
    #[error("does not answer within {after}: {message}")]
    Unanswered {
        /// How long was waited.
        after: Nanos,
        /// What the last attempt said.
        message: String,
    },
    /// A check could not be measured.
    #[error("fails at check {check}: {message}")]
    FailsAt {
        /// The check.
        check: String,
        /// What went wrong first.
        message: String,
    },
    /// It ended while it was asked.
    #[error("died: {0}")]
    Died(String),
    /// There was no answer in time.
    #[error("did not answer within {after} ({phase})")]
    Hangs {
        /// How long was waited.
        after: Nanos,
        /// What was being waited for.
        phase: &'static str,
    },
    /// An answer was none.
    #[error("broke off: {0}")]
    BrokeOff(String),
    /// It told how long a request took it, and does not any more.
    #[error("told its own time, and does not any more")]
    TellsNoMore,
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
    pub(crate) fn recorded(&self) -> String {
        match self.clone() {
            Self::Died { side, message } => {
                Self::Died { side, message: without_last_words(&message) }
            }
            Self::Server { side, problem: ServerProblem::Died(message) } => {
                let problem = ServerProblem::Died(without_last_words(&message));
                Self::Server { side, problem }
            }
            other => other,
        }
        .to_string()
    }

    /// Whether whoever made it takes no further turns.
    pub(crate) fn ends_the_session(&self) -> bool {
        match self {
            Self::Interrupted | Self::Died { .. } | Self::Hangs { .. } => true,
            Self::Server { problem, .. } => *problem != ServerProblem::TellsNoMore,
            _ => false,
        }
    }
}

/// How a process ended, without its last words.
pub(crate) fn without_last_words(message: &str) -> String {
    message.split_once(LAST_WORDS).map_or(message, |(status, _)| status).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_in_no_error_that_is_filed() {
        let (side, message) = ("current".to_owned(), "signal: 9; the key is hunter2".to_owned());
        let died = WorkerError::Died { side, message };
        assert!(died.to_string().contains("hunter2"));
        assert_eq!(died.recorded(), "the worker of current died: signal: 9");
    }
}
