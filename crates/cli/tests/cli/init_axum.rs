//! From nothing to a first green gate: a project in axum, `passport init`, and `cargo test`.

use std::{fs, path::Path, process::Command};

use perf_passport_test_support::program::{Workspace, assert_says};

const MANIFEST: &str = r#"[package]
name = "small-shop"
version = "0.1.0"
edition = "2024"

[dependencies]
axum = { version = "0.8", default-features = false }

[dev-dependencies]
"#;

const LIBRARY: &str = "//! A shop.

pub mod web;
";

const WEB: &str = r#"//! Its pages.

use axum::{Router, routing::get};

/// The routes.
pub async fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "a shop" }))
        .route("/items", get(|| async { "[1,2,3]" }))
        .route("/items/{id}", get(|| async { "1" }))
}
"#;

/// Two commands, of which the second is cargo's.
#[test]
fn a_project_in_axum_has_its_first_green_gate_after_two_commands() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write("Cargo.toml", MANIFEST);
    workspace.make("src");
    workspace.write("src/lib.rs", LIBRARY);
    workspace.write("src/web.rs", WEB);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    // The versions of this repository, which are all that is known without a network.
    fs::copy(root.join("Cargo.lock"), workspace.path("Cargo.lock")).unwrap();

    let init = workspace.run(&["init"]).exits(0);
    assert_says(&init.stdout, "wrote passport.toml: 2 routes of `small_shop::web::app`\n");
    assert_says(&init.stdout, "added to Cargo.toml: what the test target `passport` needs\n");
    assert_says(&init.stdout, "note: the router has routes that were not read");
    assert_says(&init.stdout, "note: passports and sessions are filed below artifacts/");
    assert_says(&init.stdout, "note: Cargo.lock lacks what was added until cargo has run");
    let mut next = init.stdout.lines().filter_map(|it| it.strip_prefix("next: cargo "));
    let next: Vec<&str> = next.next().unwrap().split(' ').collect();
    assert_says(&init.stdout, "next: passport check --harness passport\n");

    // This workspace's own directory and debug information: what was compiled for it is used again.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let tested = Command::new("cargo")
        .args(&next)
        .current_dir(workspace.path("."))
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&[tested.stdout, tested.stderr].concat()).into_owned();
    assert!(tested.status.success(), "{printed}");
    assert_says(&printed, "test root::default  ... ok");
    assert_says(&printed, "test items::default ... ok");
    assert_says(&printed, "test result: ok. 2 passed");
}
