//! What a test target has measured so far, check by check and operation by operation.
//!
//! Nothing is measured twice in one process. What was measured is filed as a passport at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::PathBuf,
};

use libtest_mimic::{Failed, Measurement};

use super::{operations, variables::Variables};
use crate::{
    claim::Verdict,
    clock::SystemClock,
    contract::{Check, Contract},
    passport::{MeasuredCase, MeasuredCheck, Passport, ProbeKind},
    pipeline::{self, Circumstances, Run, RunContext},
    probe::Target,
    report::{self, Style},
    text::escaped,
    units::Count,
};

/// What was measured so far in this process.
pub(super) struct Measurements {
    pub(super) contract: Contract,
    pub(super) target: Option<Box<dyn Target + Send>>,
    /// Names of the operations that the target declares, in their order.
    pub(super) declared: Vec<String>,
    /// The package's.
    pub(super) directory: PathBuf,
    pub(super) variables: Variables,
    /// Whether figures are printed as soon as they are known.
    pub(super) shows_figures: bool,
    pub(super) measured: BTreeMap<String, MeasuredCheck>,
    /// Cases of operations, by name.
    pub(super) operations: BTreeMap<String, Vec<MeasuredCase>>,
}

impl Measurements {
    /// Measures one check and fails with every claim that is not proved.
    pub(super) fn hold(&mut self, check: &str) -> Result<(), Failed> {
        let measured = self.measure(&[check.to_owned()])?;
        let passport = self.assemble(measured, Vec::new())?;
        self.show_figures(&passport);
        let proved = passport.test_results.iter().all(|result| {
            result.status == Verdict::Pass && result.evidence.failed_samples == Count::ZERO
        });
        if proved && !passport.test_results.is_empty() {
            return Ok(());
        }
        Err(Failed::from(report::claims_at_fault(&passport, Style::Plain)))
    }

    /// The tests of operations with what they are of: those of the contract, then declared ones that
    /// it lacks. A target without any leaves the contract's to others.
    pub(super) fn operation_names(&self) -> Vec<(String, String)> {
        if self.declared.is_empty() {
            return Vec::new();
        }
        let named = self.contract.operations.iter().map(|it| (it.name.as_str(), it.slow));
        let known: BTreeSet<&str> = named.clone().map(|(name, _)| name).collect();
        let mut others: Vec<&str> = self.declared.iter().map(String::as_str).collect();
        others.retain(|name| !known.contains(name));
        others.sort_unstable();
        others.dedup();
        named
            .chain(others.into_iter().map(|name| (name, false)))
            .map(|(name, slow)| {
                let slow = if slow { "slow::" } else { "" };
                (format!("{slow}operation::{name}"), name.to_owned())
            })
            .collect()
    }

    /// Measures one operation and fails with every claim that is not proved.
    pub(super) fn hold_operation(&mut self, name: &str) -> Result<Measurement, Failed> {
        let cases = self.measure_operation(name)?;
        let passport = self.assemble(Vec::new(), cases)?;
        self.show_figures(&passport);
        let Some(result) = passport.operations.first() else {
            return Err(Failed::from(format!("operation `{name}` was not measured")));
        };
        let last = result.cases.last().and_then(|case| case.latency);
        if result.status == Verdict::Pass {
            let (mean, spread) =
                last.map_or((0, 0), |it| (it.mean_ps.get(), it.max_ps.get() - it.min_ps.get()));
            return Ok(Measurement { avg: mean.div_ceil(1000), variance: spread / 1000 });
        }
        Err(Failed::from(report::claims_at_fault(&passport, Style::Plain)))
    }

    fn measure_operation(&mut self, name: &str) -> Result<Vec<MeasuredCase>, Failed> {
        if let Some(cases) = self.operations.get(name) {
            return Ok(cases.clone());
        }
        let Some(operation) = self.contract.operation(name) else {
            return Err(Failed::from(format!(
                "operation `{}` is declared, and not in the contract: add an [[operation]] of that name",
                escaped(name)
            )));
        };
        match self.declared.iter().filter(|it| *it == name).count() {
            1 => {}
            0 => return Err(Failed::from(self.undeclared(name))),
            _ => return Err(Failed::from(format!("operation `{name}` is declared twice"))),
        }
        let cases = operations::measure(operation)?;
        self.operations.insert(name.to_owned(), cases.clone());
        Ok(cases)
    }

    fn undeclared(&self, name: &str) -> String {
        let nearest = self
            .declared
            .iter()
            .map(|declared| (strsim::damerau_levenshtein(declared, name), declared))
            .min()
            .filter(|(distance, declared)| *distance <= declared.len().max(name.len()) / 2);
        let meant = nearest.map(|(_, it)| format!(", did you mean `{}`?", escaped(it)));
        format!(
            "the contract names operation `{name}`, and this target declares none of that name{}",
            meant.unwrap_or_default()
        )
    }

    /// The passport of all checks and operations that this target measures.
    pub(super) fn passport(&mut self) -> Result<Passport, Failed> {
        let checks = self.target.iter().flat_map(|_| &self.contract.checks);
        let all: Vec<String> = checks.map(Check::id).collect();
        let measured = self.measure(&all)?;
        let mut cases = Vec::new();
        for (_, name) in self.operation_names() {
            // One that is missing is left out of the passport, and fails its own test.
            cases.extend(self.measure_operation(&name).unwrap_or_default());
        }
        self.assemble(measured, cases)
    }

    /// The passport of what was measured so far, in the order of the contract; `None` where nothing was.
    pub(super) fn passport_so_far(&self) -> Option<Result<Passport, Failed>> {
        if self.measured.is_empty() && self.operations.is_empty() {
            return None;
        }
        let checks = self.contract.checks.iter();
        let measured = checks.filter_map(|it| self.measured.get(&it.id()).cloned()).collect();
        let operations = self.contract.operations.iter();
        let cases = operations.filter_map(|it| self.operations.get(&it.name)).flatten().cloned();
        Some(self.assemble(measured, cases.collect()))
    }

    /// One line for each check or case, on a line of its own.
    fn show_figures(&self, passport: &Passport) {
        if self.shows_figures {
            // The name of the test stands before it, without the end of its line.
            let _ = write!(io::stdout(), "\n{}", report::figures(passport));
        }
    }

    /// Measures those of the checks that were not measured yet.
    fn measure(&mut self, checks: &[String]) -> Result<Vec<MeasuredCheck>, Failed> {
        let missing: Vec<&String> =
            checks.iter().filter(|check| !self.measured.contains_key(*check)).collect();
        let clock = SystemClock::start();
        let Some(target) = &mut self.target else { return Ok(Vec::new()) };
        let run = pipeline::measure(
            &self.contract,
            &mut RunContext {
                target: target.as_mut(),
                clock: &clock,
                environment: &|name| self.variables.get(name),
                stop: &|| false,
                progress: &mut |_| {},
            },
            &|check| missing.contains(&&check.id()),
        )?;
        for measured in run.measured {
            self.measured.insert(measured.check.clone(), measured);
        }
        Ok(checks.iter().filter_map(|check| self.measured.get(check).cloned()).collect())
    }

    fn assemble(
        &self,
        measured: Vec<MeasuredCheck>,
        operations: Vec<MeasuredCase>,
    ) -> Result<Passport, Failed> {
        let timestamps = measured.iter().map(|it| &it.timestamp);
        let timestamp = timestamps.chain(operations.iter().map(|it| &it.timestamp)).next();
        let timestamp = timestamp.cloned().unwrap_or_default();
        let run = Run { timestamp, measured, operations, complete: true };
        let circumstances = Circumstances::current(
            ProbeKind::InProcess,
            self.contract.name.as_str(),
            &self.directory,
        );
        Ok(pipeline::passport(&self.contract, run, circumstances, None)?)
    }
}
