//! The workflow that holds a contract on every change.

use std::path::{Path, PathBuf};

/// Where the workflow is, relative to the repository.
const FILE: &str = ".github/workflows/passport.yml";

/// The action that fetches the sources, as this project's own workflows pin it.
const CHECKOUT: &str = "actions/checkout@d23441a48e516b6c34aea4fa41551a30e30af803 # v6.1.0";

/// What a workflow runs.
#[derive(Debug)]
pub(super) enum Job<'a> {
    /// The test target.
    Tests,
    /// The benchmarks of criterion.
    Benchmarks,
    /// A service that runs already.
    RunningService,
    /// Servers that are started by a command: the change against what it started from.
    Servers(&'a str),
}

/// Where the workflow of a project in this directory is.
pub(super) fn path(directory: &Path) -> PathBuf {
    repository(directory).join(FILE)
}

/// The text of the workflow of a project in this directory, which uses this action of ours.
pub(super) fn text(directory: &Path, job: &Job<'_>, action: &str) -> String {
    let below = below(directory);
    let on = match job {
        Job::Tests | Job::Benchmarks => CHANGES,
        Job::RunningService => DAILY,
        Job::Servers(_) => PULL_REQUESTS,
    };
    let steps = match job {
        Job::Tests => {
            let inputs = within(below.as_deref(), vec![("harness", "passport".to_owned())]);
            checkout(&[HEAD, HISTORY]) + &uses(action, &inputs)
        }
        Job::RunningService => checkout(&[]) + &uses(action, &within(below.as_deref(), Vec::new())),
        Job::Servers(command) => {
            let side = |path: &str, more| checkout(&[("path", path), more]);
            side("current", HEAD)
                + &side("baseline", ("ref", "${{ github.base_ref }}"))
                + &uses(action, &servers(command, below.as_deref()))
        }
        Job::Benchmarks => {
            let directory = below.map(|it| format!("        working-directory: {}\n", scalar(&it)));
            let directory = directory.unwrap_or_default();
            let run = |command: &str| format!("      - run: {command}\n{directory}");
            checkout(&[]) + INSTALL + &run("cargo bench") + &run("passport import criterion")
        }
    };
    format!(
        "# Holds the contract passport.toml. Made by `passport init`.\nname: passport\n\n{on}\npermissions:\n  \
         contents: read\n\njobs:\n  passport:\n    runs-on: ubuntu-latest\n    timeout-minutes: 40\n    \
         steps:\n{steps}"
    )
}

const CHANGES: &str = "on:\n  push:\n  pull_request:\n";
const PULL_REQUESTS: &str = "on:\n  pull_request:\n";
const DAILY: &str = "on:\n  schedule:\n    - cron: \"23 4 * * *\"\n  workflow_dispatch:\n";
const INSTALL: &str = "      - run: cargo install --locked perf-passport-cli\n";

/// What is measured is the commit of the change, and not GitHub's merge of it.
const HEAD: (&str, &str) = ("ref", "${{ github.event.pull_request.head.sha }}");

/// The common ancestor is found in the whole history.
const HISTORY: (&str, &str) = ("fetch-depth", "0");

/// A step that fetches the sources. No later step needs the token that it is given.
fn checkout(inputs: &[(&str, &str)]) -> String {
    let mut step =
        format!("      - uses: {CHECKOUT}\n        with:\n          persist-credentials: false\n");
    for (name, value) in inputs {
        step += &format!("          {name}: {value}\n");
    }
    step
}

/// A step of an action.
fn uses(action: &str, inputs: &[(&str, String)]) -> String {
    let mut step = format!("      - uses: {action}\n");
    for (at, (name, value)) in inputs.iter().enumerate() {
        let with = if at == 0 { "        with:\n" } else { "" };
        step += &format!("{with}          {name}: {}\n", scalar(value));
    }
    step
}

/// The inputs of a project that is below its repository.
fn within<'n>(below: Option<&str>, mut inputs: Vec<(&'n str, String)>) -> Vec<(&'n str, String)> {
    inputs.extend(below.map(|it| ("working-directory", it.to_owned())));
    inputs
}

/// The inputs that compare two servers. An abstention is said and stops nobody.
fn servers(command: &str, below: Option<&str>) -> Vec<(&'static str, String)> {
    let below = below.map(|it| format!("/{it}")).unwrap_or_default();
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let start = |name: &str| {
        let side = format!("cd {} && exec {command}", quoted(&format!("{name}{below}")));
        format!("sh -c {}", quoted(&side))
    };
    vec![
        ("contract", format!("current{below}/passport.toml")),
        ("baseline-cmd", start("baseline")),
        ("current-cmd", start("current")),
    ]
}

/// A string of YAML, in the form that escapes as JSON does.
fn scalar(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The repository around a directory; the directory where there is none.
fn repository(directory: &Path) -> PathBuf {
    let whole = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let found = whole.ancestors().find(|it| it.join(".git").exists());
    match found {
        Some(root) if root != whole => root.to_owned(),
        _ => PathBuf::new(),
    }
}

/// The way from the repository to a directory below it.
fn below(directory: &Path) -> Option<String> {
    let repository = repository(directory);
    let whole = directory.canonicalize().ok()?;
    let below = whole.strip_prefix(&repository).ok()?.to_str()?;
    (!repository.as_os_str().is_empty()).then(|| below.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reaches_the_shell_as_it_was_given() {
        let inputs = servers("python3 -c 'print(\"a\")' {port}", Some("of all"));
        let input = |name: &str| &inputs.iter().find(|(it, _)| *it == name).unwrap().1;
        assert_eq!(input("contract"), "current/of all/passport.toml");
        let within = input("baseline-cmd").strip_prefix("sh -c ").unwrap();
        let shown = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {within}")])
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert_eq!(shown, "cd 'baseline/of all' && exec python3 -c 'print(\"a\")' {port}");
    }

    #[test]
    fn a_project_below_its_repository_is_the_directory_of_the_steps() {
        let repository = tempfile::tempdir().unwrap();
        let member = repository.path().join("member");
        std::fs::create_dir_all(&member).unwrap();
        std::fs::create_dir(repository.path().join(".git")).unwrap();
        for job in [Job::Tests, Job::Benchmarks, Job::RunningService] {
            let text = |it: &Path| text(it, &job, "o/n@v1");
            assert!(text(&member).contains("working-directory: \"member\"\n"), "{job:?}");
            assert!(!text(repository.path()).contains("working-directory"), "{job:?}");
        }
        let file = repository.path().canonicalize().unwrap().join(FILE);
        assert_eq!(path(&member), file);
        assert_eq!(path(repository.path()), Path::new(FILE));
    }
}
