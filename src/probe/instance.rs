//! One service in this process, with the runtime that its tasks live on.
//!
//! Tasks that a service starts go on until its runtime ends. So each service has a runtime of its own,
//! and what one leaves behind is no part of what is counted of the next.

use std::{fmt::Display, future::Future, num::NonZero, time::Duration};

use tokio::runtime::{Builder, Runtime};

use super::error::ProbeError;

/// The threads that the tasks of a service run on. Its requests run on the calling one in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Threads {
    /// The calling one, so that counts and times are those of the work and not of its scheduling.
    #[default]
    Calling,
    /// So many others.
    Others(NonZero<usize>),
}

/// How long a task that blocks a thread is waited for, where it is.
const END_WITHIN: Duration = Duration::from_secs(5);

/// A service that is there to answer.
pub(super) struct Instance<S> {
    /// Taken when it is dropped.
    service: Option<S>,
    /// The same.
    runtime: Option<Runtime>,
}

impl<S> Instance<S> {
    /// Makes a service on a runtime of its own.
    pub(super) fn make<Made, Failure>(
        threads: Threads,
        make: impl FnOnce() -> Made,
    ) -> Result<Self, ProbeError>
    where
        Made: Future<Output = Result<S, Failure>>,
        Failure: Display,
    {
        let mut builder = match threads {
            Threads::Calling => Builder::new_current_thread(),
            Threads::Others(_) => Builder::new_multi_thread(),
        };
        if let Threads::Others(number) = threads {
            builder.worker_threads(number.get());
        }
        let runtime = builder
            .enable_all()
            .build()
            .map_err(|error| ProbeError::Setup(format!("no runtime: {error}")))?;
        // Not on the runtime: what makes the service may wait for one of its own.
        let making = make();
        match runtime.block_on(making) {
            Ok(service) => Ok(Self { service: Some(service), runtime: Some(runtime) }),
            Err(error) => {
                runtime.shutdown_background();
                Err(ProbeError::Setup(error.to_string()))
            }
        }
    }

    /// Ends its tasks, and waits a while for those that block threads.
    pub(super) fn end(mut self) {
        if let Some(runtime) = self.leave() {
            runtime.shutdown_timeout(END_WITHIN);
        }
    }

    /// Takes the service away from its runtime.
    fn leave(&mut self) -> Option<Runtime> {
        let runtime = self.runtime.take()?;
        {
            let _inside = runtime.enter();
            drop(self.service.take());
        }
        Some(runtime)
    }

    /// Runs work with the service to its end.
    pub(super) fn block_on<'i, Work: Future>(
        &'i self,
        work: impl FnOnce(&'i S) -> Work,
    ) -> Work::Output {
        let (service, runtime) =
            self.service.as_ref().zip(self.runtime.as_ref()).expect("kept until dropped");
        runtime.block_on(work(service))
    }
}

impl<S> Drop for Instance<S> {
    /// Ends its tasks. One that blocks a thread is not waited for.
    fn drop(&mut self) {
        if let Some(runtime) = self.leave() {
            runtime.shutdown_background();
        }
    }
}
