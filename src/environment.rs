//! Facts about the build, the machine and the source tree.
//!
//! [`Build`] decides whether counts of two passports may be compared; [`SystemInfo`] and
//! [`Source`] tell a reader where a passport comes from. What cannot be learned is `null`, never a
//! guess. This module measures nothing, and reads no variable but those the build script set.

use std::{fs, path::Path, process::Command};

use serde::{Deserialize, Serialize};

use crate::{
    text::printable,
    units::{Bytes, Count},
};

/// What the measured code was built with, as far as the build of this crate tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// `rustc --version`.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// The optimisation level.
    pub opt_level: String,
    /// Whether debug assertions are on.
    pub debug_assertions: bool,
}

impl Build {
    /// The build of this crate, which Cargo makes with the toolchain and profile of the program
    /// that uses it.
    pub fn current() -> Self {
        Self {
            rustc: env!("PERF_PASSPORT_RUSTC").to_owned(),
            target: env!("PERF_PASSPORT_TARGET").to_owned(),
            opt_level: env!("PERF_PASSPORT_OPT_LEVEL").to_owned(),
            debug_assertions: env!("PERF_PASSPORT_DEBUG_ASSERTIONS") == "on",
        }
    }
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SystemInfo {
    /// The operating system, as Rust names it.
    pub platform: String,
    /// The processor architecture.
    pub architecture: String,
    /// The kernel release.
    pub kernel: Option<String>,
    /// The processor model.
    pub cpu_model: Option<String>,
    /// Processors that this process may use.
    pub cpu_count: Option<Count>,
    /// Memory of the machine.
    pub memory_total_bytes: Option<Bytes>,
}

impl SystemInfo {
    /// This machine. On systems other than Linux only what the standard library knows.
    pub fn read() -> Self {
        let line = |path: &str, key: &str| {
            let text = fs::read_to_string(path).ok()?;
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(plain(line.split_once(':')?.1))
        };
        let kilobytes = line("/proc/meminfo", "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            platform: std::env::consts::OS.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|it| plain(&it)),
            cpu_model: line("/proc/cpuinfo", "model name"),
            cpu_count: std::thread::available_parallelism()
                .ok()
                .map(|count| Count::new(count.get() as u64)),
            memory_total_bytes: kilobytes.map(|it| Bytes::new(it.saturating_mul(1024))),
        }
    }
}

/// The source tree that was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The commit; `null` outside a git repository or without git.
    pub commit: Option<String>,
    /// Whether tracked files differ from the commit.
    pub dirty: Option<bool>,
}

impl Source {
    /// Asks git about the tree around `directory`.
    pub fn read(directory: &Path) -> Self {
        let git = |arguments: &[&str]| {
            let output = Command::new("git").arg("-C").arg(directory).args(arguments).output();
            let output = output.ok().filter(|it| it.status.success())?;
            String::from_utf8(output.stdout).ok()
        };
        Self {
            commit: git(&["rev-parse", "HEAD"]).map(|it| plain(&it)),
            dirty: git(&["status", "--porcelain", "--untracked-files=no"])
                .map(|changes| !changes.trim().is_empty()),
        }
    }
}

/// Printable ASCII, because it comes from outside.
fn plain(text: &str) -> String {
    printable(text.trim().as_bytes(), 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_is_known() {
        assert!(Build::current().rustc.starts_with("rustc 1."));
        assert!(!Build::current().target.is_empty());
    }

    #[test]
    fn outside_a_repository_nothing_is_guessed() {
        assert_eq!(Source::read(Path::new("/")), Source::default());
    }
}
