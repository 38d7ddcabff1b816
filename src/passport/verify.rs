//! Verifying a passport offline: nothing in it may say what its evidence does not.

use std::io;

use super::{
    MeasuredCheck, OperationResult, Parts, Passport, ProbeKind, VerifyError,
    canonical::INTEGER_MAX,
    consistent::{check_facts, check_operations, check_production},
    legacy::import_again,
    renamed,
    versions::{Versions, schema_problem},
};
use crate::contract::Contract;

/// Reads a passport and checks it: the bytes are as written, the evidence can have been observed,
/// and summaries, verdicts and both hashes are what follows from it.
///
/// This proves that nobody changed the document since it was hashed, or that whoever did changed
/// it into another consistent one; it does not prove who measured.
///
/// # Errors
///
/// [`VerifyError`] naming the first thing that is wrong.
pub fn verify(bytes: &[u8]) -> Result<Passport, VerifyError> {
    let passport = read(bytes)?;
    let again = derive_again(passport).map_err(|error| with_line(error, bytes))?;
    let mut rest = Rest(bytes);
    if again.write(&mut rest).is_ok() && rest.0.is_empty() {
        return Ok(again);
    }
    if let Some(field) = first_difference(&read(bytes)?, &again) {
        return Err(VerifyError::Edited { field });
    }
    if is_written_with_crlf(&again, bytes) {
        return Err(VerifyError::LineEndings);
    }
    let same = bytes.len() - rest.0.len();
    let line = bytes[..same].split(|byte| *byte == b'\n').count();
    Err(VerifyError::Bytes { line })
}

/// Whether these are the bytes of a passport with another end of each line.
fn is_written_with_crlf(passport: &Passport, bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines: Vec<&[u8]> = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let lines = lines.join(&b'\n');
    let mut rest = Rest(&lines);
    lines.len() < bytes.len() && passport.write(&mut rest).is_ok() && rest.0.is_empty()
}

/// The bytes that are still to be written; writing any others is an error.
///
/// PERF: a passport of 10,000 results has 70 MB, which need not be held twice.
struct Rest<'a>(&'a [u8]);

impl io::Write for Rest<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let same = self.0.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        self.0 = &self.0[same..];
        if same == bytes.len() { Ok(same) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.0.strip_prefix(bytes) {
            Some(rest) => self.0 = rest,
            None => drop(self.write(bytes)?),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Parses without verifying, with a sentence for what is no passport at all.
fn read(bytes: &[u8]) -> Result<Passport, VerifyError> {
    let passport: Passport = serde_json::from_slice(bytes).map_err(|error| {
        let foreign = |text: String| VerifyError::Foreign(text);
        if error.is_eof() {
            return foreign(format!("it ends early, at line {}", error.line()));
        }
        if error.is_syntax() {
            return foreign(format!("it is not JSON, at line {}", error.line()));
        }
        let version = serde_json::from_slice::<Versions>(bytes);
        let problem = version.ok().and_then(Versions::problem);
        if let Some(other @ (VerifyError::Newer { .. } | VerifyError::Foreign(_))) = problem {
            return other;
        }
        // An old name says more than that there are no numbers.
        let document = serde_json::from_slice(bytes).unwrap_or_default();
        let said = || crate::text::printable(error.to_string().as_bytes(), 200);
        match (renamed::sentence(&document), problem) {
            (Some(sentence), _) => foreign(sentence),
            (None, Some(unnumbered)) => unnumbered,
            (None, None) => foreign(said()),
        }
    })?;
    match schema_problem(u64::from(passport.schema_version)) {
        Some(problem) => Err(problem),
        None => Ok(passport),
    }
}

/// Assembles the passport from those of its parts that cannot be derived.
///
/// PERF: these are moved, not cloned. The document that was read is gone then, and what is assembled
/// is held against its bytes, which say more than its fields do.
pub(super) fn derive_again(passport: Passport) -> Result<Passport, VerifyError> {
    let Some(record) = passport.contract else {
        if passport.provenance.probe != ProbeKind::Imported {
            return Err(VerifyError::Edited { field: "contract".to_owned() });
        }
        return Ok(import_again(&passport)?);
    };
    let contract = Contract::from_document(record.document)?;
    let (provenance, baseline) = (&passport.provenance, passport.baseline.as_ref());
    let comparison = passport.comparison.as_ref();
    check_production(provenance, passport.production.as_ref(), &contract)?;
    check_facts(provenance, baseline, comparison, &passport.test_results, &contract)?;
    check_operations(&passport.operations, &contract, (baseline, comparison), provenance)?;
    if let Some(comparison) = comparison {
        // What shares the error has no more of it than that.
        let of_operation = |it: &OperationResult| {
            let parts = contract.operation(&it.name).map_or(0, |it| it.tolerance.parts().count());
            it.cases.len() * (1 + parts)
        };
        let cases: usize = passport.operations.iter().map(of_operation).sum();
        let measured = (passport.test_results.len() + cases) as u64;
        if comparison.policy.checks.get() < measured {
            return Err(VerifyError::Edited { field: "comparison.policy.checks".to_owned() });
        }
    }
    let cases = passport.operations.into_iter().flat_map(OperationResult::into_measured);
    let measured = passport.test_results.into_iter().map(|result| MeasuredCheck {
        check: result.test_name,
        timestamp: result.timestamp,
        evidence: result.evidence,
        baseline: result.baseline,
        paired: result.paired,
        instructions: result.instructions,
    });
    let parts = Parts {
        cartographer: passport.cartographer,
        run_id: passport.run_id,
        session_id: passport.session_id,
        timestamp: passport.timestamp,
        complete: passport.complete,
        rules: passport.rules,
        provenance: passport.provenance,
        system_info: passport.system_info,
        baseline: passport.baseline,
        comparison: passport.comparison,
        annotations: passport.annotations,
        measured: measured.collect(),
        operations: cases.collect(),
        production: passport.production.map(|it| it.evidence),
    };
    Ok(Passport::assemble(&contract, parts)?)
}

/// The first field, as a path, in which two passports differ.
fn first_difference(a: &Passport, b: &Passport) -> Option<String> {
    if a == b {
        return None;
    }
    let value = |passport: &Passport| -> serde_json::Value {
        let bytes = passport.to_bytes().unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    };
    // Hashes follow from everything else, so another field says more.
    let hashes = ["passport_hash", "evidence_hash"];
    let (mut a, mut b) = (value(a), value(b));
    let found = super::diff::first_path(&a, &b, &hashes);
    found.or_else(|| {
        let differs = |name: &&&str| a[**name].take() != b[**name].take();
        hashes.iter().find(differs).map(|name| (*name).to_owned())
    })
}

/// Finds the first integer that the canonical form refuses. Numbers with a fraction or an exponent are
/// none: they are hashed to the last bit.
fn check_integers(bytes: &[u8]) -> Result<(), VerifyError> {
    let (mut in_string, mut escaped, mut line) = (false, false, 1_usize);
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'0'..=b'9' if !in_string => {
                let of_number =
                    |it: &u8| matches!(it, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                let length = after.iter().take_while(|it| of_number(it)).count();
                let (others, after) = after.split_at(length);
                rest = after;
                let digits = std::iter::once(byte).chain(others).try_fold(0_u64, |value, digit| {
                    let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
                    Some(value.saturating_mul(10).saturating_add(digit))
                });
                if digits.is_some_and(|value| value > INTEGER_MAX) {
                    return Err(VerifyError::Integer { line });
                }
            }
            b'\n' => line += 1,
            _ => {}
        }
    }
    Ok(())
}

/// An error of hashing is that of an integer: with the line of the first one.
fn with_line(error: VerifyError, bytes: &[u8]) -> VerifyError {
    match error {
        VerifyError::Hash(_) => check_integers(bytes).err().unwrap_or(error),
        _ => error,
    }
}
