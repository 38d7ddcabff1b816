//! What is warm, what is the same program, and several builds of a side.

use std::{env, fs};

use super::{CONTRACT, claim, compare, helper, helper::HELPER, is, passport, sessions};
use perf_passport_test_support::program::{Workspace, assert_says};
use serde_json::Value;

pub(crate) fn not_warm() {
    let contract = CONTRACT.replace("[sampling]", "[sampling]\nwarm_seconds_max = 0.05");
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    let command = helper("warms=20000000");
    let run = compare(&workspace, &command, &command, &["--time-budget", "60"]).exits(4);
    let passport = passport(&workspace);
    assert_eq!(claim(&passport, "latency-change"), is("ABSTAIN", "not-warm"));
    // In most sessions, not in all: one may be held up at its start.
    let warmups: Vec<&Value> = sessions(&passport).iter().map(|it| &it["http"]["warmup"]).collect();
    assert!(warmups.iter().all(|it| it["samples"].as_u64().unwrap() >= 8), "{warmups:?}");
    let cold = warmups.iter().filter(|it| it["falling_ppm"].as_u64().unwrap() > 30_000);
    assert!(cold.count() * 2 > warmups.len(), "{warmups:?}");
    assert_says(&run.stdout, "still fell when its warm-up was over");
    assert_says(
        &run.stdout,
        "before its times counted, by so many samples (median): work/default ",
    );
}

pub(crate) fn one_program() {
    let floor = |passport: &Value| passport["comparison"]["policy"]["rebuild_floor_ppm"].clone();
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let command = helper("");
    compare(&workspace, &command, &command, &["--time-budget", "0"]);
    let same = passport(&workspace);
    assert_eq!((floor(&same), &same["comparison"]["policy"]["rule"]), (25_000.into(), &2.into()));
    assert!(same["comparison"]["mapped_code"]["files"].as_u64().unwrap() > 0);

    // Another program, if only by what is behind it, may have its code elsewhere.
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let other = workspace.path("other");
    fs::copy(env::current_exe().unwrap(), &other).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&other).unwrap();
    std::io::Write::write_all(&mut file, b"other").unwrap();
    drop(file);
    let other = format!("'{}' {HELPER} port={{port}}", other.display());
    compare(&workspace, &command, &other, &["--time-budget", "0"]);
    let text = workspace.filed_passport();
    let otherwise: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(floor(&otherwise), 60_000);
    assert!(otherwise["comparison"].get("mapped_code").is_none());

    // Nobody proves by the floor of another comparison.
    workspace.write("edited.json", text.replace(": 60000", ": 25000"));
    let said = workspace.run(&["verify", "edited.json"]).exits(1).sentence();
    assert_says(&said, "comparison.policy");
}

pub(crate) fn builds() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let mut build = |name: &str| {
        let path = workspace.path(name);
        fs::copy(env::current_exe().unwrap(), &path).unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, name.as_bytes()).unwrap();
        format!("'{}' {HELPER} port={{port}}", path.display())
    };
    let [a, b, c, d] = ["a", "b", "c", "d"].map(&mut build);
    let both = |baseline: [&str; 2], current: [&str; 2]| {
        let arguments = [
            "compare",
            "--baseline-cmd",
            baseline[0],
            "--baseline-cmd",
            baseline[1],
            "--current-cmd",
            current[0],
            "--current-cmd",
            current[1],
            "--time-budget",
            "2",
        ];
        workspace.run(&arguments)
    };
    both([&a, &b], [&c, &d]);
    let several = passport(&workspace);
    let comparison = &several["comparison"];
    assert_eq!(
        (&comparison["baseline"]["builds"], &comparison["current"]["builds"]),
        (&2.into(), &2.into())
    );
    assert_eq!(comparison["policy"]["rebuild_floor_ppm"], 42_426);
    assert_eq!(several["complete"], true);

    // What does not start, or answers otherwise, is said by its number.
    let said = both([&a, &b], [&c, "/nonexistent/server"]).exits(3).sentence();
    let expected = "the server of current (build 2 of 2) cannot be started: No such file";
    assert!(said.starts_with(expected), "{said}");
}
