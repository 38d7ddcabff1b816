//! Project rules that the compiler does not check.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The packages of the workspace, and those of them that each may use. `.` is the library.
const PACKAGES: &[(&str, &[&str])] = &[
    (METER, &[]),
    (LIBRARY, &["perf-passport-meter"]),
    ("crates/compare", &["perf-passport"]),
    // The reference service: it can be measured, and knows nothing of measuring.
    ("crates/ledger", &["perf-passport-meter"]),
    // Reads passports, and measures nothing.
    ("crates/history", &["perf-passport"]),
    // Reads contracts, and writes text.
    ("crates/monitor", &["perf-passport"]),
    (
        "crates/cli",
        &[
            "perf-passport",
            "perf-passport-compare",
            "perf-passport-history",
            "perf-passport-ledger",
            "perf-passport-monitor",
        ],
    ),
    // With the memory-bound service, whose work is of the library.
    ("tests/support", &["perf-passport"]),
];

const METER: &str = "crates/meter";
const LIBRARY: &str = ".";

/// The modules of the meter, and after them those of the library, in the order in which each `lib.rs`
/// lists them. The library shows the meter's as its own.
///
/// A module may name only itself and the modules listed beside it, all of which come earlier.
const MAY_USE: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("text", &[]),
    ("clock", &["units"]),
    ("process_memory", &["units"]),
    ("allocation", &["units"]),
    ("criterion", &["allocation"]),
    ("instrument", &["allocation", "units"]),
    ("telemetry", &["allocation", "clock", "process_memory", "text", "units"]),
    ("rules", &[]),
    ("files", &["units"]),
    ("timestamp", &[]),
    ("contract", &["text", "units"]),
    ("statistics", &["contract", "units"]),
    ("evidence", &["contract", "process_memory", "statistics", "text", "units"]),
    ("paired", &["rules", "units"]),
    ("claim", &["contract", "evidence", "paired", "rules", "statistics", "units"]),
    (
        "operation",
        &["claim", "contract", "evidence", "paired", "rules", "statistics", "text", "units"],
    ),
    ("production", &["claim", "contract", "evidence", "rules", "statistics", "units"]),
    (
        "probe",
        &[
            "allocation",
            "clock",
            "contract",
            "evidence",
            "files",
            "instrument",
            "process_memory",
            "text",
            "units",
        ],
    ),
    ("environment", &["text", "units"]),
    (
        "passport",
        &[
            "claim",
            "contract",
            "environment",
            "evidence",
            "operation",
            "paired",
            "production",
            "rules",
            "statistics",
            "text",
            "units",
        ],
    ),
    (
        "foreign",
        &["contract", "evidence", "files", "operation", "passport", "text", "timestamp", "units"],
    ),
    (
        "pipeline",
        &[
            "claim",
            "clock",
            "contract",
            "environment",
            "evidence",
            "operation",
            "passport",
            "probe",
            "production",
            "rules",
            "statistics",
            "text",
            "timestamp",
            "units",
        ],
    ),
    ("store", &["files", "passport", "units"]),
    (
        "report",
        &[
            "claim",
            "contract",
            "evidence",
            "operation",
            "paired",
            "passport",
            "production",
            "statistics",
            "text",
            "units",
        ],
    ),
    ("schemas", &[]),
    // In another process than what asks it.
    (
        "worker",
        &[
            "allocation",
            "clock",
            "contract",
            "environment",
            "evidence",
            "operation",
            "passport",
            "pipeline",
            "probe",
            "text",
            "units",
        ],
    ),
    (
        "harness",
        &[
            "allocation",
            "claim",
            "clock",
            "contract",
            "evidence",
            "files",
            "operation",
            "passport",
            "pipeline",
            "probe",
            "report",
            "store",
            "text",
            "timestamp",
            "units",
            "worker",
        ],
    ),
];

/// How many of the modules are the meter's.
const METER_MODULES: usize = 8;

/// Packages that who reads passports compiles at most, this one included.
const LIBRARY_PACKAGES_MAX: usize = 45;
/// Packages that a service with the layer compiles at most.
const METER_PACKAGES_MAX: usize = 30;

#[test]
fn module_graph_has_no_cycles() {
    for (index, (module, may_use)) in MAY_USE.iter().enumerate() {
        for used in *may_use {
            let earlier = MAY_USE[..index].iter().any(|(name, _)| name == used);
            assert!(earlier, "`{module}` lists `{used}`, which does not come before it");
        }
    }
}

#[test]
fn modules_depend_in_one_direction() {
    let mut violations = Vec::new();
    let (meter, library) = MAY_USE.split_at(METER_MODULES);
    let of = |package: &str, modules| {
        let files = rust_files(&format!("{package}/src")).into_iter();
        files.map(move |path| (path, modules)).collect::<Vec<_>>()
    };
    for (path, modules) in [of(METER, meter), of(LIBRARY, library)].concat() {
        let module = top_module(&path);
        if module == "lib" {
            continue;
        }
        let Some((_, may_use)) = modules.iter().find(|(name, _)| *name == module) else {
            violations.push(format!("{}: `{module}` is missing from MAY_USE", path.display()));
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        for used in crate_modules_named_in(&text) {
            if used != module && !may_use.contains(&used.as_str()) {
                violations.push(format!("{}: may not use `crate::{used}`", path.display()));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn libraries_list_their_modules_in_reading_order() {
    let (meter, library) = MAY_USE.split_at(METER_MODULES);
    for (of, modules) in [(METER, meter), (LIBRARY, library)] {
        let text = fs::read_to_string(package(of).join("src/lib.rs")).unwrap();
        let module =
            |line: &'_ str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
        let listed: Vec<String> = text.lines().filter_map(module).collect();
        let expected: Vec<&str> = modules.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, expected, "{of}");
    }
}

#[test]
fn the_tables_of_the_architecture_say_the_same() {
    let page = fs::read_to_string(package("ARCHITECTURE.md")).unwrap();
    let mut listed = Vec::new();
    for before in ["\nIn `crates/meter`", "\nIn the root"] {
        let (_, table) = page.split_once(before).unwrap();
        let rows = table.lines().skip_while(|line| !line.starts_with("| `"));
        for row in rows.take_while(|line| line.starts_with("| `")) {
            let columns: Vec<&str> = row.split('|').map(str::trim).collect();
            let may_use: Vec<&str> = columns[3].split(", ").filter(|it| *it != "nothing").collect();
            listed.push((columns[1].trim_matches('`'), may_use));
        }
    }
    let expected: Vec<_> = MAY_USE.iter().map(|(name, uses)| (*name, uses.to_vec())).collect();
    assert_eq!(listed, expected);
}

#[test]
fn packages_depend_in_one_direction() {
    for (of, may_use) in PACKAGES {
        let text = fs::read_to_string(package(of).join("Cargo.toml")).unwrap();
        let (_, dependencies) = text.split_once("\n[dependencies]\n").expect("dependencies");
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let ours = |line: &str| {
            let name = line.split([' ', '.', '=']).next()?;
            name.starts_with("perf-passport").then(|| name.to_owned())
        };
        let used: Vec<String> = dependencies.lines().filter_map(ours).collect();
        assert_eq!(used, *may_use, "{of}");
    }
}

#[test]
fn every_package_is_looked_at() {
    let crates = fs::read_dir(package("crates")).unwrap();
    for entry in crates {
        let name = entry.unwrap().file_name();
        let name = format!("crates/{}", name.to_string_lossy());
        assert!(PACKAGES.iter().any(|(of, _)| *of == name), "{name} is missing from PACKAGES");
    }
}

#[test]
fn every_module_opens_with_what_it_is_for() {
    let mut violations = Vec::new();
    for path in sources().into_iter().chain(rust_files("benches")) {
        let text = fs::read_to_string(&path).unwrap();
        if !text.starts_with("//! ") {
            violations.push(format!("{}: does not open with `//! `", path.display()));
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// What the program prints comes from these files, and logs are ASCII.
#[test]
fn code_and_documents_are_ascii() {
    let mut files = sources();
    files.extend(rust_files("benches"));
    files.extend(rust_files("examples"));
    files.extend(files_with_extension(&package(""), "md", false));
    files.extend(files_with_extension(&package("docs"), "md", true));
    for (of, _) in PACKAGES {
        files.extend(files_with_extension(&package(of), "toml", false));
    }
    let mut violations = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_ascii()) {
            let (path, line_number) = (path.display(), index + 1);
            violations.push(format!("{path}:{line_number}: {}", line.escape_default()));
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn a_library_user_compiles_few_packages() {
    assert_few_packages("perf-passport", &[], LIBRARY_PACKAGES_MAX);
    for feature in ["layer", "telemetry"] {
        assert_few_packages("perf-passport-meter", &["--features", feature], METER_PACKAGES_MAX);
    }
}

#[track_caller]
fn assert_few_packages(of: &str, features: &[&str], max: usize) {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--no-default-features"])
        .args(["--package", of])
        .current_dir(package(""))
        .args(features)
        .args(["--edges", "normal,build", "--prefix", "none"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let packages: BTreeSet<&str> = text
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|it| !it.is_empty())
        .collect();
    let count = packages.len();
    assert!(count > 1, "`cargo tree` printed no tree: {text}");
    assert!(count <= max, "{count} packages, more than {max}:\n{text}");
}

#[test]
fn crate_paths_are_found() {
    let text = "use crate::{a::{B, C}, c, self};\nlet x = crate::d::e();\n// crate::f is prose\n";
    let found: Vec<String> = crate_modules_named_in(text).into_iter().collect();
    assert_eq!(found, ["a", "c", "d", "self"]);
}

fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn top_module(path: &Path) -> String {
    let below = |of: &&str| path.strip_prefix(package(of).join("src")).ok();
    let relative = [METER, LIBRARY].iter().find_map(below).unwrap();
    let first = relative.components().next().unwrap().as_os_str();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Returns the first segment of every `crate::` path outside line comments.
fn crate_modules_named_in(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => found.extend(first_segment(rest)),
            Some(group) => {
                found.extend(top_level_items(group).iter().filter_map(|it| first_segment(it)));
            }
        }
    }
    found
}

fn first_segment(path: &str) -> Option<String> {
    let name: String =
        path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Splits `a::{B, C}, d}` at the commas outside nested braces, up to the closing brace.
fn top_level_items(group: &str) -> Vec<String> {
    let (mut depth, mut items) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        items.last_mut().unwrap().push(c);
    }
    items
}

/// The sources of all packages.
fn sources() -> Vec<PathBuf> {
    PACKAGES.iter().flat_map(|(of, _)| rust_files(&format!("{of}/src"))).collect()
}

fn rust_files(directory: &str) -> Vec<PathBuf> {
    files_with_extension(&package(directory), "rs", true)
}

fn files_with_extension(directory: &Path, extension: &str, recursive: bool) -> Vec<PathBuf> {
    let mut files = Vec::new();
    // A directory that the package does not have holds no file.
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && recursive {
            files.extend(files_with_extension(&path, extension, recursive));
        } else if path.extension().is_some_and(|it| it == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// `cargo bench -- --save-baseline NAME` gives that to every target, and libtest knows no such option.
#[test]
fn no_library_and_no_program_is_a_target_of_cargo_bench() {
    for (of, _) in PACKAGES {
        let text = fs::read_to_string(package(of).join("Cargo.toml")).unwrap();
        for target in ["[lib]", "[[bin]]"] {
            let tables = text.split("\n\n").filter(|it| it.trim_start().starts_with(target));
            let without: Vec<&str> = tables.filter(|it| !it.contains("\nbench = false")).collect();
            assert!(without.is_empty(), "{of}: {without:?}");
        }
        let has = |name: &str| package(of).join("src").join(name).exists();
        assert!(!has("lib.rs") || text.contains("\n[lib]\n"), "{of}");
        assert!(!has("main.rs") || text.contains("\n[[bin]]\n"), "{of}");
    }
}

/// Whoever reads a name knows which type it is; what is associated with a trait is none.
#[test]
fn no_two_types_of_a_package_share_a_name() {
    for (package, _) in PACKAGES {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in rust_files(&format!("{package}/src")) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            for name in code.lines().filter_map(declared_type) {
                let place = file.display().to_string();
                places.entry(name.to_owned()).or_default().push(place);
            }
        }
        assert!(!places.is_empty(), "{package}");
        places.retain(|_, files| files.len() > 1);
        assert!(places.is_empty(), "{package}: {places:#?}");
    }
}

/// The type that a line of code at the margin declares.
fn declared_type(line: &str) -> Option<&str> {
    let line =
        line.strip_prefix("pub(in ").and_then(|it| it.split_once(") ")).map_or(line, |it| it.1);
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    let kind = words.next()?;
    let declares = ["struct", "enum", "trait", "type", "union"].contains(&kind);
    let name = words.next()?.split(|c: char| !c.is_alphanumeric()).next()?;
    (declares && !line.starts_with(' ')).then_some(name)
}
