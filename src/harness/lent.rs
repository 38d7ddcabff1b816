//! The operations of a target as they are lent to the worker of a comparison.
//!
//! A worker runs code of all operations in one process, turn by turn; nothing here decides when.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    code::{CodePass, Measurable, Repeat},
    operations::{note_panic, noted_panic, observe},
};
use crate::{
    allocation::set_counting,
    clock::SystemClock,
    contract::{Operation, Sampling},
    pipeline::Iterations,
    text::escaped,
    units::Nanos,
    worker::{ObservedPass, Operations},
};

/// What a target declares.
pub(super) struct Lent<'a>(&'a [Box<dyn Measurable>]);

impl<'a> Lent<'a> {
    /// The operations, whose panics are noted from now on, and told as before.
    pub(super) fn new(code: &'a [Box<dyn Measurable>]) -> Self {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |information| {
            note_panic(information);
            before(information);
        }));
        Self(code)
    }

    fn find(&self, name: &str) -> Result<&dyn Measurable, String> {
        let found = self.0.iter().find(|code| code.name() == name);
        found
            .map(Box::as_ref)
            .ok_or_else(|| format!("this target declares no operation `{}`", escaped(name)))
    }
}

impl Operations for Lent<'_> {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|code| code.name().to_owned()).collect()
    }

    fn observe(
        &self,
        operation: &Operation,
        size: Option<u64>,
        sampling: &Sampling,
        pass: u32,
    ) -> Result<ObservedPass, String> {
        let code = self.find(&operation.name)?;
        let passes = CodePass::all(operation, sampling);
        let found = usize::try_from(pass).ok().and_then(|pass| passes.get(pass));
        let found = found.ok_or_else(|| format!("there is no pass {pass}"))?;
        let evidence = observe(code, size, found, &SystemClock::start());
        Ok(ObservedPass { evidence, passes: u32::try_from(passes.len()).unwrap_or(u32::MAX) })
    }

    fn prepare(&self, name: &str, size: Option<u64>) -> Result<Box<dyn Iterations + '_>, String> {
        let code = self.find(name)?;
        paused(|| code.ready(size))
    }

    fn prepare_part(
        &self,
        name: &str,
        size: Option<u64>,
        part: &str,
    ) -> Result<Box<dyn Iterations + '_>, String> {
        let code = self.find(name)?;
        let ready = code.part(size, part).ok_or_else(|| {
            format!("operation `{}` tells no part `{}`", escaped(name), escaped(part))
        })?;
        paused(ready)
    }
}

/// Makes code ready that is timed.
fn paused<'a>(
    ready: impl FnOnce() -> Box<dyn Repeat + 'a>,
) -> Result<Box<dyn Iterations + 'a>, String> {
    let code = catch_unwind(AssertUnwindSafe(ready)).map_err(|_| noted_panic())?;
    set_counting(false);
    Ok(Box::new(CountingPaused { code }))
}

/// Code that is timed: as long as it is there, nothing is counted.
struct CountingPaused<'a> {
    code: Box<dyn Repeat + 'a>,
}

impl Iterations for CountingPaused<'_> {
    fn run(&mut self, iterations: u64) -> Result<Option<Nanos>, String> {
        let run = || self.code.repeat(iterations);
        catch_unwind(AssertUnwindSafe(run)).map_err(|_| noted_panic())
    }
}

impl Drop for CountingPaused<'_> {
    fn drop(&mut self) {
        set_counting(true);
    }
}
