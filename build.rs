//! Tells the crate what it is built with: counts are only comparable between equal builds.

#![expect(clippy::disallowed_methods, reason = "Cargo speaks to a build script in variables")]

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output().ok();
    let version = version.and_then(|output| String::from_utf8(output.stdout).ok());
    let version = version.unwrap_or_default();
    let set = |name: &str, value: &str| println!("cargo::rustc-env=PERF_PASSPORT_{name}={value}");
    set("RUSTC", version.trim());
    set("TARGET", &env::var("TARGET").unwrap_or_default());
    set("OPT_LEVEL", &env::var("OPT_LEVEL").unwrap_or_default());
    set(
        "DEBUG_ASSERTIONS",
        if env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_some() { "on" } else { "off" },
    );
}
