//! Why a request could not be measured.

use thiserror::Error;

use crate::units::{Bytes, Nanos};

/// A request that could not be measured.
///
/// No message holds a header value; texts from outside are made printable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// There is no service to measure.
    #[error("cannot start the service: {0}")]
    Setup(String),
    /// What is to be sent makes no request.
    #[error("cannot make a request: {0}")]
    Request(String),
    /// Nobody answers at the address.
    #[error("cannot reach {target}: {message}")]
    Unreachable {
        /// The base URL, without credentials.
        target: String,
        /// What the connection attempt said.
        message: String,
    },
    /// No complete response in time: the request took at least this long.
    #[error("no complete response within {after} ({phase})")]
    Timeout {
        /// How long was waited.
        after: Nanos,
        /// What was being waited for.
        phase: &'static str,
    },
    /// The body is larger than the contract allows.
    #[error("the body is larger than the {limit} that the contract allows")]
    BodyTooLarge {
        /// The limit.
        limit: Bytes,
    },
    /// A request that is to bring the service into a state did not.
    #[error("the setup request `{request}` failed: {message}")]
    NotSetUp {
        /// Method and path.
        request: String,
        /// What became of it.
        message: String,
    },
    /// A request that is to clean up after a run did not.
    #[error("the teardown request `{request}` failed: {message}")]
    NotTornDown {
        /// Method and path, as the contract has them.
        request: String,
        /// What became of it.
        message: String,
    },
    /// A value was not found, or cannot go where it is used.
    #[error("`{request}`: {problem}")]
    Values {
        /// Method and path, as the contract has them.
        request: String,
        /// What is wrong; without the value.
        problem: String,
    },
    /// A file that requests are made of cannot be used.
    #[error("{0}")]
    Input(String),
    /// Instructions are counted of the thread that asks, and tasks run on others.
    #[error(
        "instructions are counted of one thread, and this target runs tasks on others: leave \
         `multi_thread` out"
    )]
    SeveralThreads,
    /// The response broke off or is not HTTP.
    #[error("broken response: {0}")]
    Broken(String),
}
