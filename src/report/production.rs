//! What the counters of a running service say: windows of production, and the mix of routes.

use super::{Column, Row, Table, content::or_dash, outside::name};
use crate::{
    claim::{Claim, Reason},
    contract::ClaimKind,
    passport::{Passport, SubjectResult},
    production::{CounterSource, Production, ProductionEvidence, ShareSummary, WindowResult},
    text::{counted, printable},
    units::{Count, Nanos, Ppm},
};

/// Of errors and slow requests the share that was seen, and the interval that it lies in.
const COLUMNS: [Column; 4] = [
    Column::new("requests"),
    Column::new("errors"),
    Column::new("slow"),
    Column::detail("allowed"),
];

const MIX_COLUMNS: [Column; 3] =
    [Column::new("share"), Column::new("requests"), Column::new("under contract")];

/// Routes of the mix that are shown.
const ROUTES_MAX: usize = 20;
/// Digits of a digest that tell it from others.
const DIGEST_SHOWN: usize = 12;

/// A row for each window, and one for each route of the mix.
pub(super) fn tables(passport: &Passport) -> Vec<Table> {
    let Some(production) = &passport.production else { return Vec::new() };
    let windows = Table {
        title: "production",
        of: "window",
        columns: COLUMNS.to_vec(),
        rows: production.results.iter().map(row).collect(),
        lines: Vec::new(),
    };
    let mix = Table {
        title: "observed mix of routes",
        of: "route",
        columns: MIX_COLUMNS.to_vec(),
        rows: mix_rows(production),
        lines: Vec::new(),
    };
    vec![windows, mix]
}

/// The shares of several quantiles stand in one cell, in the order of the claims.
fn row(result: &WindowResult) -> Row {
    let pairs = || result.claims.iter().zip(&result.shares);
    let requests = pairs().map(|(_, share)| share.requests).max().unwrap_or(Count::ZERO);
    let seen = |kind: ClaimKind| {
        let of_kind = pairs().filter(|(it, _)| it.kind == kind && it.observed.is_some());
        let shown: Vec<String> = of_kind.map(|(it, share)| measured(it, share)).collect();
        or_dash((!shown.is_empty()).then(|| shown.join(", ")))
    };
    let allowed: Vec<String> = result.claims.iter().map(Claim::show_limit).collect();
    Row {
        name: name(&result.name),
        verdict: Some(result.status),
        cells: vec![
            requests.to_string(),
            seen(ClaimKind::ProductionErrors),
            seen(ClaimKind::ProductionLatency),
            allowed.join(", "),
        ],
    }
}

/// The share that was seen, from the least to the most where edges leave it open, and its interval.
fn measured(claim: &Claim, share: &ShareSummary) -> String {
    let least = share.bad_at_least.map(|bad| {
        let ppm = u128::from(bad.get()) * 1_000_000 / u128::from(share.requests.get().max(1));
        format!("{} to ", percent(Ppm::new(u64::try_from(ppm).unwrap_or(u64::MAX))))
    });
    let (seen, bounds) = (claim.show_observed(), bounds(share));
    format!("{}{seen} ({bounds})", least.unwrap_or_default())
}

fn mix_rows(production: &Production) -> Vec<Row> {
    let row = |it: &crate::production::RouteShare| Row {
        name: name(&format!("{} {}", it.method, it.route)),
        verdict: None,
        cells: vec![
            it.share_ppm.to_string(),
            it.requests.to_string(),
            (if it.under_contract { "yes" } else { "no" }).to_owned(),
        ],
    };
    production.mix.iter().take(ROUTES_MAX).map(row).collect()
}

/// What a reader must know of how the counters were read.
pub(super) fn notes(passport: &Passport) -> Vec<String> {
    let Some(production) = &passport.production else { return Vec::new() };
    let evidence = &production.evidence;
    let mut notes = Vec::new();
    if evidence.resets > Count::ZERO {
        notes.push(format!(
            "counters began anew {}, and what was counted between the last scrape and that is not known",
            times(evidence.resets)
        ));
    }
    if let Some(late) = late(evidence) {
        notes.push(late);
    }
    if evidence.gaps > Count::ZERO {
        notes.push(format!(
            "the counters have {}, of {} of the time",
            counted(evidence.gaps.get(), "gap"),
            evidence.gap_ppm
        ));
    }
    if evidence.is_mixed() {
        let live = evidence.live_budgets.iter();
        let live: Vec<String> = live.map(|it| printable(it.as_bytes(), DIGEST_SHOWN)).collect();
        notes.push(format!("the digests of budgets that were live: {}", live.join(", ")));
    }
    let others = production.mix.iter().filter(|it| !it.under_contract).count() as u64;
    if others > 0 {
        notes.push(format!("the contract lacks {} that had requests", counted(others, "route")));
    }
    let hidden = production.mix.len().saturating_sub(ROUTES_MAX) as u64;
    if hidden > 0 {
        notes.push(format!("the document lists {} more", counted(hidden, "route")));
    }
    notes
}

/// From when on there are counters, where that is later than was asked for.
fn late(evidence: &ProductionEvidence) -> Option<String> {
    let late = evidence.late.as_ref()?;
    let who = if late.source_is_younger {
        "Prometheus has nothing from before"
    } else {
        "it was not scraped before"
    };
    Some(format!(
        "counters begin at {}, and {} was asked for: {who}",
        name(&evidence.from),
        name(&late.asked_from)
    ))
}

fn times(count: Count) -> String {
    if count == Count::new(1) { "once".to_owned() } else { format!("{count} times") }
}

/// From when to when, of how many processes.
pub(super) fn summary(passport: &Passport) -> Option<String> {
    let evidence = &passport.production.as_ref()?.evidence;
    let by = match evidence.source {
        CounterSource::Prometheus => "by Prometheus",
        CounterSource::Scrapes => "by scrapes",
    };
    Some(format!(
        "{} to {}, {} of {}, {by}",
        name(&evidence.from),
        name(&evidence.to),
        counted(evidence.windows.get(), "window"),
        counted(evidence.instances.get(), "instance")
    ))
}

/// The bounds of a share, as findings have them.
pub(super) fn interval(subject: SubjectResult<'_>, claim: &Claim) -> Option<String> {
    Some(bounds(&share(subject, claim)?))
}

/// Where edges leave open how many were bad, the figures of a claim as findings have them: not the worst alone.
pub(super) fn figures(subject: SubjectResult<'_>, claim: &Claim) -> Option<String> {
    let share = share(subject, claim).filter(|it| it.bad_at_least.is_some())?;
    let seen = measured(claim, &share);
    Some(format!(" {}; budget {})", seen.trim_end_matches(')'), claim.show_limit()))
}

fn bounds(share: &ShareSummary) -> String {
    format!("{} to {}", percent(share.lower_ppm), percent(share.upper_ppm))
}

/// How much traffic is missing, or which edge.
pub(super) fn sentence(
    passport: &Passport,
    subject: SubjectResult<'_>,
    claim: &Claim,
) -> Option<String> {
    let share = share(subject, claim)?;
    let evidence = &passport.production.as_ref()?.evidence;
    match claim.reason {
        Reason::EdgeMissing => return edge(passport, &share, claim),
        Reason::CountsDisagree => return disagreement(&share, claim),
        Reason::UnsureCounts => {
            let (unsure, remedy) =
                (counted(share.unsure?.get(), "request"), claim.reason.remedy()?);
            return Some(format!("{unsure} may be from before this time, and decide it: {remedy}"));
        }
        Reason::Unfinished => {
            let (hanging, remedy) =
                (counted(evidence.unfinished?.get(), "request"), claim.reason.remedy()?);
            return Some(format!("{hanging} had begun and not ended, and decide it: {remedy}"));
        }
        Reason::CountersMissing => {
            return late(evidence).map(|it| format!("{it}; observe a shorter time with --for"));
        }
        Reason::TooLittleTraffic if share.requests == Count::ZERO => {
            return Some("no request to it was counted: see which routes were".to_owned());
        }
        _ => {}
    }
    let needed = share.requests_needed?;
    Some(format!(
        "{}; it takes about {needed} requests, and there were {}",
        claim.reason.sentence(),
        share.requests
    ))
}

/// Which metric lacks how much of what the other one has.
fn disagreement(share: &ShareSummary, claim: &Claim) -> Option<String> {
    let (has, lacks) = match claim.kind {
        ClaimKind::ProductionLatency => ("the counter of requests", "the histogram of durations"),
        _ => ("the histogram of durations", "the counter of requests"),
    };
    let (own, lacking) = (u128::from(share.requests.get()), u128::from(share.uncounted?.get()));
    let ppm = own * 1_000_000 / (own + lacking).max(1);
    let of_all = percent(Ppm::new(u64::try_from(ppm).unwrap_or(u64::MAX)));
    Some(format!(
        "{lacks} has {of_all} of the requests that {has} has: count and time each request"
    ))
}

/// The edge that would tell.
fn edge(passport: &Passport, share: &ShareSummary, claim: &Claim) -> Option<String> {
    let contract = passport.contract.as_ref()?;
    let metric = contract.document.service.as_ref()?.metric.as_deref();
    let metric = metric.unwrap_or("http_request_duration_seconds");
    Some(format!(
        "{}: add an edge at {} to `{}`",
        claim.reason.explain(),
        seconds(share.limit_ns?),
        name(metric)
    ))
}

/// As an edge of a histogram is written: in seconds, without zeros at its end.
fn seconds(time: Nanos) -> String {
    let text = format!("{}.{:09}", time.get() / 1_000_000_000, time.get() % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn share(subject: SubjectResult<'_>, claim: &Claim) -> Option<ShareSummary> {
    let SubjectResult::Window(window) = subject else { return None };
    window.share_of(claim).copied()
}

#[expect(clippy::cast_precision_loss, reason = "display")]
fn percent(share: Ppm) -> String {
    format!("{:.4} %", share.get() as f64 / 1e4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_written_as_a_histogram_has_it() {
        for (ns, expected) in
            [(10_000_000, "0.01"), (1_000_000_000, "1"), (2_500_000_000, "2.5"), (1, "0.000000001")]
        {
            assert_eq!(seconds(Nanos::new(ns)), expected);
        }
    }
}
