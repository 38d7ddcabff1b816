//! The checks of a passport: a row for each.

use super::{
    Column, Row, Table,
    content::or_dash,
    outside::name,
    stored::{self, stored_and_now, stored_time},
};
use crate::{
    claim::Claim,
    contract::ClaimKind,
    passport::{LatencySummary, Passport, ProbeKind, TestResult},
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

/// The figures of a passport that was imported: it shows no evidence for them.
const IMPORTED_COLUMNS: [Column; 3] =
    [Column::new("latency"), Column::new("memory"), Column::new("objects")];

/// A row for each check, in the order of the contract.
pub(super) fn table(passport: &Passport) -> Table {
    let results = &passport.test_results;
    if passport.provenance.probe == ProbeKind::Imported {
        return Table {
            title: "imported figures",
            of: "check",
            columns: IMPORTED_COLUMNS.to_vec(),
            rows: results.iter().map(imported_row).collect(),
            lines: Vec::new(),
        };
    }
    let mut columns = COLUMNS.to_vec();
    let mut rows: Vec<Row> = results.iter().map(row).collect();
    let mut lines = Vec::new();
    if results.iter().any(|it| stored_time(&it.claims).is_some()) {
        columns.push(stored::COLUMN);
        lines.push(stored::line());
        for (row, result) in rows.iter_mut().zip(results) {
            row.cells.push(stored_and_now(&result.claims));
        }
    }
    Table { title: "", of: "check", columns, rows, lines }
}

fn imported_row(result: &TestResult) -> Row {
    let cells = vec![
        or_dash(result.latency_ms.map(|ms| format!("{ms} ms"))),
        or_dash(result.memory_mb.map(|mb| format!("{mb} MB"))),
        or_dash(result.objects.map(|it| it.to_string())),
    ];
    Row { name: name(&result.test_name), verdict: Some(result.status), cells }
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
