//! One service in this process, with the runtime that its tasks live on.
//!
//! Tasks that a service starts go on until its runtime ends. So each service has a runtime of its own,
//! and what one leaves behind is no part of what is counted of the next.

use std::{fmt::Display, future::Future};

use tokio::runtime::{Builder, Runtime};

use super::error::ProbeError;

/// A service that is there to answer.
pub(super) struct Instance<S> {
    /// Taken when it is dropped.
    service: Option<S>,
    /// The same.
    runtime: Option<Runtime>,
}

impl<S> Instance<S> {
    /// Makes a service on a runtime of its own, of one thread: the calling one.
    pub(super) fn make<Made, Failure>(make: impl FnOnce() -> Made) -> Result<Self, ProbeError>
    where
        Made: Future<Output = Result<S, Failure>>,
        Failure: Display,
    {
        let runtime = Builder::new_current_thread()
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
        let Some(runtime) = self.runtime.take() else { return };
        {
            let _inside = runtime.enter();
            drop(self.service.take());
        }
        runtime.shutdown_background();
    }
}
