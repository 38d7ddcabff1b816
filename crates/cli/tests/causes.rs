//! Why a check got worse: the line that allocates more and the function that executes more, and
//! nothing where nothing did.
//!
//! Each test runs this program again as the workers of both builds; a variable tells each which
//! build it is to be. Where valgrind is missing, tests that need it print a line that starts with
//! `MISSING:`.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a test whose component is missing says so")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::BTreeMap,
    env, fs,
    hint::black_box,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::LazyLock,
};

use axum::{Router, routing::get};
use libtest_mimic::Arguments;
use perf_passport::{
    allocation::{CountingAllocator, OracleAllocator, Watched, sites_with_dhat},
    clock::SystemClock,
    contract::Contract,
    harness::Harness,
    worker,
};
use perf_passport_compare::{
    AllocationCause, CausePart, CheckCauses, CountPlan, Side, Sides, SiteChange, Suspect, Watch,
    causes, site_changes,
};
use perf_passport_test_support::{test, work::hash_rounds};

#[global_allocator]
static ALLOCATOR: CountingAllocator<OracleAllocator> = CountingAllocator::wrapping(OracleAllocator);

/// What of the service is different in this build; where it is not set, [`PATCHED`] says.
const BUILD_VARIABLE: &str = "PASSPORT_CAUSES_BUILD";

/// Which build an executable is to be whose bytes were changed: one that a variable does not reach.
static PATCHED: [u8; 40] = *b"which build this executable is: same    ";

const CONTRACT: &str = r#"
schema_version = 1
name = "orders"
[[endpoint]]
name = "orders"
path = "/orders"
[[endpoint]]
name = "changing"
path = "/changing"
[[operation]]
name = "copies"
sizes = [10]
budgets = { allocations_max = 100 }
[[operation]]
name = "long"
budgets = { allocations_max = 100 }
"#;

/// Rounds of the loop that every build has.
const ROUNDS: u64 = 20_000;

#[expect(clippy::disallowed_methods, reason = "the second process is told its part by a variable")]
fn main() -> ExitCode {
    if env::args_os().skip(1).eq([worker::FLAG]) {
        let build = env::var(BUILD_VARIABLE).unwrap_or_else(|_| patched().to_owned());
        // Of any length, without allocations that depend on it.
        let build: &'static str = build.leak();
        let harness = Harness::new("", move |_| {
            let router = router(build);
            async move { Ok::<_, String>(router) }
        });
        return operations(harness, build).run();
    }
    let mut arguments = Arguments::from_args();
    // dhat watches the whole process.
    arguments.test_threads = Some(1);
    let tests = vec![
        test("the_line_that_allocates_more_is_named", new_allocations),
        test("fewer_allocations_are_no_cause", fewer_allocations),
        test("the_same_build_has_no_cause", same_build),
        test("a_function_that_moved_is_no_news", moved),
        test("the_function_that_executes_more_is_named_and_drawn", more_work),
        test("what_a_task_allocates_is_the_requests", tasks),
        test("answers_that_differ_have_no_sites", differing_answers),
        test("an_executable_that_is_no_worker_is_said_to_be_none", no_worker),
        test("sites_are_lines_of_this_file", sites_here),
        test("the_program_tells_and_files_the_causes", told_and_filed),
        test("the_program_files_no_causes_where_nothing_got_worse", nothing_filed),
        test("one_build_is_profiled", profiled),
        test("operations_have_instructions_and_causes", of_operations),
        test("an_operation_of_one_build_is_profiled", operation_profiled),
    ];
    libtest_mimic::run(&arguments, tests).exit_code()
}

/// The same with two operations, of which one takes longer than anybody would count.
fn operations(harness: Harness, build: &'static str) -> Harness {
    harness
        .operation("copies", move |size| {
            let (more, rounds) = if build == "work" { (6, 2 * ROUNDS) } else { (0, ROUNDS) };
            move || {
                black_box(hash_rounds(rounds));
                copies(usize::try_from(size).unwrap_or_default() + more)
            }
        })
        .operation("long", |_| || std::thread::sleep(std::time::Duration::from_millis(60)))
}

fn patched() -> &'static str {
    let text = str::from_utf8(&black_box(&PATCHED)[32..]).unwrap_or_default();
    text.trim_end()
}

fn router(build: &'static str) -> Router {
    let orders = move || {
        async move {
            let moved = build == "moved";
            let mut kept = if moved { elsewhere::page() } else { here::page() };
            if build == "allocs" {
                kept.extend(copies(36));
            }
            if build == "task" {
                kept.extend(tokio::spawn(async { copies(36) }).await.unwrap_or_default());
            }
            black_box(hash_rounds(if build == "work" { 2 * ROUNDS } else { ROUNDS }));
            // Whatever was allocated, the answer is the same.
            if kept.is_empty() { "none" } else { "some" }
        }
    };
    let changing = || async { std::process::id().to_string() + &next() };
    Router::new().route("/orders", get(orders)).route("/changing", get(changing))
}

fn next() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static ASKED: AtomicU32 = AtomicU32::new(0);
    ASKED.fetch_add(1, Ordering::Relaxed).to_string()
}

/// The line of `copies` that allocates.
const COPIES_LINE: u32 = line!() + 6;

/// So many blocks.
#[inline(never)]
fn copies(count: usize) -> Vec<Box<[u8]>> {
    let mut all = Vec::with_capacity(64);
    (0..count).for_each(|_| all.push(vec![1_u8; black_box(48)].into_boxed_slice()));
    all
}

mod here {
    /// Three blocks.
    #[inline(never)]
    pub(super) fn page() -> Vec<Box<[u8]>> {
        let size = std::hint::black_box(16);
        vec![vec![0_u8; size].into_boxed_slice(), vec![0_u8; 2 * size].into_boxed_slice()]
    }
}

mod elsewhere {
    /// The same, elsewhere, and with its lines in other places.
    #[inline(never)]
    pub(super) fn page() -> Vec<Box<[u8]>> {
        let size = std::hint::black_box(16);

        vec![vec![0_u8; size].into_boxed_slice(), vec![0_u8; 2 * size].into_boxed_slice()]
    }
}

fn side(build: &str) -> Side {
    Side {
        label: build.to_owned(),
        executable: env::current_exe().unwrap(),
        relinked: Vec::new(),
        arguments: Vec::new(),
        environment: vec![(BUILD_VARIABLE.into(), build.into())],
        kept_cache: None,
        directory: env::temp_dir(),
        files: env::temp_dir(),
        contract: CONTRACT.to_owned(),
    }
}

/// The causes of one check between two builds.
fn causes_of(check: &str, (baseline, current): (Side, Side), instructions: bool) -> CheckCauses {
    let sides = Sides { baseline, current, anchor: None };
    let contract = Contract::parse(CONTRACT).unwrap();
    let suspect =
        Suspect { plan: CountPlan::of_check(contract.check(check).unwrap()), instructions };
    let clock = SystemClock::start();
    let mut found = causes(&sides, &[suspect], Watch { clock: &clock, stop: &|| false });
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn allocations(before: &str, after: &str) -> AllocationCause {
    let found = causes_of("orders/default", (side(before), side(after)), false);
    assert_eq!(found.instructions, None, "they were not asked for");
    match found.allocations {
        CausePart::Found(found) => found,
        CausePart::Unknown(reason) => panic!("{reason}"),
    }
}

/// The sites with more, each with its file and line and how many more.
fn worse(cause: &AllocationCause) -> Vec<(String, u32, i128)> {
    let of = |site: &SiteChange| {
        let file = site.at.file.clone().expect("this test has debug information");
        (file, site.at.line.expect("and lines"), site.allocations_more())
    };
    cause.sites.iter().filter(|it| it.is_worse()).map(of).collect()
}

fn new_allocations() {
    let cause = allocations("same", "allocs");
    let more = cause.allocations_after.get() - cause.allocations_before.get();
    // The blocks, the list of them, and what takes them in, which grows.
    assert_eq!(more, 38, "{cause:#?}");
    let worse = worse(&cause);
    assert_eq!(worse[0], ("tests/causes.rs".to_owned(), COPIES_LINE, 36), "{cause:#?}");
    assert!(cause.sites[0].at.function.ends_with("causes::copies"), "{cause:#?}");
    assert_eq!(cause.sites[0].allocations_before.get(), 0);
    assert_eq!(cause.sites[0].allocated_bytes_more(), 36 * 48);
    assert!(worse.contains(&("tests/causes.rs".to_owned(), COPIES_LINE - 1, 1)), "{cause:#?}");
    // Nothing of this machine.
    let text = serde_json::to_string(&cause).unwrap();
    assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{text}");
    assert!(!text.contains("/registry/") && !text.contains("/rustc/"), "{text}");
}

fn fewer_allocations() {
    let cause = allocations("allocs", "same");
    assert_eq!(worse(&cause), [], "{cause:#?}");
    let less: i128 = cause.sites.iter().map(SiteChange::allocations_more).sum();
    assert_eq!(less, -38, "{cause:#?}");
}

fn same_build() {
    let cause = allocations("same", "same");
    assert_eq!(cause.sites, [], "{cause:#?}");
    assert_eq!(cause.allocations_before, cause.allocations_after);
    assert!(cause.allocations_before.get() > 3, "{cause:#?}");
}

fn moved() {
    let cause = allocations("same", "moved");
    assert_eq!(cause.sites, [], "{cause:#?}");
    // It is seen, and not by chance the same: from nothing it is news.
    let cause = allocations("moved", "same");
    assert_eq!(cause.sites, [], "{cause:#?}");
}

fn tasks() {
    let cause = allocations("same", "task");
    let found = worse(&cause);
    assert!(found.contains(&("tests/causes.rs".to_owned(), COPIES_LINE, 36)), "{cause:#?}");
}

fn is_missing() -> bool {
    let found = Command::new("valgrind").arg("--version").output();
    if found.is_err() {
        println!("MISSING: valgrind");
    }
    found.is_err()
}

fn more_work() {
    if is_missing() {
        return;
    }
    let found = causes_of("orders/default", (side("same"), side("work")), true);
    let Some(CausePart::Found(cause)) = &found.instructions else {
        panic!("{found:#?}");
    };
    assert!(cause.functions[0].function.ends_with("::hash_rounds"), "{cause:#?}");
    let Some(CausePart::Found(chains)) = &found.chains else { panic!("{found:#?}") };
    // What is drawn is what was counted, but for what is only done every few requests.
    let total: u64 = chains.iter().map(|it| it.after).sum();
    let counted = cause.instructions_after.get();
    assert!(total.abs_diff(counted) < counted / 100, "{total} drawn, {counted} counted");
    let grown = chains.iter().max_by_key(|it| it.after - it.before.min(it.after)).unwrap();
    assert!(grown.functions.last().unwrap().ends_with("::hash_rounds"), "{grown:?}");
    assert!(grown.functions.len() > 3, "a chain of calls: {grown:?}");
    assert!(grown.functions.iter().all(|name| !name.contains("17h")), "no hashes: {grown:?}");
    let deep = chains.iter().filter(|it| it.functions[0].starts_with("(called")).count();
    assert_eq!(deep, 0, "{chains:#?}");
    // It allocates the same.
    assert_eq!(found.allocations.found().unwrap().sites, []);
}

fn differing_answers() {
    let found = causes_of("changing/default", (side("same"), side("same")), false);
    let CausePart::Unknown(reason) = found.allocations else { panic!("{found:#?}") };
    assert!(reason.contains("not like the first one"), "{reason}");
}

fn no_worker() {
    let mut none = side("none");
    none.executable = "/bin/false".into();
    let found = causes_of("orders/default", (side("same"), none), false);
    let CausePart::Unknown(reason) = found.allocations else { panic!("{found:#?}") };
    assert!(reason.contains("allocation sites are not known"), "{reason}");
    assert!(reason.contains("none died"), "{reason}");
}

/// By themselves, without a comparison around them.
fn sites_here() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dhat.json");
    let sites = |count: usize| {
        let below = "counted_here";
        let (kept, sites) =
            sites_with_dhat(&Watched { file: &file, below, asker: None }, || counted_here(count))
                .expect("dhat is there");
        assert_eq!(kept.len(), count);
        assert!(!file.exists(), "what dhat wrote is gone");
        sites
    };
    let (none, some) = (sites(0), sites(5));
    let changes = site_changes(&none, &some);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(changes[0].at.line, Some(COPIES_LINE));
    assert_eq!(changes[0].allocations_after.get(), 5);
    let missing = directory.path().join("nowhere/dhat.json");
    let refused =
        sites_with_dhat(&Watched { file: &missing, below: "causes", asker: None }, || {
            counted_here(1)
        })
        .unwrap_err();
    assert!(refused.to_string().contains("cannot read the backtraces"), "{refused}");
}

#[inline(never)]
fn counted_here(count: usize) -> Vec<Box<[u8]>> {
    black_box(copies(count))
}

/// Where in this executable the name of its build is. To look for it takes a second.
static PATCHED_AT: LazyLock<usize> = LazyLock::new(|| {
    let bytes = fs::read(env::current_exe().unwrap()).unwrap();
    let found: Vec<usize> =
        (0..bytes.len() - PATCHED.len()).filter(|at| bytes[*at..].starts_with(&PATCHED)).collect();
    assert_eq!(found.len(), 1, "the place of the build's name");
    found[0]
});

/// This executable, as one that is another build.
fn patched_executable(directory: &Path, build: &str) -> PathBuf {
    let mut bytes = fs::read(env::current_exe().unwrap()).unwrap();
    bytes[*PATCHED_AT + 32..][..8].copy_from_slice(format!("{build:8}").as_bytes());
    let path = directory.join(build);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Whether instructions are counted, which takes most of the time of a comparison.
#[derive(Clone, Copy, PartialEq)]
enum Counted {
    Yes,
    No,
}

/// `passport compare` of two builds, without a session: counts decide. Standard output, and the
/// names of the files beside the passport.
fn compared(
    (baseline, current): (&str, &str),
    format: &str,
    counted: Counted,
) -> (i32, String, BTreeMap<String, Vec<u8>>) {
    compared_of(&["--endpoint", "orders"], (baseline, current), format, counted)
}

/// The same of what these arguments select.
fn compared_of(
    selected: &[&str],
    (baseline, current): (&str, &str),
    format: &str,
    counted: Counted,
) -> (i32, String, BTreeMap<String, Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    compared_in(directory.path(), selected, (baseline, current), format, counted)
}

/// The same in this directory.
fn compared_in(
    directory: &Path,
    selected: &[&str],
    (baseline, current): (&str, &str),
    format: &str,
    counted: Counted,
) -> (i32, String, BTreeMap<String, Vec<u8>>) {
    let path = |name: &str| directory.join(name);
    fs::write(path("passport.toml"), CONTRACT).unwrap();
    fs::create_dir(path("exe")).unwrap();
    let executable = |build: &str| patched_executable(&path("exe"), build);
    let mut command = Command::new(env!("CARGO_BIN_EXE_passport"));
    if counted == Counted::No {
        // No valgrind is found, and nothing else is looked for.
        command.env("PATH", directory);
    }
    let output = command
        .args(["compare", "--time-budget", "0", "--output-format", format])
        .args(selected)
        .arg("--baseline-exe")
        .arg(executable(baseline))
        .arg("--current-exe")
        .arg(executable(current))
        .current_dir(directory)
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().expect(&said);
    let files = fs::read_dir(path("artifacts/performance")).expect(&said);
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let is_file = entry.file_type().unwrap().is_file();
        let name = entry.file_name().into_string().unwrap();
        (is_file && !name.starts_with("performance_passport"))
            .then(|| (name, fs::read(entry.path()).unwrap()))
    };
    (code, stdout, files.filter_map(file).collect())
}

fn told_and_filed() {
    let directory = tempfile::tempdir().unwrap();
    let (selected, sides) = (["--endpoint", "orders"], ("same", "allocs"));
    let (code, stdout, files) =
        compared_in(directory.path(), &selected, sides, "text", Counted::Yes);
    assert_eq!(code, 1, "{stdout}");
    let place = format!("+36 (new), +1728 bytes: tests/causes.rs:{COPIES_LINE} (causes::copies)");
    assert!(stdout.contains(&place), "{stdout}");
    let named = |start: &str, end: &str| {
        let mut names = files.keys().filter(|it| it.starts_with(start) && it.ends_with(end));
        names.next().unwrap_or_else(|| panic!("{start}{end}: {:?}, {stdout}", files.keys()))
    };
    let document = named("causes_", ".json");
    assert!(stdout.contains(document.as_str()), "{stdout}");
    let document: serde_json::Value = serde_json::from_slice(&files[document]).unwrap();
    let check = &document["checks"][0];
    assert_eq!(check["check"], "orders/default");
    let site = &check["allocations"]["found"]["sites"][0];
    assert_eq!(site["at"]["line"], COPIES_LINE, "{check}");
    assert_eq!(site["allocations_after"], 36, "{check}");
    if is_missing() {
        let reason = check["instructions"]["unknown"].as_str().unwrap();
        assert!(reason.contains("valgrind is not installed"), "{reason}");
        return;
    }
    let functions = &check["instructions"]["found"]["functions"];
    assert!(functions.as_array().is_some_and(|it| !it.is_empty()), "{check}");
    let drawn = named("flamegraph_orders+default_", ".svg");
    assert_eq!(check["flame_graph"]["found"], drawn.as_str());
    let svg = String::from_utf8(files[drawn].clone()).unwrap();
    assert!(svg.contains("orders/default: current against baseline"), "{svg}");
    assert!(svg.contains("<title>causes::copies ("), "{svg}");
    shown_on_pages(directory.path(), drawn);
    // As a part of a pull request.
    let (_, markdown, _) = compared(("same", "allocs"), "markdown", Counted::No);
    assert!(markdown.contains(&place), "{markdown}");
    // And beside the passport, where nothing but that is asked for.
    let (_, json, files) = compared(("same", "allocs"), "json", Counted::No);
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    assert!(files.len() >= 2, "{:?}", files.keys());
}

/// The flame graph is beside pages of the passport, and the page of the check leads to it.
fn shown_on_pages(directory: &Path, drawn: &str) {
    let artifacts = directory.join("artifacts/performance");
    let report = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passport"));
        command.args(["report", "--input-dir", "artifacts/performance", "--with-evidence"]);
        let output = command.current_dir(directory).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    };
    let site = directory.join("site");
    report();
    let kept = fs::read(site.join("evidence").join(drawn)).unwrap();
    assert_eq!(kept, fs::read(artifacts.join(drawn)).unwrap());
    let pages = fs::read_dir(site.join("subject")).unwrap();
    let pages: Vec<String> =
        pages.map(|it| fs::read_to_string(it.unwrap().path()).unwrap()).collect();
    let link = format!("href=\"../evidence/{drawn}\"");
    assert_eq!(pages.iter().filter(|it| it.contains(&link)).count(), 1, "{pages:?}");
    // What somebody changed is not taken over.
    fs::remove_dir_all(&site).unwrap();
    fs::write(artifacts.join(drawn), "<svg onload='alert(1)'/>").unwrap();
    let said = report();
    assert!(said.contains("no flame graph of this program"), "{said}");
    assert!(!site.join("evidence").join(drawn).exists());
}

fn nothing_filed() {
    let (code, stdout, files) = compared(("same", "moved"), "text", Counted::Yes);
    // Of latency nothing is known.
    assert_eq!(code, 4, "{stdout}");
    let is_cause = |name: &&String| !name.starts_with("baseline_");
    assert_eq!(files.keys().find(is_cause), None);
    assert!(!stdout.contains("causes"), "{stdout}");
    let (code, stdout, files) = compared(("allocs", "same"), "text", Counted::No);
    assert_eq!(code, 4, "{stdout}");
    assert_eq!(files.keys().find(is_cause), None);
}

/// `passport profile` of one build: places, functions and a picture, and nothing that fails.
fn profiled() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("passport.toml"), CONTRACT).unwrap();
    let executable = patched_executable(directory.path(), "allocs");
    let profile = |arguments: &[&str], environment: &[(&str, &Path)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passport"));
        command.arg("profile").args(arguments).arg("--exe").arg(&executable);
        let output = command.envs(environment.iter().copied()).current_dir(directory.path());
        let output = output.output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), stdout, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let copies = format!("tests/causes.rs:{COPIES_LINE} (causes::copies)");

    // Without anybody who counts instructions the places are there.
    let nobody = [("PATH", directory.path())];
    let (code, stdout, said) = profile(&["orders"], &nobody);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        stdout.lines().any(|it| it.starts_with("      36,") && it.contains(&copies)),
        "{stdout}"
    );
    assert!(stdout.contains("valgrind is not installed"), "{stdout}");

    // What is no check, and what answers otherwise each time.
    let (code, _, said) = profile(&["other"], &nobody);
    assert_eq!(
        (code, said.trim()),
        (Some(2), "passport: no endpoint, check or path is named `other`")
    );
    let (code, stdout, _) = profile(&["changing", "--no-instructions"], &nobody);
    assert_eq!(code, Some(3));
    assert!(stdout.contains("not like the first one"), "{stdout}");

    if is_missing() {
        return;
    }
    let (code, stdout, said) = profile(&["/orders", "--artifacts-dir", "drawn"], &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(stdout.contains("instructions in one sample"), "{stdout}");
    assert!(stdout.lines().any(|it| it.ends_with("::hash_rounds")), "{stdout}");
    let svg = fs::read_to_string(path("drawn/profile_orders+default.svg")).expect(&stdout);
    assert!(svg.contains("orders/default of executable"), "{svg}");
    assert!(svg.contains("<title>causes::copies ("), "{svg}");
}

/// What operations execute is counted and decides; why they do more of it is said.
fn of_operations() {
    let selected = ["--operation", "copies", "--operation", "long"];
    let (code, stdout, files) = compared_of(&selected, ("same", "work"), "text", Counted::Yes);
    assert_eq!(code, 1, "{stdout}");
    let place =
        format!("+6 (10 -> 16), +288 bytes: tests/causes.rs:{COPIES_LINE} (causes::copies)");
    assert!(stdout.contains(&place), "{stdout}");
    if is_missing() {
        return;
    }
    assert!(stdout.contains("copies/10: instructions-change +9"), "{stdout}");
    assert!(stdout.lines().any(|it| it.contains("::hash_rounds")), "{stdout}");
    let file = files.keys().find(|it| it.starts_with("flamegraph_"));
    let drawn = file.unwrap_or_else(|| panic!("{:?}", files.keys()));
    assert!(drawn.starts_with("flamegraph_operation++copies+10_"), "{drawn}");
    let long = "an iteration takes 60 ms, and valgrind would take too long above 40 ms (long)";
    assert!(stdout.contains(long), "{stdout}");

    // And nothing is found where nothing is.
    let selected = ["--operation", "copies"];
    let (code, stdout, _) = compared_of(&selected, ("same", "moved"), "json", Counted::Yes);
    assert_eq!(code, 4, "{stdout}");
    let passport = perf_passport::passport::verify(stdout.as_bytes()).unwrap();
    let claims = &passport.operation_case("copies/10").unwrap().claims;
    let kind = perf_passport::contract::ClaimKind::InstructionsChange;
    let claim = claims.iter().find(|it| it.kind == kind).unwrap();
    assert_eq!(claim.verdict, perf_passport::claim::Verdict::Pass);
}

fn operation_profiled() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("passport.toml"), CONTRACT).unwrap();
    let executable = patched_executable(directory.path(), "same");
    let profile = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passport"));
        let command = command.args(["profile", name, "--exe"]).arg(&executable);
        let output = command.current_dir(directory.path()).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), stdout, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stdout, said) = profile("copies/10");
    assert_eq!(code, Some(0), "{said}");
    let place = format!("480 bytes: tests/causes.rs:{COPIES_LINE} (causes::copies)");
    assert!(stdout.contains(&place), "{stdout}");
    let (_, long, _) = profile("long");
    assert!(long.contains("operation::long: 0 allocations of 0 bytes in one sample"), "{long}");
    if is_missing() {
        return;
    }
    assert!(stdout.contains(" instructions in one sample of 8 iterations"), "{stdout}");
    assert!(stdout.lines().any(|it| it.ends_with("::hash_rounds")), "{stdout}");
    assert!(long.contains("valgrind would take too long above 40 ms"), "{long}");
}
