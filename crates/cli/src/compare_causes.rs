//! Why a check got worse, as lines and as files: the places that allocate more and the functions that
//! execute more.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{exit::Failure, flame_graph};
use perf_passport::{
    allocation::Place,
    paired::FunctionGrowth,
    passport::Passport,
    report::SourcePlace,
    store,
    text::{counted, escaped},
};
use perf_passport_compare::{
    AllocationCause, CausePart, CheckCauses, InstructionCause, SiteChange,
};

/// Functions and places that are named of each, at most.
const NAMED_MAX: usize = 5;

/// What the names of files of causes begin with.
pub(super) const CAUSES: &str = "causes_";

/// The version of the file's format.
const SCHEMA_VERSION: u32 = 1;

/// The causes as lines for a terminal.
pub(super) fn text(causes: &[CheckCauses]) -> String {
    let mut out = String::new();
    for cause in causes {
        let check = escaped(&cause.check);
        match &cause.allocations {
            CausePart::Found(found) => allocations(&mut out, &check, found),
            CausePart::Unknown(reason) => drop(writeln!(out, "{check}: {}", escaped(reason))),
        }
        match &cause.instructions {
            Some(CausePart::Found(found)) => instructions(&mut out, &check, found),
            Some(CausePart::Unknown(reason)) => drop(writeln!(out, "{check}: {}", escaped(reason))),
            None => {}
        }
    }
    out
}

/// Where each check got worse: the place that allocates the most more of those whose file is known, or the
/// function that executes the most more.
pub(super) fn places(causes: &[CheckCauses]) -> Vec<SourcePlace> {
    let place = |cause: &CheckCauses| {
        let grew = |it: &&AllocationCause| {
            it.allocations_after > it.allocations_before
                || it.allocated_bytes_after > it.allocated_bytes_before
        };
        let found = cause.allocations.found().filter(grew);
        let sites = found.map(|it| it.sites.as_slice()).unwrap_or_default();
        let site = sites.iter().find(|it| it.is_worse() && it.at.file.is_some());
        let function = || {
            let found = cause.instructions.as_ref()?.found()?;
            let named = found.functions.iter().find(|it| has_name(&it.function))?;
            Some((named.function.clone(), None, None))
        };
        let at = site.map(|it| (it.at.function.clone(), it.at.file.clone(), it.at.line));
        let (function, file, line) = at.or_else(function)?;
        Some(SourcePlace::of(&cause.check, function, file, line))
    };
    causes.iter().filter_map(place).collect()
}

fn allocations(out: &mut String, check: &str, cause: &AllocationCause) {
    let (before, after) = (cause.allocations_before, cause.allocations_after);
    let bytes = (cause.allocated_bytes_before, cause.allocated_bytes_after);
    if before == after && bytes.0 == bytes.1 {
        // Places may have changed what they allocate, and in sum nothing got worse.
        let _ = writeln!(out, "{check}: {after} allocations ({} bytes), as before", bytes.1.get());
        return;
    }
    let worse: Vec<&SiteChange> = cause.sites.iter().filter(|it| it.is_worse()).collect();
    if worse.is_empty() {
        let _ = writeln!(out, "{check}: {after} allocations, {before} before: no place has more");
        return;
    }
    let _ = writeln!(
        out,
        "{check}: {before} -> {after} allocations ({} -> {} bytes), {}",
        bytes.0.get(),
        bytes.1.get(),
        if after < before { "and yet more at" } else { "more of them at" }
    );
    for site in worse.iter().take(NAMED_MAX) {
        let _ = writeln!(out, "  {}", site_line(site));
    }
    and_more(out, worse.len(), NAMED_MAX, "place");
}

/// `+36 (new), +3456 bytes: src/orders.rs:88 (orders::list), by alloc::vec::Vec<T>::push`.
fn site_line(site: &SiteChange) -> String {
    let before = site.allocations_before.get();
    let before = if before == 0 {
        "new".to_owned()
    } else {
        format!("{before} -> {}", site.allocations_after)
    };
    let (more, bytes) = (site.allocations_more(), site.allocated_bytes_more());
    format!("{more:>+6} ({before}), {bytes:+} bytes: {}", place(&site.at, &site.within))
}

/// `src/orders.rs:88 (orders::list), by alloc::vec::Vec<T>::push`.
pub(super) fn place(at: &Place, within: &Place) -> String {
    let function = &at.function;
    let place = match (&at.file, at.line) {
        (Some(file), Some(line)) => format!("{file}:{line} ({function})"),
        (Some(file), None) => format!("{file} ({function})"),
        (None, _) => format!("{function} (no line: built without debug information)"),
    };
    let by = if within == at { String::new() } else { format!(", by {}", within.function) };
    escaped(&format!("{place}{by}"))
}

fn instructions(out: &mut String, check: &str, cause: &InstructionCause) {
    let percent = cause.change_ppm.map_or_else(|| "-".to_owned(), percent);
    let (before, after) = (cause.instructions_before, cause.instructions_after);
    // A function that executes more is no cause of fewer instructions.
    let grown = if after > before { cause.functions.as_slice() } else { &[] };
    let grown: Vec<&FunctionGrowth> = grown.iter().filter(|it| has_name(&it.function)).collect();
    let most = if grown.is_empty() { "" } else { ", most of it in" };
    let _ = writeln!(out, "{check}: {before} -> {after} instructions ({percent}){most}");
    for growth in grown.iter().take(NAMED_MAX) {
        let _ = writeln!(
            out,
            "  {:>+10} itself, {:>+10} with what it calls: {}",
            growth.own_per_sample,
            growth.inclusive_per_sample,
            escaped(&growth.function),
        );
    }
    and_more(out, grown.len(), NAMED_MAX, "function");
}

/// Whether a function is one that somebody wrote, as far as its name is known.
fn has_name(function: &str) -> bool {
    !function.starts_with("0x") && function != "(below main)"
}

/// That there are more than are listed.
pub(super) fn and_more(out: &mut String, count: usize, listed: usize, what: &str) {
    let more = count.saturating_sub(listed);
    if more > 0 {
        let _ = writeln!(out, "  and {} more", counted(more as u64, what));
    }
}

#[expect(clippy::cast_precision_loss, reason = "display")]
fn percent(ppm: i64) -> String {
    format!("{:+.2} %", ppm as f64 / 1e4)
}

/// Why checks got worse, filed beside the passport of a comparison.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Causes<'a> {
    /// The version of this format.
    schema_version: u32,
    /// That of the passport.
    run_id: &'a str,
    /// The file of the passport.
    passport: &'a str,
    /// What the baseline is called.
    baseline: &'a str,
    /// What the current side is called.
    current: &'a str,
    /// The checks that were looked into.
    checks: Vec<CauseDocument<'a>>,
}

/// Why one check got worse.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Filed"))]
struct CauseDocument<'a> {
    #[serde(flatten)]
    causes: &'a CheckCauses,
    /// The file that it is drawn in; `null` where nothing was to be drawn.
    flame_graph: Option<CausePart<String>>,
}

/// Files the causes beside their passport, each with a flame graph where there is one; what was
/// written, the document first.
///
/// # Errors
///
/// When a file cannot be written; those before it are there.
pub(super) fn keep(
    kept: &Path,
    passport: &Passport,
    causes: &[CheckCauses],
) -> Result<Vec<PathBuf>, Failure> {
    let Some(comparison) = passport.comparison.as_ref().filter(|_| !causes.is_empty()) else {
        return Ok(Vec::new());
    };
    let name = kept.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let (baseline, current) =
        (escaped(&comparison.baseline.label), escaped(&comparison.current.label));

    // The graphs, one for each check whose chains of calls are known.
    let (mut written, mut checks) = (Vec::new(), Vec::new());
    for cause in causes {
        let title = format!("{}: {current} against {baseline}", cause.check);
        let flame_graph = draw(cause, &title, kept)?;
        let file = flame_graph.as_ref().and_then(CausePart::found);
        written.extend(file.map(|file| kept.with_file_name(file)));
        checks.push(CauseDocument { causes: cause, flame_graph });
    }

    // The document that names them.
    let document = Causes {
        schema_version: SCHEMA_VERSION,
        run_id: &passport.run_id,
        passport: &name,
        baseline: &baseline,
        current: &current,
        checks,
    };
    let mut bytes = serde_json::to_vec_pretty(&document).map_err(Failure::usage)?;
    bytes.push(b'\n');
    let path = kept.with_file_name(format!("{CAUSES}{}.json", store::run_name(kept)));
    store::write_bytes(&path, &bytes)?;
    written.insert(0, path);
    Ok(written)
}

/// Draws the flame graph of a check beside its passport; the name of its file.
fn draw(
    cause: &CheckCauses,
    title: &str,
    kept: &Path,
) -> Result<Option<CausePart<String>>, Failure> {
    let chains = match &cause.chains {
        None => return Ok(None),
        Some(CausePart::Unknown(reason)) => return Ok(Some(CausePart::Unknown(reason.clone()))),
        Some(CausePart::Found(chains)) => chains,
    };
    Ok(Some(match flame_graph::draw(title, chains) {
        Err(error) => CausePart::Unknown(format!("cannot draw: {error}")),
        Ok(svg) => {
            let file = flame_graph::file_of_comparison(&cause.check, &store::run_name(kept));
            store::write_bytes(&kept.with_file_name(&file), &svg)?;
            CausePart::Found(file)
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_passport::units::{Bytes, Count};

    fn place(function: &str, file: Option<&str>) -> Place {
        let line = file.map(|_| 88);
        Place { function: function.to_owned(), file: file.map(str::to_owned), line }
    }

    fn site(at: Place, within: &str, (before, after): (u64, u64)) -> SiteChange {
        SiteChange {
            at,
            within: place(within, Some("library/x.rs")),
            allocations_before: Count::new(before),
            allocations_after: Count::new(after),
            allocated_bytes_before: Bytes::new(before * 8),
            allocated_bytes_after: Bytes::new(after * 8),
            peak_bytes_before: Bytes::ZERO,
            peak_bytes_after: Bytes::ZERO,
        }
    }

    fn causes(sites: Vec<SiteChange>, functions: Vec<FunctionGrowth>) -> CheckCauses {
        CheckCauses {
            check: "orders/default".to_owned(),
            allocations: CausePart::Found(AllocationCause {
                allocations_before: Count::new(29),
                allocations_after: Count::new(66),
                allocated_bytes_before: Bytes::new(100),
                allocated_bytes_after: Bytes::new(396),
                sites,
            }),
            instructions: Some(CausePart::Found(InstructionCause {
                instructions_before: Count::new(1_000),
                instructions_after: Count::new(1_246),
                change_ppm: Some(246_000),
                functions,
            })),
            chains: None,
        }
    }

    #[test]
    fn the_places_and_functions_are_named() {
        let own = place("orders::list", Some("src/orders.rs"));
        let growth = |function: &str| FunctionGrowth {
            function: function.to_owned(),
            own_per_sample: 200,
            inclusive_per_sample: 246,
        };
        let found = causes(
            vec![
                site(own, "alloc::vec::Vec<T>::push", (0, 36)),
                site(place("orders::\u{e9}", None), "x", (4, 5)),
                site(place("better", None), "x", (4, 1)),
            ],
            vec![
                growth("orders::list"),
                growth("a"),
                growth("a"),
                growth("a"),
                growth("a"),
                growth("a"),
            ],
        );
        let expected = "\
orders/default: 29 -> 66 allocations (100 -> 396 bytes), more of them at
     +36 (new), +288 bytes: src/orders.rs:88 (orders::list), by alloc::vec::Vec<T>::push
      +1 (4 -> 5), +8 bytes: orders::\\u{e9} (no line: built without debug information), by x
orders/default: 1000 -> 1246 instructions (+24.60 %), most of it in
        +200 itself,       +246 with what it calls: orders::list
        +200 itself,       +246 with what it calls: a
        +200 itself,       +246 with what it calls: a
        +200 itself,       +246 with what it calls: a
        +200 itself,       +246 with what it calls: a
  and 1 function more
";
        assert_eq!(text(&[found]), expected);
    }

    #[test]
    fn a_check_is_placed_where_it_allocates_more_or_else_executes_more() {
        let own = place("orders::list", Some("src/orders.rs"));
        let better = place("better", Some("src/better.rs"));
        let nameless = place("nameless", None);
        let growth = FunctionGrowth {
            function: "orders::sort".to_owned(),
            own_per_sample: 1,
            inclusive_per_sample: 1,
        };
        let sites =
            vec![site(better, "x", (4, 1)), site(nameless, "x", (0, 9)), site(own, "x", (0, 1))];
        let found =
            places(&[causes(sites, vec![growth.clone()]), causes(Vec::new(), vec![growth])]);
        let told: Vec<_> =
            found.iter().map(|it| (it.function.as_str(), it.file.as_deref(), it.line)).collect();
        let expected =
            [("orders::list", Some("src/orders.rs"), Some(88)), ("orders::sort", None, None)];
        assert_eq!(told, expected);
        assert!(places(&[causes(Vec::new(), Vec::new())]).is_empty());
    }

    #[test]
    fn an_improvement_has_no_function_that_grew() {
        let growth = FunctionGrowth {
            function: "orders::list".to_owned(),
            own_per_sample: 200,
            inclusive_per_sample: 246,
        };
        let at = place("orders::list", Some("src/orders.rs"));
        let mut found = causes(vec![site(at, "x", (0, 1))], vec![growth]);
        if let CausePart::Found(it) = &mut found.allocations {
            it.allocations_after = Count::new(20);
        }
        found.instructions = Some(CausePart::Found(InstructionCause {
            instructions_after: Count::new(190),
            change_ppm: Some(-810_000),
            ..found.instructions.as_ref().and_then(CausePart::found).unwrap().clone()
        }));
        let expected = "\
orders/default: 29 -> 20 allocations (100 -> 396 bytes), and yet more at
      +1 (new), +8 bytes: src/orders.rs:88 (orders::list), by x
orders/default: 1000 -> 190 instructions (-81.00 %)
";
        assert_eq!(text(&[found]), expected);
    }

    #[test]
    fn what_moved_is_not_more_and_what_has_no_name_is_not_named() {
        let unnamed = ["0x1ab70", "(below main)"].map(|function| FunctionGrowth {
            function: function.to_owned(),
            own_per_sample: 9,
            inclusive_per_sample: 9,
        });
        let sites = vec![site(place("orders::list", Some("src/orders.rs")), "x", (0, 36))];
        let mut found = causes(sites, unnamed.into());
        if let CausePart::Found(allocations) = &mut found.allocations {
            allocations.allocations_after = allocations.allocations_before;
            allocations.allocated_bytes_after = allocations.allocated_bytes_before;
        }
        let expected = "\
orders/default: 29 allocations (100 bytes), as before
orders/default: 1000 -> 1246 instructions (+24.60 %)
";
        assert_eq!(text(std::slice::from_ref(&found)), expected);
        assert!(places(&[found]).is_empty());
    }

    #[test]
    fn what_is_not_known_is_said() {
        let mut unknown = causes(Vec::new(), Vec::new());
        let said = text(std::slice::from_ref(&unknown));
        assert!(said.contains("66 allocations, 29 before: no place has more"), "{said}");
        unknown.allocations = CausePart::Unknown("allocation sites are not known: why".to_owned());
        unknown.instructions =
            Some(CausePart::Unknown("instructions are not known: why".to_owned()));
        let said = text(&[unknown]);
        let expected = "orders/default: allocation sites are not known: why\n\
                        orders/default: instructions are not known: why\n";
        assert_eq!(said, expected);
    }
}
