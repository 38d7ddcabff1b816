//! `passport profile`: what a check or an operation of one build allocates and executes, and where.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::Ordering,
};

use anyhow::anyhow;
use clap::Args;

use super::{
    clock,
    compare_causes::{and_more, place},
    compare_sides::{harness_or_default, start_guard},
    contract_file::{contract_text, directory_of},
    exit::{Code, Failure},
    flame_graph, measure, terminal,
};
use perf_passport::{
    allocation::AllocationSite,
    contract::{Check, CheckSelection, Contract},
    paired::{FunctionCost, Instructions},
    store,
    text::escaped,
    units::Count,
};
use perf_passport_compare::{
    CausePart, Item, Side, Watch, WorkProfile,
    checkout::{Project, Reference, checkout},
    profile,
};

/// Places and functions that are listed of each, at most.
const LISTED_MAX: usize = 20;

/// Show what a check or an operation of one build allocates and executes, and where.
#[derive(Debug, Args)]
pub(super) struct ProfileArguments {
    /// The check (an endpoint that has one, `endpoint/variant`, or a path), or the operation, `operation/size`
    /// where it has several sizes
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// The contract
    #[arg(long, value_name = "FILE", default_value = "passport.toml")]
    contract: PathBuf,
    /// Build this branch, tag or commit; the working tree when left out
    #[arg(long, value_name = "REF", conflicts_with = "exe")]
    branch: Option<String>,
    /// The test target or benchmark to build, made with this library's harness
    #[arg(long, value_name = "NAME", conflicts_with = "exe")]
    harness: Option<String>,
    /// An executable that is there already, a harness target
    #[arg(long, value_name = "FILE")]
    exe: Option<PathBuf>,
    /// Do not count instructions under valgrind
    #[arg(long)]
    no_instructions: bool,
    /// Where the flame graph is filed
    #[arg(long, value_name = "DIR", default_value = "artifacts/performance")]
    artifacts_dir: PathBuf,
}

pub(super) fn run(arguments: &ProfileArguments) -> Result<ExitCode, Failure> {
    let interrupted = measure::watch_signals()?;
    let stop = || interrupted.load(Ordering::Relaxed);
    let watch = Watch { clock: &clock::started()?, stop: &stop };

    // The build, with a contract of its own.
    start_guard();
    let side = arguments.side(watch)?;
    let contract = Contract::parse(&side.contract).map_err(|error| {
        Failure::usage(anyhow!("cannot read contract `{}`: {error}", arguments.contract.display()))
    })?;
    let item = item_named(&contract, &arguments.subject)?;

    // What it does.
    terminal::note(&format!("looking into {}", escaped(&item.id())));
    let found = profile(&side, item, !arguments.no_instructions, watch)?;
    terminal::print(&text(&found))?;
    if let Some(path) = draw(&found, &side.label, &arguments.artifacts_dir)? {
        terminal::print(&format!("flame graph {}\n", terminal::path(&path)))?;
    }
    Ok(code_of(&found).into())
}

impl ProfileArguments {
    fn side(&self, watch: Watch<'_>) -> Result<Side, Failure> {
        if let Some(path) = &self.exe {
            let text = contract_text(&self.contract)?;
            if !path.is_file() {
                let path = path.display();
                return Err(Failure::usage(anyhow!("`{path}` is no file: name an executable")));
            }
            return Ok(Side::of_executable("executable", path.clone(), text));
        }
        let project = Project {
            repository: directory_of(&self.contract),
            contract: &self.contract,
            harness: harness_or_default(self.harness.as_deref(), &self.contract),
            written: Some(&self.artifacts_dir),
            cache: None,
        };
        let named = |name: &str| Reference::Named(name.to_owned());
        let reference = self.branch.as_deref().map_or(Reference::WorkingTree, named);
        terminal::note(&escaped(&format!("building {reference}")));
        let say = &mut |line: &str| terminal::note(&escaped(line));
        Ok(checkout(&project, &reference, watch.stop, say)?.side)
    }
}

/// The one check, or operation at a size, that goes by this name.
fn item_named<'c>(contract: &'c Contract, name: &str) -> Result<Item<'c>, Failure> {
    let cases = contract.operations.iter().flat_map(Item::cases);
    let cases = cases.filter(|it| is_of_operation(*it, name));
    let mut items: Vec<Item<'_>> = cases.collect();
    let checks: Vec<&Check> = contract.checks.iter().collect();
    let names = [name.to_owned()];
    match (CheckSelection { names: &names, fixture: None }).select(&checks) {
        Ok(checks) => items.extend(checks.into_iter().map(Item::from)),
        Err(_) if !items.is_empty() => {}
        Err(error) => return Err(error.into()),
    }
    match items.as_slice() {
        [item] => Ok(*item),
        several => {
            let ids: Vec<String> = several.iter().map(Item::id).collect();
            let (name, ids) = (escaped(name), ids.join(", "));
            Err(Failure::usage(anyhow!("`{name}` is several: say which of {ids}")))
        }
    }
}

/// Whether the operation is named, or it at its size, with or without what tells it from a check.
fn is_of_operation(item: Item<'_>, name: &str) -> bool {
    let Item::Case(operation, size) = item else { return false };
    let case = operation.case_name(size);
    [&operation.name, &case, &item.id()].into_iter().any(|it| it == name)
}

/// Nothing fails here; what could not be found out was not measured.
fn code_of(found: &WorkProfile) -> Code {
    let known = found.sites.found().is_some()
        || found.instructions.as_ref().is_some_and(|it| it.found().is_some());
    if known { Code::Pass } else { Code::NotMeasured }
}

fn text(found: &WorkProfile) -> String {
    let mut out = String::new();
    let item = escaped(&found.item);
    match &found.sites {
        CausePart::Found(sites) => list_sites(&mut out, &item, sites),
        CausePart::Unknown(reason) => drop(writeln!(out, "{item}: {}", escaped(reason))),
    }
    match &found.instructions {
        Some(CausePart::Found(counted)) => {
            list_functions(&mut out, &item, (counted, found.iterations));
        }
        Some(CausePart::Unknown(reason)) => drop(writeln!(out, "{item}: {}", escaped(reason))),
        None => {}
    }
    out
}

fn list_sites(out: &mut String, item: &str, sites: &[AllocationSite]) {
    let all = sites.iter().fold(Count::ZERO, |sum, it| sum.saturating_add(it.allocations));
    let bytes = sites.iter().fold(0_u64, |sum, it| sum.saturating_add(it.allocated_bytes.get()));
    let _ = writeln!(out, "{item}: {all} allocations of {bytes} bytes in one sample");
    for site in sites.iter().take(LISTED_MAX) {
        let (count, bytes) = (site.allocations.get(), site.allocated_bytes.get());
        let _ = writeln!(out, "{count:>8}, {bytes:>9} bytes: {}", place(&site.at, &site.within));
    }
    and_more(out, sites.len(), LISTED_MAX, "place");
}

#[expect(clippy::cast_precision_loss, reason = "display")]
fn list_functions(out: &mut String, item: &str, (counted, iterations): (&Instructions, u64)) {
    let of = if iterations > 1 { format!(" of {iterations} iterations") } else { String::new() };
    let _ = writeln!(out, "{item}: {} instructions in one sample{of}", counted.per_sample());
    let mut functions: Vec<(&String, &FunctionCost)> =
        counted.functions.iter().filter(|(_, cost)| cost.own > 0).collect();
    functions.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.own));
    let percent = |part: u64| 100.0 * part as f64 / counted.total.max(1) as f64;
    for (name, cost) in functions.iter().take(LISTED_MAX) {
        let (own, inclusive) = (percent(cost.own), percent(cost.inclusive));
        let _ = writeln!(
            out,
            "{own:>7.2} % itself, {inclusive:>6.2} % with what it calls: {}",
            escaped(name)
        );
    }
    and_more(out, functions.len(), LISTED_MAX, "function");
}

/// Draws the flame graph; where it was filed, if there was anything to draw.
fn draw(found: &WorkProfile, label: &str, directory: &Path) -> Result<Option<PathBuf>, Failure> {
    let chains = match &found.chains {
        None => return Ok(None),
        Some(CausePart::Unknown(reason)) => {
            terminal::note(&format!("no flame graph: {}", escaped(reason)));
            return Ok(None);
        }
        Some(CausePart::Found(chains)) => chains,
    };
    let title = format!("{} of {label}", found.item);
    let svg = flame_graph::draw_one(&title, chains)
        .map_err(|error| Failure::new(Code::NotMeasured, error))?;
    let path = directory.join(flame_graph::file_of_profile(&found.item));
    store::write_bytes(&path, &svg)?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_passport::{allocation::Place, units::Bytes};
    use std::collections::BTreeMap;

    const CONTRACT: &str = "schema_version = 1\nname = \"a\"\n\
        [[endpoint]]\nname = \"list\"\npath = \"/list\"\n\
        [[endpoint.variant]]\nname = \"few\"\n[[endpoint.variant]]\nname = \"many\"\n\
        [[operation]]\nname = \"sort\"\nbudgets = { allocations_max = 9 }\n\
        [[operation]]\nname = \"fill\"\nsizes = [10, 20]\n\
        budgets = { allocations_max = 9 }\n";

    fn refusal(name: &str) -> String {
        let contract = Contract::parse(CONTRACT).unwrap();
        item_named(&contract, name).unwrap_err().to_string()
    }

    #[test]
    fn one_check_or_operation_is_named() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let id = |name| item_named(&contract, name).unwrap().id();
        assert_eq!(id("list/many"), "list/many");
        for name in ["sort", "operation::sort"] {
            assert_eq!(id(name), "operation::sort");
        }
        assert_eq!(id("fill/20"), "operation::fill/20");
        assert_eq!(refusal("list"), "`list` is several: say which of list/few, list/many");
        let several = "`fill` is several: say which of operation::fill/10, operation::fill/20";
        assert_eq!(refusal("fill"), several);
        assert_eq!(refusal("other"), "no endpoint, check or path is named `other`");
    }

    fn found() -> WorkProfile {
        let place = |function: &str| Place {
            function: function.to_owned(),
            file: Some("src/list.rs".to_owned()),
            line: Some(8),
        };
        let site = AllocationSite {
            at: place("list"),
            within: place("Vec::push"),
            allocations: Count::new(12),
            allocated_bytes: Bytes::new(340),
            peak_bytes: Bytes::new(10),
        };
        let cost = |own, inclusive| FunctionCost { own, inclusive };
        let functions = BTreeMap::from([
            ("list\u{e9}".to_owned(), cost(10, 40)),
            ("hash".to_owned(), cost(30, 30)),
            ("idle".to_owned(), cost(0, 40)),
        ]);
        WorkProfile {
            item: "list/many".to_owned(),
            iterations: 1,
            sites: CausePart::Found(vec![site]),
            instructions: Some(CausePart::Found(Instructions { total: 40, samples: 2, functions })),
            chains: None,
        }
    }

    #[test]
    fn places_and_functions_are_listed() {
        let expected = "\
list/many: 12 allocations of 340 bytes in one sample
      12,       340 bytes: src/list.rs:8 (list), by Vec::push
list/many: 20 instructions in one sample
  75.00 % itself,  75.00 % with what it calls: hash
  25.00 % itself, 100.00 % with what it calls: list\\u{e9}
";
        assert_eq!(text(&found()), expected);
    }

    #[test]
    fn what_nobody_knows_is_said_and_was_not_measured() {
        let nobody = || CausePart::Unknown("allocation sites are not known: why".to_owned());
        let mut unknown = WorkProfile { sites: nobody(), ..found() };
        assert_eq!(code_of(&unknown), Code::Pass);
        unknown.instructions = Some(CausePart::Unknown("valgrind is not installed".to_owned()));
        assert_eq!(code_of(&unknown), Code::NotMeasured);
        let said = "list/many: allocation sites are not known: why\n\
                    list/many: valgrind is not installed\n";
        assert_eq!(text(&unknown), said);
    }
}
