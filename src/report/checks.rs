//! The checks of a passport: a row for each.

use super::{Column, Row, Table, content::or_dash, outside::name};
use crate::{
    claim::Claim,
    contract::ClaimKind,
    passport::{LatencySummary, Passport, TestResult},
    units::{Count, Nanos},
};

const COLUMNS: [Column; 6] = [
    Column::new("status"),
    Column::new("allocations"),
    Column::new("peak heap"),
    Column::new("p50"),
    Column::new("p99"),
    Column::new("samples"),
];

/// A row for each check, in the order of the contract.
pub(super) fn table(passport: &Passport) -> Table {
    Table {
        title: "",
        of: "check",
        columns: COLUMNS.to_vec(),
        rows: passport.test_results.iter().map(row).collect(),
        lines: Vec::new(),
    }
}

/// The columns that are compared with the baseline's show the change, such as `67 (+1)`.
fn row(result: &TestResult) -> Row {
    let status = result.evidence.behaviour.as_ref().map(|it| match it.status_unexpected {
        Some(status) => status.to_string(),
        None => it.response.status.to_string(),
    });
    let quantile = |get: fn(&LatencySummary) -> Option<Nanos>| {
        or_dash(result.latency.as_ref().and_then(get).map(|it| it.to_string()))
    };
    let samples = result.latency.map_or(Count::ZERO, |it| it.samples);
    Row {
        name: name(&result.test_name),
        verdict: Some(result.status),
        cells: vec![
            or_dash(status),
            with_change(result, ClaimKind::Allocations, ClaimKind::AllocationsChange),
            with_change(result, ClaimKind::Heap, ClaimKind::HeapChange),
            quantile(|it| it.p50_ns),
            quantile(|it| it.p99_ns),
            samples.to_string(),
        ],
    }
}

fn claim(result: &TestResult, kind: ClaimKind) -> Option<&Claim> {
    result.claims.iter().find(|claim| claim.kind == kind)
}

fn with_change(result: &TestResult, kind: ClaimKind, change: ClaimKind) -> String {
    let Some(claim) = claim(result, kind) else { return "-".to_owned() };
    let shown = claim.show_observed();
    let change = self::claim(result, change);
    let figures = change.and_then(|it| it.observed.zip(it.limit));
    match figures {
        Some((now, before)) if now != before => format!("{shown} ({:+})", now - before),
        _ => shown,
    }
}
