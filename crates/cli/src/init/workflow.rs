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

/// The text of the workflow of a project in this directory.
pub(super) fn text(directory: &Path, job: &Job<'_>) -> String {
    let (on, steps) = match job {
        Job::Tests => (CHANGES, TESTS.to_owned()),
        Job::Benchmarks => (CHANGES, format!("{INSTALL}{BENCHMARKS}")),
        Job::RunningService => (DAILY, format!("{INSTALL}      - run: passport check --ci\n")),
        Job::Servers(command) => {
            (PULL_REQUESTS, format!("{INSTALL}{}", servers(command, below(directory).as_deref())))
        }
    };
    let checkout = match job {
        Job::Servers(_) => format!(
            "      - uses: {CHECKOUT}\n        with:\n          path: current\n      - uses: {CHECKOUT}\n        \
             with:\n          path: baseline\n          ref: ${{{{ github.base_ref }}}}\n"
        ),
        _ => format!("      - uses: {CHECKOUT}\n"),
    };
    let within = match (job, below(directory)) {
        // These have a directory for each side.
        (Job::Servers(_), _) | (_, None) => String::new(),
        (_, Some(below)) => {
            format!("    defaults:\n      run:\n        working-directory: {}\n", scalar(&below))
        }
    };
    format!(
        "# Holds the contract passport.toml. Made by `passport init`.\nname: passport\n\n{on}\npermissions:\n  \
         contents: read\n\njobs:\n  passport:\n    runs-on: ubuntu-latest\n    timeout-minutes: 30\n{within}    \
         steps:\n{checkout}{steps}"
    )
}

const CHANGES: &str = "on:\n  push:\n  pull_request:\n";
const PULL_REQUESTS: &str = "on:\n  pull_request:\n";
const DAILY: &str = "on:\n  schedule:\n    - cron: \"23 4 * * *\"\n  workflow_dispatch:\n";
const TESTS: &str = "      - run: cargo test --test passport\n";
const INSTALL: &str = "      - run: cargo install --locked perf-passport-cli\n";
const BENCHMARKS: &str = "      - run: cargo bench\n      - run: passport import criterion\n";

/// The step that compares two servers. An abstention is said and stops nobody.
fn servers(command: &str, below: Option<&str>) -> String {
    let below = below.map(|it| format!("/{it}")).unwrap_or_default();
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let side = |name: &str| format!("cd {} && exec {command}", quoted(&format!("{name}{below}")));
    let start = |name: &str| quoted(&format!("sh -c {}", quoted(&side(name))));
    let line = format!(
        "passport compare --ci --allow-abstain --contract {} --baseline-cmd {} \
         --current-cmd {}",
        quoted(&format!("current{below}/passport.toml")),
        start("baseline"),
        start("current")
    );
    format!("      - run: {}\n", scalar(&line))
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
        let step = servers("python3 -c 'print(\"a\")' {port}", Some("of all"));
        let line = step.trim().strip_prefix("- run: ").unwrap();
        let line: String = serde_json::from_str(line).unwrap();
        let printed = std::process::Command::new("sh")
            .args(["-c", &format!("set -- {line}; shift 7; printf %s \"$1\"")])
            .output()
            .unwrap();
        let started = String::from_utf8(printed.stdout).unwrap();
        assert!(line.contains("--contract 'current/of all/passport.toml' "), "{line}");
        let within = started.strip_prefix("sh -c ").unwrap();
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
        let text = |it: &Path| text(it, &Job::Tests);
        assert!(text(&member).contains("working-directory: \"member\"\n"));
        assert!(!text(repository.path()).contains("working-directory"));
        let file = repository.path().canonicalize().unwrap().join(FILE);
        assert_eq!(path(&member), file);
        assert_eq!(path(repository.path()), Path::new(FILE));
    }
}
