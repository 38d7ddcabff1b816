//! What a report says of services that are asked over HTTP, beside their figures.

use super::{content::shown, outside::name};
use crate::{
    passport::{Passport, ProbeKind, TestResult},
    statistics::SummaryStatistics,
    units::Nanos,
};

/// A round trip of about this long is mostly a wait: a sender that waits for the acknowledgement of its
/// first part before it sends the second one (Nagle's algorithm, RFC 896), and a receiver that
/// acknowledges late (RFC 1122, section 4.2.3.2), which Linux does after 40 ms.
const DELAYED_ACKNOWLEDGEMENT: std::ops::RangeInclusive<Nanos> =
    Nanos::new(39_000_000)..=Nanos::new(48_000_000);

/// Round trips of a check alone and in turns that differ by this much are not the same work.
const DISAGREEMENT: u64 = 3;

/// A sentence for each thing that a reader should know.
pub(super) fn notes(passport: &Passport) -> Vec<String> {
    if passport.provenance.probe != ProbeKind::Http {
        return Vec::new();
    }
    let results = &passport.test_results;
    let with = |says: &dyn Fn(&TestResult) -> Option<String>| -> Vec<String> {
        results.iter().filter_map(says).collect()
    };
    let told_above = with(&|result| {
        let is_above = !result.evidence.told_above_round_trip_samples.is_zero();
        is_above.then(|| name(&result.test_name))
    });
    let delayed = with(&|result| {
        let median = one_request(result)?;
        let is_delayed = DELAYED_ACKNOWLEDGEMENT.contains(&median);
        is_delayed.then(|| format!("{} {median}", name(&result.test_name)))
    });
    let cold = with(&|result| {
        let cold = result.paired.as_ref()?.cold_sessions;
        (!cold.is_zero()).then(|| format!("{} {cold}", name(&result.test_name)))
    });
    let otherwise = with(&differs_in_turns);
    let warmed = with(&warmed_by);
    let said = [
        (
            warmed,
            "in each session a server was warmed up, before its times counted, by so many samples (median)",
        ),
        (cold, "so many sessions are left out, in which a server was not warm yet"),
        (
            told_above,
            "the service tells more time than the round trip took, so that its times are not used \
             (`dur` of `Server-Timing` is in milliseconds, `X-Process-Time` in seconds)",
        ),
        (
            delayed,
            "half of the requests take 40 ms or a little more, as where a server writes head and body \
             apart: let it set TCP_NODELAY, or write both at once",
        ),
        (
            otherwise,
            "a round trip alone and one in turns, with client and servers on one processor, are not \
             alike: see `Round trips that differ` in troubleshooting",
        ),
    ];
    let told = said.into_iter().filter(|(names, _)| !names.is_empty());
    told.map(|(names, says)| format!("{says}: {}", shown(&names))).collect()
}

/// By how many samples the servers of a typical session were warmed up for a check.
fn warmed_by(result: &TestResult) -> Option<String> {
    let sessions = &result.paired.as_ref()?.sessions;
    let warmups = sessions.iter().filter_map(|it| it.http?.warmup);
    let mut samples: Vec<u64> = warmups.map(|it| it.samples.get()).collect();
    samples.sort_unstable();
    let typical = samples.get(samples.len() / 2)?;
    Some(format!("{} {typical}", name(&result.test_name)))
}

/// The median latency of one request.
fn one_request(result: &TestResult) -> Option<Nanos> {
    let median = SummaryStatistics::of(&result.evidence.latency)?.p50?;
    Some(Nanos::new(median.get() / result.requests_per_sample.get().max(1)))
}

/// The round trips of a check alone and in turns, where they are far from each other.
fn differs_in_turns(result: &TestResult) -> Option<String> {
    let alone = SummaryStatistics::of(&result.evidence.latency)?.p50?;
    let sessions = &result.paired.as_ref()?.sessions;
    let mut trips: Vec<Nanos> =
        sessions.iter().filter_map(|it| Some(it.http?.round_trip_ns)).collect();
    trips.sort_unstable();
    let in_turns = *trips.get(trips.len() / 2)?;
    let (least, most) = (alone.min(in_turns), alone.max(in_turns));
    let differ = least.saturating_mul(DISAGREEMENT) <= most;
    differ.then(|| format!("{} {alone} and {in_turns}", name(&result.test_name)))
}
