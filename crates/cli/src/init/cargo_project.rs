//! The package of a Cargo project: what it depends on, and where its router is made.

use std::{fs, path::Path};

use anyhow::anyhow;
use toml::{Table, Value};

use super::{
    super::exit::Failure,
    rust_source::{RouterFunction, public_modules, router_function},
};
use perf_passport::{
    files,
    text::escaped,
    units::{BYTES_PER_MB, Bytes},
};

/// The manifest, relative to the project.
pub(super) const MANIFEST: &str = "Cargo.toml";

/// What cargo built with, where the package is a workspace of its own.
pub(super) const LOCK_FILE: &str = "Cargo.lock";

/// Where this program was built, which is a clone of the library unless it was installed from elsewhere.
const CLONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The test target.
pub(super) const TARGET: &str = "passport";

/// The tables in which a package names what it depends on.
const DEPENDENCIES: [&str; 2] = ["dependencies", "dev-dependencies"];

/// A package.
#[derive(Debug)]
pub(super) struct CargoProject {
    /// The text of its manifest.
    pub(super) manifest: String,
    table: Table,
    /// The name of the package.
    pub(super) name: String,
}

impl CargoProject {
    /// The package in this directory; `None` where there is no manifest.
    pub(super) fn read() -> Result<Option<Self>, Failure> {
        let manifest = match source(Path::new(MANIFEST)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::usage(anyhow!("cannot read `{MANIFEST}`: {error}"))),
        };
        let table: Table = manifest.parse().map_err(|error: toml::de::Error| {
            let problem = error.message().lines().collect::<Vec<_>>().join(", ");
            Failure::usage(anyhow!("cannot read `{MANIFEST}`: {problem}"))
        })?;
        let name = table.get("package").and_then(|it| it.get("name")).and_then(Value::as_str);
        let Some(name) = name.map(str::to_owned) else {
            return Err(Failure::usage(anyhow!(
                "`{MANIFEST}` has no package: run this in the directory of the member that is measured"
            )));
        };
        Ok(Some(Self { manifest, table, name }))
    }

    /// Whether it depends on this package, also for its tests alone.
    pub(super) fn depends_on(&self, package: &str) -> bool {
        self.dependency(package).is_some()
    }

    fn dependency(&self, package: &str) -> Option<&Value> {
        DEPENDENCIES.iter().find_map(|it| self.table.get(*it)?.get(package))
    }

    /// Refuses an axum whose requests are others than those of the harness.
    pub(super) fn refuse_old_axum(&self) -> Result<(), Failure> {
        let Some(axum) = self.dependency("axum") else { return Ok(()) };
        let version = axum.as_str().or_else(|| axum.get("version")?.as_str()).unwrap_or_default();
        let minor = version.trim_start_matches(['^', '=', '~', ' ']).strip_prefix("0.");
        let minor = minor.and_then(|it| it.split('.').next()?.trim().parse::<u32>().ok());
        if minor.is_none_or(|it| it >= 7) {
            return Ok(());
        }
        Err(Failure::usage(anyhow!(
            "axum {} is built on http 0.2, and the harness calls services of http 1 (axum 0.7 and later): \
             run the service and measure it with --api-url URL",
            escaped(version)
        )))
    }

    /// The function that makes the router, by the path that a test calls it by.
    pub(super) fn router(&self) -> Result<(String, RouterFunction), Failure> {
        let library = self.table.get("lib");
        let path = library.and_then(|it| it.get("path")?.as_str()).unwrap_or("src/lib.rs");
        let name = library.and_then(|it| it.get("name")?.as_str()).unwrap_or(&self.name);
        let name = name.replace('-', "_");
        if !is_identifier(&name) {
            let name = escaped(&name);
            return Err(Failure::usage(anyhow!("the library's name `{name}` is no Rust name")));
        }
        let Ok(source) = source(Path::new(path)) else {
            return Err(Failure::usage(anyhow!(
                "there is no `{}`, and a test can only call a library: move what makes the router there, \
                 as `pub fn router() -> axum::Router` or as a `pub mod` that has it, and call it from main as \
                 `{name}::router()`. Layers that main adds are not measured",
                escaped(path)
            )));
        };
        if let Some(found) = router_function(&source) {
            return Ok((format!("{name}::{}", found.name), found));
        }
        let directory = Path::new(path).parent().unwrap_or(Path::new(""));
        for module in public_modules(&source) {
            let files = [format!("{module}.rs"), format!("{module}/mod.rs")];
            let mut sources = files.iter().filter_map(|it| self::source(&directory.join(it)).ok());
            if let Some(found) = sources.find_map(|it| router_function(&it)) {
                return Ok((format!("{name}::{module}::{}", found.name), found));
            }
        }
        Err(Failure::usage(anyhow!(
            "no public function in `{}` makes a router of nothing: write `pub fn router() -> axum::Router`, \
             which makes the service in the state that is measured",
            escaped(path)
        )))
    }

    /// The lines that the manifest lacks for the test target.
    pub(super) fn missing_lines(&self) -> Result<String, Failure> {
        let mut lines = String::new();
        if !self.depends_on("perf-passport") {
            lines += &format!(
                "\n[dev-dependencies.perf-passport]\nversion = \"{VERSION}\"\nfeatures = [\"oracle\"]\n"
            );
            if let Some(clone) = clone_of_library() {
                lines += &format!("path = \"{clone}\"\n");
            }
        }
        let targets = self.table.get("test").and_then(Value::as_array);
        let is_target = |it: &&Value| it.get("name").and_then(Value::as_str) == Some(TARGET);
        let target = targets.and_then(|it| it.iter().find(is_target));
        if target.is_some_and(|it| it.get("harness").and_then(Value::as_bool) != Some(false)) {
            return Err(Failure::usage(anyhow!(
                "the test target `{TARGET}` in `{MANIFEST}` would run no check: add `harness = false` to it"
            )));
        }
        if target.is_none() {
            lines += &format!("\n[[test]]\nname = \"{TARGET}\"\nharness = false\n");
        }
        if format!("{}\n{lines}", self.manifest).parse::<Table>().is_err() {
            return Err(Failure::usage(anyhow!(
                "the lines for the test target cannot be added at the end of `{MANIFEST}`: write \
                 [dev-dependencies] and [[test]] as tables, not inline"
            )));
        }
        Ok(lines)
    }
}

/// The text of a file, if that is not too much.
fn source(path: &Path) -> std::io::Result<String> {
    let bytes = files::read(path, SOURCE_MAX)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

fn is_identifier(name: &str) -> bool {
    let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) && name.chars().all(is_part)
}

/// The largest source file that is read.
const SOURCE_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The clone that this program was built in, where it is still there and TOML can name it.
fn clone_of_library() -> Option<String> {
    let clone = Path::new(CLONE).canonicalize().ok()?;
    let manifest = fs::read_to_string(clone.join(MANIFEST)).ok()?;
    let is_library = manifest.contains("name = \"perf-passport\"");
    let path = clone.to_str().filter(|it| is_library && !it.contains(['"', '\\', '\n']))?;
    Some(path.to_owned())
}
