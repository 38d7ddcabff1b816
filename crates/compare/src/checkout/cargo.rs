//! What is asked of cargo and rustc: where things are, and the executable of a test target or of a
//! benchmark.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use super::{CheckoutError, command::Runner, relink::Linking};

/// Variables that say where a build goes, or come from a `cargo` or `make` that started this
/// process.
const NOT_INHERITED: &[&str] = &[
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_MAKEFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_TARGET_TMPDIR",
    "MAKEFLAGS",
    "MFLAGS",
    "RUST_RECURSION_COUNT",
];

/// How variables begin that change what cargo and build scripts make.
const MATTERS: &[&str] = &[
    "AR",
    "CARGO_BUILD_",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CC",
    "CFLAGS",
    "CXX",
    "LDFLAGS",
    "RUSTC",
    "RUSTFLAGS",
];

/// The variable that says how much debug information an executable has.
const DEBUG: &str = "CARGO_PROFILE_RELEASE_DEBUG";

/// How much it has where the user does not say otherwise: lines, and the full names of functions that
/// are inlined, which `line-tables-only` cuts short.
pub(super) const PLACES: &str = "limited";

/// What `cargo metadata` says.
#[derive(Deserialize)]
pub(super) struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    #[serde(rename = "required-features", default)]
    required_features: Vec<String>,
    src_path: PathBuf,
}

impl Target {
    fn is(&self, kind: Kind, name: &str) -> bool {
        self.name == name && self.kind.iter().any(|it| it == kind.name())
    }
}

/// What a harness target is to cargo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Test,
    Bench,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Bench => "bench",
        }
    }
}

/// A test target, or a benchmark.
pub(super) struct Harness {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) features: String,
    /// Its main file.
    pub(super) main: PathBuf,
    /// The directory of its package.
    pub(super) directory: PathBuf,
    locked: bool,
    /// The lock file that was lent to a source that has none; empty of one that has.
    pub(super) lent_lock: Vec<u8>,
}

impl Metadata {
    /// The metadata of the package, or the workspace, that a directory is in; cargo's words when it has
    /// none.
    pub(super) fn read(
        runner: &Runner<'_>,
        directory: &Path,
    ) -> Result<Result<Self, String>, CheckoutError> {
        let mut command = by_its_own_toolchain("cargo");
        command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(directory);
        // Such a directory may serve several repositories, each of which has its own worktree.
        command.env_remove("CARGO_TARGET_DIR");
        let finished = runner.run_quietly(&mut command)?;
        Ok(if finished.status.success() {
            serde_json::from_slice(&finished.stdout).map_err(|error| error.to_string())
        } else {
            Err(finished.reason())
        })
    }

    /// The test target of this name, or else the benchmark: that of the package that `directory` is the
    /// nearest in, else the only one. A package may have several contracts, each with a target of its own.
    /// `test:` or `bench:` before the name says which of the two.
    pub(super) fn harness(&self, name: &str, directory: &Path) -> Option<Harness> {
        let (kinds, name): (&[Kind], &str) = match name.split_once(':') {
            Some(("test", name)) => (&[Kind::Test], name),
            Some(("bench", name)) => (&[Kind::Bench], name),
            _ => (&[Kind::Test, Kind::Bench], name),
        };
        let found = |package: &Package| {
            let of =
                |kind: &Kind| Some((*kind, package.targets.iter().find(|it| it.is(*kind, name))?));
            let (kind, target) = kinds.iter().find_map(of)?;
            Some(Harness {
                name: name.to_owned(),
                kind,
                features: target.required_features.join(","),
                main: target.src_path.clone(),
                directory: package.manifest_path.parent()?.to_owned(),
                locked: self.workspace_root.join(LOCK_FILE).exists(),
                lent_lock: Vec::new(),
            })
        };
        let mut all: Vec<Harness> = self.packages.iter().filter_map(found).collect();
        let around = |it: &Harness| {
            let depth = it.directory.components().count();
            directory.starts_with(&it.directory).then_some(depth)
        };
        let nearest = all.iter().enumerate().filter_map(|(index, it)| Some((around(it)?, index)));
        if let Some((_, index)) = nearest.max() {
            return Some(all.swap_remove(index));
        }
        if all.len() == 1 { all.pop() } else { None }
    }
}

/// Where the versions of dependencies are written down.
const LOCK_FILE: &str = "Cargo.lock";

/// Gives the working tree's lock file to a checked out source that keeps none in git, so that all sides
/// have the same dependencies and not those of the day on which they were built. What was given; empty
/// when there was no need or none to give.
pub(super) fn lend_lock(metadata: &Metadata, source: &Path, top: &Path) -> io::Result<Vec<u8>> {
    let theirs = metadata.workspace_root.join(LOCK_FILE);
    let Ok(place) = theirs.strip_prefix(source) else { return Ok(Vec::new()) };
    if theirs.exists() {
        return Ok(Vec::new());
    }
    match fs::read(top.join(place)) {
        Ok(lock) => fs::write(&theirs, &lock).map(|()| lock),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// A line of `cargo build --message-format json`.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

/// What cargo built.
pub(super) struct Built {
    pub(super) executable: PathBuf,
    /// How it was linked; `None` when rustc did not say.
    pub(super) linking: Option<Linking>,
}

/// Builds a harness target with the release profile. The target itself is compiled in any case.
///
/// # Errors
///
/// When cargo cannot be run or the user interrupts; what cargo says when it does not build.
pub(super) fn build(
    runner: &Runner<'_>,
    harness: &Harness,
    target_directory: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Result<Built, String>, CheckoutError> {
    touch(&harness.main)?;
    let mut command = by_its_own_toolchain("cargo");
    command.args(["rustc", "--release", "--message-format", "json-render-diagnostics"]);
    command.args(["--color", "never", &format!("--{}", harness.kind.name()), &harness.name]);
    command.arg("--target-dir").arg(target_directory);
    if !harness.features.is_empty() {
        command.args(["--features", &harness.features]);
    }
    if harness.locked {
        command.arg("--locked");
    }
    // What is linked is kept, and how.
    command.args(["--", "-C", "save-temps", "--print", "link-args"]);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    // What allocates is told by its function and line; the code that is made is the same.
    if std::env::var_os(DEBUG).is_none() {
        command.env(DEBUG, PLACES);
    }
    // What is built incrementally depends on what was built before.
    command.env("CARGO_INCREMENTAL", "0").current_dir(&harness.directory);
    let finished = runner.run(&mut command, progress)?;
    if !finished.status.success() {
        return Ok(Err(finished.reason()));
    }
    let linking = Linking::find(&finished.stdout, &harness.directory);
    let executable = executable(&finished.stdout, harness);
    Ok(executable.map(|executable| Built { executable, linking }))
}

/// Builds a harness target with the release profile where it is, as whoever works on it does.
///
/// # Errors
///
/// As [`build`].
pub(super) fn build_here(
    runner: &Runner<'_>,
    harness: &Harness,
    progress: &mut dyn FnMut(&str),
) -> Result<Result<PathBuf, String>, CheckoutError> {
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--message-format", "json-render-diagnostics"]);
    command.args(["--color", "never", &format!("--{}", harness.kind.name()), &harness.name]);
    if !harness.features.is_empty() {
        command.args(["--features", &harness.features]);
    }
    let finished = runner.run(command.current_dir(&harness.directory), progress)?;
    if !finished.status.success() {
        return Ok(Err(finished.reason()));
    }
    Ok(executable(&finished.stdout, harness))
}

/// A command of the toolchain that a source asks for. Where this program was started by `cargo run`,
/// rustup says which toolchain that was, and would take it for what the user wants.
fn by_its_own_toolchain(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    if std::env::var_os("RUST_RECURSION_COUNT").is_some() {
        command.env_remove("RUSTUP_TOOLCHAIN");
    }
    command
}

/// The executable that cargo names among its messages.
fn executable(messages: &[u8], harness: &Harness) -> Result<PathBuf, String> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
        .filter(|message| {
            message.target.as_ref().is_some_and(|it| it.is(harness.kind, &harness.name))
        })
        .find_map(|message| message.executable)
        .ok_or_else(|| "cargo names no executable".to_owned())
}

/// Has a file compiled again, as rustc says only then how it links.
fn touch(path: &Path) -> Result<(), CheckoutError> {
    let failed = |source| CheckoutError::Io { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(failed)?;
    std::fs::write(path, bytes).map_err(failed)
}

/// The compiler that builds in a directory.
pub(super) fn compiler(runner: &Runner<'_>, directory: &Path) -> Result<Vec<u8>, CheckoutError> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = by_its_own_toolchain(rustc);
    let finished = runner.run_quietly(command.arg("-vV").current_dir(directory))?;
    // What does not work is told by the build.
    Ok(finished.stdout)
}

/// The variables of this process that change what is built, in their order.
pub(super) fn variables() -> Vec<(OsString, OsString)> {
    let matters = |name: &OsStr| {
        let name = name.to_string_lossy();
        let inherited = !NOT_INHERITED.iter().any(|it| *it == name);
        inherited && MATTERS.iter().any(|start| name.starts_with(start))
    };
    let mut variables: Vec<_> = std::env::vars_os().filter(|(name, _)| matters(name)).collect();
    variables.sort();
    variables
}

/// Cargo's configuration outside of a directory, which counts in it too: that of the directories
/// around it, and the user's.
pub(super) fn configuration(directory: &Path) -> Vec<Vec<u8>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let around = directory.ancestors().skip(1).map(|it| it.join(".cargo"));
    let files = around.chain(home).flat_map(|it| [it.join("config.toml"), it.join("config")]);
    files.filter_map(|path| std::fs::read(path).ok()).collect()
}
