//! The command: which of the ways in this is, and the draft of each.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::Args;

use super::{
    super::{
        contract_file,
        exit::{Code, Failure},
    },
    cargo_project::{CargoProject, LOCK_FILE, MANIFEST, TARGET},
    criterion_suite,
    draft::Draft,
    openapi::{self, OpenApi},
    running_service,
    workflow::{self, Job},
};
use perf_passport::{
    contract::{Contract, ContractOutline, OutlinedEndpoint},
    files,
    probe::ProbeError,
    text::{counted, escaped},
    units::Bytes,
};

/// Where criterion writes.
const CRITERION_DIRECTORY: &str = "target/criterion";

/// The head of each contract.
const COMMENT: &str = "Made by `passport init`. What is not written here is the default: the p99 is below \
                       10 ms, and a request has less than 1000 allocations and 10 MB of peak heap.";

/// Write the first contract, what runs it, and a workflow, for what is found here.
///
/// A Cargo project with axum gets a test target, one with criterion operations of its suite. Nothing is
/// asked, and nothing is replaced.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// For a service that runs at this base URL; it is asked what it answers
    #[arg(long, value_name = "URL", conflicts_with_all = ["cmd", "criterion"])]
    api_url: Option<String>,
    /// For servers that this command starts, on the port in PORT and in `{port}`
    #[arg(long, value_name = "CMD", conflicts_with = "criterion")]
    cmd: Option<String>,
    /// For the benchmarks that criterion measured in this directory (target/criterion)
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = CRITERION_DIRECTORY,
          conflicts_with_all = ["openapi", "endpoint"])]
    criterion: Option<PathBuf>,
    #[expect(clippy::doc_markdown, reason = "this is printed as help")]
    /// Take the GETs of this OpenAPI document (JSON) that need no parameters
    #[arg(long, value_name = "FILE", conflicts_with = "endpoint")]
    openapi: Option<PathBuf>,
    /// Take this path; may be repeated
    #[arg(long, value_name = "PATH")]
    endpoint: Vec<String>,
    /// The action that the workflow uses: the repository of this program, and the commit of its release
    #[arg(long, value_name = "OWNER/NAME@COMMIT", value_parser = action)]
    action: Option<String>,
}

/// What stands for the action where nobody named it.
const ACTION: &str = "OWNER/perf-passport@SHA";

/// An action as a workflow names it. What else would stand there is no part of a workflow.
fn action(text: &str) -> Result<String, String> {
    let plain = |it: &str| {
        let is_of = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
        !it.is_empty() && it.bytes().all(is_of)
    };
    match text.split_once('@') {
        Some((name, at)) if name.contains('/') && plain(name) && plain(at) => Ok(text.to_owned()),
        _ => Err("it is not OWNER/NAME@COMMIT".to_owned()),
    }
}

/// Endpoints, and where they are from.
struct Found {
    endpoints: Vec<OutlinedEndpoint>,
    words: String,
}

pub(crate) fn run(arguments: &InitArguments) -> Result<ExitCode, Failure> {
    let mut draft = Draft::default();
    let given = arguments.given(&mut draft)?;
    let job = if let Some(url) = &arguments.api_url {
        Some(of_url(&mut draft, url, given)?)
    } else if let Some(command) = &arguments.cmd {
        Some(of_command(&mut draft, command, given)?)
    } else if let Some(directory) = &arguments.criterion {
        Some(of_criterion(&mut draft, directory)?)
    } else {
        of_project(&mut draft, given)?
    };
    if let Some(job) = job {
        add_workflow(&mut draft, &job, arguments.action.as_deref());
    }
    draft.write()?;
    Ok(Code::Pass.into())
}

impl InitArguments {
    /// The endpoints that the user names, one by one or by a document.
    fn given(&self, draft: &mut Draft) -> Result<Option<Found>, Failure> {
        if let Some(path) = &self.openapi {
            let OpenApi { endpoints, left_out } = openapi::read(path)?;
            if let Some(it) = left_out {
                draft.note(it);
            }
            return Ok(Some(Found { endpoints, words: OpenApi::words(path) }));
        }
        if self.endpoint.is_empty() {
            return Ok(None);
        }
        let outline = ContractOutline::of_paths("", &self.endpoint)
            .map_err(|problem| Failure::usage(anyhow!("cannot ask for --endpoint: {problem}")))?;
        let words = counted(outline.endpoints.len() as u64, "endpoint");
        Ok(Some(Found { endpoints: outline.endpoints, words }))
    }
}

/// `/` where nothing else is known, which is said.
fn or_root(draft: &mut Draft, given: Option<Found>) -> Found {
    given.unwrap_or_else(|| {
        draft.note(format!(
            "only `/` is asked for: add the other paths to {}",
            contract_file::DEFAULT
        ));
        Found { endpoints: vec![OutlinedEndpoint::of("/")], words: "1 endpoint, /".to_owned() }
    })
}

/// A running service: it is asked, where it answers.
fn of_url(draft: &mut Draft, url: &str, given: Option<Found>) -> Result<Job<'static>, Failure> {
    let mut found = or_root(draft, given);
    without_base_path(url, &mut found.endpoints);
    match running_service::ask(url, &mut found.endpoints) {
        Ok(notes) => notes.into_iter().for_each(|it| draft.note(it)),
        Err(error @ ProbeError::Request(_)) => return Err(Failure::usage(error)),
        Err(error) => draft.note(format!(
            "it could not be asked, so status 200 is expected: {}",
            escaped(&error.to_string())
        )),
    }
    let name = url.split_once("://").map_or(url, |(_, rest)| rest);
    add_contract(
        draft,
        &ContractOutline { url: Some(url.to_owned()), endpoints: found.endpoints, ..outline(name) },
        &found.words,
    )?;
    draft.next("passport check");
    draft.next("passport baseline");
    Ok(Job::RunningService)
}

/// A document may name the path that the URL ends with before each of its own.
fn without_base_path(url: &str, endpoints: &mut [OutlinedEndpoint]) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let base = rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'));
    let is_below = |it: &OutlinedEndpoint| {
        it.path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
    };
    if !base.is_empty() && endpoints.iter().all(is_below) {
        for it in endpoints.iter_mut() {
            it.path.drain(..base.len());
        }
    }
}

/// Servers that a command starts.
fn of_command<'c>(
    draft: &mut Draft,
    command: &'c str,
    given: Option<Found>,
) -> Result<Job<'c>, Failure> {
    #[cfg(target_os = "linux")]
    perf_passport_compare::CommandLine::parse(command)
        .map_err(|error| Failure::usage(anyhow!("cannot start the server: {error}")))?;
    let found = or_root(draft, given);
    let endpoints = found.endpoints;
    draft.note("no server was started, so each path is expected to answer with status 200");
    add_contract(draft, &ContractOutline { endpoints, ..outline("service") }, &found.words)?;
    let quoted = format!("'{}'", command.replace('\'', "'\\''"));
    draft.next(format!("passport compare --baseline-cmd {0} --current-cmd {0}", escaped(&quoted)));
    Ok(Job::Servers(command))
}

/// Benchmarks that criterion measured.
fn of_criterion(draft: &mut Draft, directory: &Path) -> Result<Job<'static>, Failure> {
    let operations = criterion_suite::read(directory)?;
    let words = format!(
        "{} of criterion, each below ten times its mean",
        counted(operations.len() as u64, "benchmark")
    );
    let name = CargoProject::read()?.map_or_else(|| "benchmarks".to_owned(), |it| it.name);
    let comment =
        vec!["Made by `passport init`. A budget is ten times what was measured.".to_owned()];
    add_contract(draft, &ContractOutline { operations, comment, ..outline(&name) }, &words)?;
    let directory = if directory == Path::new(CRITERION_DIRECTORY) {
        String::new()
    } else {
        format!(" {}", escaped(&directory.to_string_lossy()))
    };
    draft.next(format!("passport import criterion{directory}"));
    Ok(Job::Benchmarks)
}

/// A Cargo project: with axum a test target, with criterion its suite. Without a project an `OpenAPI`
/// document or paths alone are a contract for any URL.
fn of_project(draft: &mut Draft, given: Option<Found>) -> Result<Option<Job<'static>>, Failure> {
    let Some(project) = CargoProject::read()? else {
        let Some(found) = given else {
            return Err(Failure::usage(anyhow!(
                "there is no {MANIFEST} here: run this in a Cargo project, or give --api-url URL, --cmd CMD \
                 or --openapi FILE"
            )));
        };
        let endpoints = found.endpoints;
        add_contract(draft, &ContractOutline { endpoints, ..outline("service") }, &found.words)?;
        draft.next("passport check --api-url URL");
        return Ok(None);
    };
    if project.depends_on("axum") {
        return of_axum(draft, &project, given).map(Some);
    }
    if project.depends_on("criterion") && given.is_none() {
        return of_criterion(draft, Path::new(CRITERION_DIRECTORY)).map(Some);
    }
    Err(Failure::usage(anyhow!(
        "{MANIFEST} depends on neither axum nor criterion: give --api-url URL or --cmd CMD for a service of \
         any other kind"
    )))
}

fn of_axum(
    draft: &mut Draft,
    project: &CargoProject,
    given: Option<Found>,
) -> Result<Job<'static>, Failure> {
    project.refuse_old_axum()?;
    let (call, router) = project.router()?;
    let found = match given {
        Some(found) => found,
        None if router.paths.is_empty() => or_root(draft, None),
        None => Found {
            endpoints: router.paths.iter().map(OutlinedEndpoint::of).collect(),
            words: format!("{} of `{call}`", counted(router.paths.len() as u64, "route")),
        },
    };
    if router.has_more {
        draft.note(
            "the router has routes that were not read: those with parameters, or of other routers",
        );
    }
    let endpoints = found.endpoints;
    add_contract(draft, &ContractOutline { endpoints, ..outline(&project.name) }, &found.words)?;
    if !is_ignored() {
        draft.note(
            "passports and sessions are filed below artifacts/, which belongs into .gitignore",
        );
    }
    let file = format!("tests/{TARGET}.rs");
    let is_async = if router.is_async { ".await" } else { "" };
    draft.make(
        file,
        harness(&format!("{call}(){is_async}")),
        format!("the contract as tests, of `{call}`"),
    );
    let lines = project.missing_lines()?;
    if !lines.is_empty() {
        let words = format!("what the test target `{TARGET}` needs");
        draft.extend(MANIFEST, project.manifest.clone(), &lines, words);
    }
    if lines.contains("dependencies") && Path::new(LOCK_FILE).exists() {
        draft.note(format!(
            "{LOCK_FILE} lacks what was added until cargo has run: commit it after that"
        ));
    }
    if lines.contains("\npath = ") {
        draft.note(format!(
            "{MANIFEST} names the clone of perf-passport on this machine: elsewhere give its version, or git"
        ));
    }
    draft.next(format!("cargo test --test {TARGET}"));
    draft.next(format!("passport check --harness {TARGET}"));
    Ok(Job::Tests)
}

/// The longest list of ignored files that is read.
const IGNORED_MAX: Bytes = Bytes::new(1_000_000);

/// Whether some line of `.gitignore` is about the directory of passports.
fn is_ignored() -> bool {
    let ignored = files::read(Path::new(".gitignore"), IGNORED_MAX).unwrap_or_default();
    ignored.split(|it| *it == b'\n').any(|line| line.trim_ascii_start().starts_with(b"artifacts"))
}

/// The test target.
fn harness(call: &str) -> String {
    format!(
        "//! The contract `{contract}` as tests: one for each check.\n\nuse perf_passport::{{\n    \
         allocation::{{CountingAllocator, OracleAllocator}},\n    harness::Harness,\n}};\n\n#[global_allocator]\n\
         static ALLOCATOR: CountingAllocator<OracleAllocator> = CountingAllocator::wrapping(OracleAllocator);\n\nfn main() -> std::process::ExitCode {{\n    Harness::new(\"{contract}\", \
         |_fixture| async {{ Ok::<_, String>({call}) }}).run()\n}}\n",
        contract = contract_file::DEFAULT,
    )
}

/// What each first contract has.
fn outline(name: &str) -> ContractOutline {
    ContractOutline {
        name: name.to_owned(),
        comment: vec![COMMENT.to_owned()],
        ..ContractOutline::default()
    }
}

/// How requests that belong together are written, for who needs any.
const FLOW_EXAMPLE: &str = r#"
# Requests that need what another one gave, such as a login (docs/how-to/flows.md):
#
# [[flow]]
# name = "orders"
#
# [[flow.step]]
# name = "login"
# method = "POST"
# path = "/login"
# body = '{"user":"ada","password":"${PASSWORD}"}'
# capture = { token = { json = "/token" } }
#
# [[flow.step]]
# name = "list"
# path = "/orders"
# headers = { authorization = "Bearer {token}" }
"#;

/// Adds the contract, which is one that can be read.
fn add_contract(draft: &mut Draft, outline: &ContractOutline, words: &str) -> Result<(), Failure> {
    let example = if outline.endpoints.is_empty() { "" } else { FLOW_EXAMPLE };
    let text = outline.to_toml() + example;
    Contract::parse(&text)
        .map_err(|error| Failure::usage(anyhow!("no contract can be made of it: {error}")))?;
    draft.make(contract_file::DEFAULT, text, words);
    Ok(())
}

fn add_workflow(draft: &mut Draft, job: &Job<'_>, action: Option<&str>) {
    let here = Path::new(".");
    let text = workflow::text(here, job, action.unwrap_or(ACTION));
    draft.make(workflow::path(here), text, "the same on GitHub");
    if matches!(job, Job::Benchmarks) {
        draft.note("the workflow installs perf-passport-cli from crates.io: before its first release give git");
    } else if action.is_none() {
        draft.note(format!(
            "the workflow uses the action `{ACTION}`: put the repository of this program there, and the \
             commit of its release; --action gives both"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_a_repository_and_a_commit() {
        for named in ["octo/perf-passport@0f3c9a51", "octo/a.b/sub-dir@v1.2"] {
            assert_eq!(action(named).as_deref(), Ok(named));
        }
        for other in
            ["", "octo@v1", "octo/n", "octo/n@", "@v1", "o/n@v1\n  run: x", "o/n@a b", "o/n@${{"]
        {
            assert!(action(other).is_err(), "{other}");
        }
    }

    #[test]
    fn the_example_of_a_flow_is_one() {
        let lines = FLOW_EXAMPLE.lines().filter_map(|it| it.strip_prefix("# "));
        let flow: Vec<&str> = lines.skip_while(|it| !it.starts_with("[[flow]]")).collect();
        let text = format!("schema_version = 1\nname = \"a\"\n{}\n", flow.join("\n"));
        let contract = Contract::parse(&text).unwrap();
        let ids: Vec<String> =
            contract.checks.iter().map(perf_passport::contract::Check::id).collect();
        assert_eq!(ids, ["orders/login", "orders/list", "orders/all"]);
    }
}
