//! Files of monitoring, held against the real tools.
//!
//! Where promtool, amtool, Prometheus or Alertmanager are missing, a test prints a line that starts with
//! `MISSING:`.
#![expect(
    clippy::unwrap_used,
    reason = "what the lints allow in tests, their helper functions do too"
)]
#![expect(clippy::print_stdout, reason = "a component that is missing is said so")]

mod dashboards;
mod files;
mod limits;
#[cfg(unix)]
mod live;

use std::{fs, path::Path, process::Command};

use perf_passport::contract::Contract;
use perf_passport_monitor::{
    monitoring::{Part, files},
    settings::Settings,
};
use tempfile::TempDir;

/// A contract in which every text tries to leave its place.
const HOSTILE: &str = r#"
schema_version = 1
name = "shop"
[service]
selector = 'env="prod\"{{ $x }}", zone=~"a|b", tier!="x"'
[slo.slow-ones]
endpoints = ["a", "b", "c"]
objective = 99
latency_ms = 1000
window = "7d"
[slo.tight]
endpoints = ["b"]
objective = 99.99
latency_ms = 0.01
[[endpoint]]
name = "a"
path = "/a"
route = '/a"}) or vector(1) or ({x="'
[[endpoint]]
name = "b"
path = "/b"
method = "POST"
route = '/{{ $labels.job }}/${datasource}/[[x]]/$__rate_interval\'
[[endpoint]]
name = "c"
path = "/c"
"#;

fn ledger() -> Contract {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../passport.toml");
    Contract::parse(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The files of a contract in a directory.
fn written(contract: &Contract) -> TempDir {
    let directory = TempDir::new().unwrap();
    let settings = Settings::of(&contract.service.as_ref().unwrap().name);
    for file in files(contract, &settings, &Part::ALL).unwrap() {
        let path = directory.path().join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.text).unwrap();
    }
    directory
}

/// Whether these programs are on this machine; the first that is not is told.
fn are_there(programs: &[&str]) -> bool {
    let is_there = |it: &&str| Command::new(it).arg("--version").output().is_ok();
    match programs.iter().find(|it| !is_there(it)) {
        Some(missing) => {
            println!("MISSING: {missing}");
            false
        }
        None => true,
    }
}
