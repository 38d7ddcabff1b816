//! The shell of the actions and of the pages about CI, executed: each block as GitHub or a person runs it, with
//! the real program. Stand-ins take the place of `cargo` and `gh` alone.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::json;

use crate::{
    comment::{GitHub, TOKEN, measured},
    contracts::{ledger, running},
    server::Server,
};
use perf_passport_test_support::program::{Workspace, assert_says};

fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

/// A step of an action: the keys of its `env`, and its script.
#[derive(Debug, Default)]
struct Step {
    environment: Vec<String>,
    script: String,
}

/// The steps with a script, by name. It reads what these files have, and no other YAML.
fn steps(file: &str) -> BTreeMap<String, Step> {
    let text = fs::read_to_string(repository(file)).unwrap();
    let mut steps: BTreeMap<String, Step> = BTreeMap::new();
    let (mut name, mut key) = (String::new(), "");
    for line in text.lines() {
        if let Some(it) = line.strip_prefix("    - name: ") {
            (name, key) = (it.to_owned(), "");
            steps.insert(name.clone(), Step::default());
        } else if let Some(it) = line.strip_prefix("      ").filter(|it| !it.starts_with(' ')) {
            key = it.split(':').next().unwrap();
        } else if let (Some(it), Some(step)) = (line.strip_prefix("        "), steps.get_mut(&name))
        {
            match key {
                "env" => step.environment.push(it.split(':').next().unwrap().to_owned()),
                "run" => step.script += &format!("{it}\n"),
                _ => {}
            }
        }
    }
    steps.retain(|_, step| !step.script.is_empty());
    // What a stranger may choose reaches no script but by its environment.
    assert!(steps.values().all(|it| !it.script.contains("${{")), "{steps:?}");
    steps
}

/// A job on a runner.
struct Runner<'a> {
    workspace: &'a Workspace,
    stand_ins: PathBuf,
}

impl<'a> Runner<'a> {
    fn new(workspace: &'a Workspace) -> Self {
        let stand_ins = workspace.path("stand-ins");
        let runner = Self { workspace, stand_ins };
        fs::create_dir_all(workspace.path("runner")).unwrap();
        // Installs the program that is tested, where it is asked to.
        runner.stand_in(
            "cargo",
            &format!(
                "[ \"$1 $2 $3\" = 'install --locked --path' ] || exit 9\n[ -f \"$4/Cargo.toml\" ] || exit 8\n\
                 mkdir -p \"$6/bin\" && ln -sf '{}' \"$6/bin/passport\"\n",
                crate::PASSPORT
            ),
        );
        runner
    }

    fn stand_in(&self, name: &str, script: &str) {
        fs::create_dir_all(&self.stand_ins).unwrap();
        let path = self.stand_ins.join(name);
        fs::write(&path, format!("#!/bin/bash\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a step as GitHub does, with all that its `env` names.
    fn run(&self, step: &Step, action: &str, environment: &[(&str, &str)]) -> Output {
        let mut given: Vec<&str> = environment.iter().map(|(name, _)| *name).collect();
        let runner = ["GITHUB_API_URL"];
        given.retain(|it| !runner.contains(it));
        let mut expected: Vec<&str> = step.environment.iter().map(String::as_str).collect();
        given.sort_unstable();
        expected.sort_unstable();
        assert_eq!(given, expected);
        let script = self.workspace.path("step.sh");
        fs::write(&script, &step.script).unwrap();
        let mut bash = self.bash();
        bash.args(["--noprofile", "--norc", "-e", "-o", "pipefail"]).arg(script);
        bash.env("GITHUB_ACTION_PATH", repository(action)).envs(environment.iter().copied());
        bash.output().unwrap()
    }

    fn bash(&self) -> Command {
        let mut bash = Command::new("bash");
        let path = search_path();
        let file = |name: &str| self.workspace.path(format!("runner/{name}"));
        bash.current_dir(self.workspace.path("."))
            .env("PATH", format!("{}:{path}", self.stand_ins.display()))
            .env("RUNNER_TEMP", self.workspace.path("runner"))
            .env("GITHUB_OUTPUT", file("output"))
            .env("GITHUB_STEP_SUMMARY", file("summary"))
            .env_remove("GITHUB_TOKEN");
        bash
    }

    /// What steps put out.
    fn output(&self) -> String {
        fs::read_to_string(self.workspace.path("runner/output")).unwrap_or_default()
    }
}

#[expect(clippy::disallowed_methods, reason = "where the shell and git are")]
fn search_path() -> String {
    std::env::var("PATH").unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32) -> String {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// What the action measures with, for a push.
const PUSH: [(&str, &str); 11] = [
    ("ALLOW_ABSTAIN", "true"),
    ("ARGUMENTS", ""),
    ("BASE", ""),
    ("BASELINE_CMD", ""),
    ("COMPARE", "true"),
    ("CONTRACT", "passport.toml"),
    ("CURRENT_CMD", ""),
    ("EVENT", "push"),
    ("HARNESS", ""),
    ("HEAD", ""),
    ("SIDES", ""),
];

fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let given = |name| changes.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
    PUSH.map(|(name, value)| (name, given(name).unwrap_or(value))).to_vec()
}

#[test]
fn the_action_installs_measures_keeps_and_gates() {
    let steps = steps("action.yml");
    assert_eq!(steps.keys().collect::<Vec<_>>(), ["Gate", "Install", "Keep", "Measure"]);
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    let runner = Runner::new(&workspace);
    ends(&runner.run(&steps["Install"], ".", &[]), 0);

    // Where nothing can be measured there is nothing to keep, and the code is kept for the gate.
    ends(&runner.run(&steps["Measure"], ".", &with(&[("CONTRACT", "absent.toml")])), 0);
    assert_eq!(runner.output(), "exit-code=2\n");
    let said = ends(&runner.run(&steps["Keep"], ".", &[]), 0);
    assert_says(&said, "::warning::there is no passport to keep");

    // Options on several lines, as YAML has them.
    let arguments = with(&[("ARGUMENTS", "--endpoint\n  health\n-v\n")]);
    let said = ends(&runner.run(&steps["Measure"], ".", &arguments), 0);
    assert!(!said.contains("blocks-latest"), "{said}");
    ends(&runner.run(&steps["Keep"], ".", &[]), 0);
    let output = runner.output();
    assert_says(&output, "exit-code=0\nstatus=PASS\nhash=");
    assert_says(&workspace.read("runner/summary"), "## PASS: small\n");
    let kept = workspace.json("runner/perf-passport-artifact/passport.json");
    assert_says(&output, &format!("hash={}\n", kept["passport_hash"].as_str().unwrap()));
    for (code, ends_with) in [("0", 0), ("1", 1), ("4", 4)] {
        ends(&runner.run(&steps["Gate"], ".", &[("CODE", code)]), ends_with);
    }

    // A second use in the job, which measures nothing, keeps nothing of the first.
    ends(&runner.run(&steps["Measure"], ".", &with(&[("CONTRACT", "absent.toml")])), 0);
    let said = ends(&runner.run(&steps["Keep"], ".", &[]), 0);
    assert_says(&said, "::warning::there is no passport to keep");
    assert!(!workspace.path("runner/perf-passport-artifact/passport.json").exists());
}

#[test]
fn the_action_compares_a_pull_request() {
    let steps = steps("action.yml");
    let server = Server::answering("200 OK", "application/json", "{}");
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&server.url()));
    let runner = Runner::new(&workspace);
    ends(&runner.run(&steps["Install"], ".", &[]), 0);
    let url = server.url();
    let sides =
        format!("--baseline-url {url} --current-url {url} --time-budget 0 --endpoint orders");
    let pull_request = [("EVENT", "pull_request"), ("SIDES", sides.as_str())];
    let said = ends(&runner.run(&steps["Measure"], ".", &with(&pull_request)), 0);
    assert_says(&said, "::warning title=");
    ends(&runner.run(&steps["Keep"], ".", &[]), 0);
    // Undecided is allowed, and not a pass.
    assert_says(&runner.output(), "exit-code=0\nstatus=ABSTAIN\n");
    let kept = workspace.json("runner/perf-passport-artifact/passport.json");
    assert!(kept["comparison"].is_object());
    // Without sides it is the head against the common ancestor, of which there is none here.
    let head = "0".repeat(40);
    let pull_request = [("EVENT", "pull_request"), ("BASE", "main"), ("HEAD", head.as_str())];
    let said = ends(&runner.run(&steps["Measure"], ".", &with(&pull_request)), 0);
    assert_says(&said, "passport: ");
    assert!(
        runner.output().ends_with("exit-code=2\n") || runner.output().ends_with("exit-code=3\n")
    );
}

/// The inputs that a workflow gives to our action, as the environment of the step that measures: what it does
/// not give is the default.
fn inputs(workflow: &str) -> Vec<(String, String)> {
    let yaml = |text: &str| serde_norway::from_str::<serde_json::Value>(text).unwrap();
    let action = yaml(&fs::read_to_string(repository("action.yml")).unwrap());
    let workflow = yaml(workflow);
    assert_eq!(workflow["permissions"], json!({ "contents": "read" }));
    let steps = workflow["jobs"]["passport"]["steps"].as_array().unwrap();
    let ours =
        |it: &&serde_json::Value| it["uses"].as_str().unwrap().starts_with("octo/perf-passport@");
    let given = &steps.iter().find(ours).unwrap()["with"];
    let known = action["inputs"].as_object().unwrap();
    for name in given.as_object().into_iter().flatten().map(|(name, _)| name) {
        assert!(known.contains_key(name), "{name}");
    }
    let steps = action["runs"]["steps"].as_array().unwrap();
    let measure = steps.iter().find(|it| it["id"] == "measure").unwrap();
    let value = |(name, value): (&String, &serde_json::Value)| {
        let input = value.as_str()?.strip_prefix("${{ inputs.")?.strip_suffix(" }}")?;
        let value = given[input].as_str().or(known[input]["default"].as_str())?;
        Some((name.clone(), value.to_owned()))
    };
    measure["env"].as_object().unwrap().iter().filter_map(value).collect()
}

#[test]
fn the_action_does_what_the_workflow_of_init_asks_it_for() {
    let action = ["--action", "octo/perf-passport@0f3c9a51be77"];
    let init = |workspace: &Workspace, arguments: &[&str]| {
        let said = workspace.run(&[&["init"], arguments, &action].concat()).exits(0).stdout;
        assert!(!said.contains("OWNER"), "{said}");
        workspace.read(".github/workflows/passport.yml")
    };
    let steps = steps("action.yml");
    let measured = |workspace: &Workspace, workflow: &str, more: &[(&str, &str)]| {
        let runner = Runner::new(workspace);
        ends(&runner.run(&steps["Install"], ".", &[]), 0);
        let inputs = inputs(workflow);
        let mut changes: Vec<(&str, &str)> =
            inputs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        changes.retain(|(name, _)| !more.iter().any(|(other, _)| name == other));
        changes.extend_from_slice(more);
        let said = ends(&runner.run(&steps["Measure"], ".", &with(&changes)), 0);
        ends(&runner.run(&steps["Keep"], ".", &[]), 0);
        let kept = workspace.json("runner/perf-passport-artifact/passport.json");
        (said, runner.output(), kept)
    };

    // A service that runs already, each day.
    let server = Server::answering("200 OK", "application/json", "{}");
    let workspace = Workspace::new(crate::PASSPORT);
    let workflow = init(&workspace, &["--api-url", &server.url(), "--endpoint", "/orders"]);
    let (_, output, _) = measured(&workspace, &workflow, &[("EVENT", "schedule")]);
    assert_says(&output, "exit-code=0\nstatus=PASS\n");

    // Two servers, each in the directory of its checkout.
    let workspace = Workspace::new(crate::PASSPORT);
    let command =
        format!("'{}' serve --listen 127.0.0.1:{{port}} --fixture normal", crate::PASSPORT);
    let workflow = init(&workspace, &["--cmd", &command, "--endpoint", "/blocks/latest"]);
    for side in ["current", "baseline"] {
        workspace.make(side);
    }
    workspace.write("current/passport.toml", workspace.read("passport.toml"));
    let few = [("EVENT", "pull_request"), ("ARGUMENTS", "--time-budget 0")];
    let (said, output, kept) = measured(&workspace, &workflow, &few);
    assert_says(&output, "exit-code=0\nstatus=ABSTAIN\n");
    assert!(kept["comparison"].is_object(), "{said}");
}

/// Zips files of a directory, as GitHub gives an artifact; `None` where there is no `zip` or `unzip`.
#[expect(clippy::print_stdout, reason = "a test whose component is missing says so")]
fn zipped(workspace: &Workspace, directory: &str) -> Option<PathBuf> {
    let zip = workspace.path("artifact.zip");
    let _ = fs::remove_file(&zip);
    let mut command = Command::new("zip");
    command.args(["-q", "-r"]).arg(&zip).arg(".").current_dir(workspace.path(directory));
    for program in ["zip", "unzip"] {
        if Command::new(program).arg("-h").output().is_err() {
            println!("MISSING: {program}");
            return None;
        }
    }
    assert!(command.status().unwrap().success());
    Some(zip)
}

const FETCH: [(&str, &str); 4] =
    [("ARTIFACT", "perf-passport"), ("GH_TOKEN", "x"), ("REPOSITORY", "o/n"), ("RUN", "9")];

#[test]
fn the_comment_is_of_the_artifact_that_a_run_left() {
    const ACTION: &str = ".github/actions/comment";
    let steps = steps(".github/actions/comment/action.yml");
    assert_eq!(steps.keys().collect::<Vec<_>>(), ["Comment", "Fetch", "Install"]);
    let (workspace, head) = measured(3);
    let github = GitHub::open(&head, json!([]));
    let runner = Runner::new(&workspace);
    ends(&runner.run(&steps["Install"], ACTION, &[]), 0);
    // A stranger's artifact holds what it likes.
    workspace.write("artifact/..evil", "x");
    workspace.write("artifact/README.md", "@everyone");
    let Some(zip) = zipped(&workspace, "artifact") else { return };
    let gh = |listed: &str| {
        let (list, get) = (
            "api --method GET repos/o/n/actions/runs/9/artifacts -f name=perf-passport --jq",
            "api repos/o/n/actions/artifacts/5/zip",
        );
        let script = format!(
            "case \"$*\" in\n\"{list} \"*) echo '{listed}' ;;\n\"{get}\") cat '{}' ;;\n*) exit 7 ;;\nesac\n",
            zip.display()
        );
        runner.stand_in("gh", &script);
    };
    gh("null null");
    assert_says(&ends(&runner.run(&steps["Fetch"], ACTION, &FETCH), 0), "nothing to comment");
    gh("5 1073741824");
    let said = ends(&runner.run(&steps["Fetch"], ACTION, &FETCH), 1);
    assert_says(&said, "::error::the artifact has 1073741824 bytes, so it is no passport");
    assert_eq!(runner.output(), "");
    gh("5 1000");
    ends(&runner.run(&steps["Fetch"], ACTION, &FETCH), 0);
    let path = workspace.path("runner/fetched").to_string_lossy().into_owned();
    assert_eq!(runner.output(), format!("path={path}\n"));
    let environment = [
        ("ARTIFACT_PATH", path.as_str()),
        ("BRANCH", "fork:a b"),
        ("COMMENT_ID", "default"),
        ("GITHUB_API_URL", &github.url),
        ("GITHUB_TOKEN", TOKEN),
        ("HEAD", &head),
        ("REPOSITORY", "o/n"),
        ("RUN_URL", "https://github.com/o/n/actions/runs/9"),
    ];
    ends(&runner.run(&steps["Comment"], ACTION, &environment), 0);
    assert_says(&github.written()[0].1, "- **FAIL** `join` allocations-change 1 -> 3 (+2)");

    // What unpacks to a gigabyte is cut, and refused.
    let bomb = fs::File::create(workspace.path("artifact/passport.json")).unwrap();
    bomb.set_len(1 << 28).unwrap();
    zipped(&workspace, "artifact").unwrap();
    ends(&runner.run(&steps["Fetch"], ACTION, &FETCH), 0);
    assert!(
        fs::metadata(workspace.path("runner/fetched/passport.json")).unwrap().len() <= 17_000_000
    );
    let said = ends(&runner.run(&steps["Comment"], ACTION, &environment), 2);
    assert_says(&said, "is refused: it is larger than 16.0 MiB");
    assert_eq!(github.written().len(), 1);
}

/// The blocks of shell of a page.
fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(repository(page)).unwrap();
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "```sh" {
            let block = lines.by_ref().take_while(|it| *it != "```");
            blocks.push(block.flat_map(|it| [it, "\n"]).collect());
        }
    }
    blocks
}

#[test]
fn the_page_for_any_other_ci_works_as_it_stands() {
    let blocks = blocks("docs/how-to/other-ci.md");
    assert_eq!(blocks.len(), 4);
    let (repository, head) = measured(1);
    let server = Server::answering("200 OK", "application/json", "{}");
    repository.write("passport.toml", running(&server.url()));
    let runner = Runner::new(&repository);
    let program = Path::new(crate::PASSPORT).parent().unwrap();
    let shell = |block: &str, more: &[(&str, &str)]| {
        let mut bash = runner.bash();
        let path = search_path();
        bash.env("PATH", format!("{}:{path}", program.display()));
        bash.args(["-e", "-c", block]).envs(more.iter().copied()).output().unwrap()
    };
    ends(&shell(&blocks[0], &[]), 0);
    assert_says(&repository.read("junit.xml"), "<testsuites name=\"perf-passport\"");
    assert_says(&repository.read("page.html"), "<!doctype html>");
    let url = server.url();
    let sides =
        format!("--baseline-url {url} --current-url {url} --time-budget 0 --endpoint orders");
    ends(&shell(&blocks[1], &[("SIDES", sides.as_str())]), 0);
    assert_says(&repository.read("comparison.md"), "## ABSTAIN: ");
    // The comment is of a passport that names the commit.
    fs::create_dir_all(repository.path("kept")).unwrap();
    fs::copy(repository.path("artifact/passport.json"), repository.path("kept/passport.json"))
        .unwrap();
    ends(&shell(&blocks[2], &[("COMMIT", head.as_str())]), 0);
    assert_says(&repository.read("comment.md"), "**PASS**: nothing changed in 1 operation");
    // The last one posts it: `curl` stands for the network.
    runner.stand_in("curl", "printf '%s\\n' \"$@\" > posted\n");
    let environment = [
        ("CI_API_V4_URL", "https://gitlab.example/api/v4"),
        ("CI_PROJECT_ID", "3"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("COMMENT_TOKEN", "secret"),
    ];
    let mut bash = runner.bash();
    bash.args(["-e", "-c", &blocks[3]]).envs(environment);
    ends(&bash.output().unwrap(), 0);
    let posted = repository.read("posted");
    assert_says(&posted, "https://gitlab.example/api/v4/projects/3/merge_requests/7/notes\n");
    assert!(!posted.contains("secret"), "{posted}");
}
