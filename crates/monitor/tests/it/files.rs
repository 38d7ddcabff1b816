//! What promtool and amtool say, and which thresholds a test misses.

use std::{fs, path::Path};

use perf_passport::contract::Contract;
use perf_passport_monitor::{
    MonitorError,
    check::{CheckReport, check, move_thresholds},
    monitoring::{Part, files},
    settings::Settings,
};

use crate::{HOSTILE, are_there, ledger, written};

const TOOLS: [&str; 2] = ["promtool", "amtool"];

fn checked(contract: &Contract, directory: &Path) -> CheckReport {
    check(directory, contract.service.as_ref().unwrap()).unwrap()
}

/// Changes a file of the directory.
fn edit(directory: &Path, file: &str, change: impl Fn(&str) -> String) {
    let path = directory.join(file);
    let before = fs::read_to_string(&path).unwrap();
    let after = change(&before);
    assert_ne!(before, after, "{file}");
    fs::write(path, after).unwrap();
}

#[test]
fn the_files_of_the_ledger_are_those_of_its_contract_and_hold() {
    let contract = ledger();
    let settings = Settings::of("ledger");
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../monitoring");
    for file in files(&contract, &settings, &Part::ALL).unwrap() {
        let text = fs::read_to_string(committed.join(&file.path)).unwrap_or_default();
        assert!(
            text.replace("\r\n", "\n") == file.text,
            "{} is out of step: run `passport monitor all`",
            file.path
        );
    }
    if are_there(&TOOLS) {
        let report = checked(&contract, &committed);
        assert!(report.failed.is_empty(), "{report:#?}");
        let mutation = move_thresholds(&committed).unwrap();
        // Two kinds of errors at four levels with three thresholds, and those of the service; each way.
        assert_eq!((mutation.tried, mutation.survivors), (80, Vec::new()));
    }
}

#[test]
fn texts_of_a_contract_stay_where_they_are_put() {
    let contract = Contract::parse(HOSTILE).unwrap();
    let directory = written(&contract);
    if are_there(&TOOLS) {
        let report = checked(&contract, directory.path());
        assert!(report.failed.is_empty(), "{report:#?}");
    }
}

/// Equal contracts give equal bytes, and the digest of budgets is that of the alert.
#[test]
fn files_are_functions_of_the_contract() {
    let (one, other) = (written(&ledger()), written(&ledger()));
    let read = |directory: &Path, file: &str| fs::read_to_string(directory.join(file)).unwrap();
    for file in ["prometheus/rules/service.yml", "grafana/dashboards/production.json"] {
        assert_eq!(read(one.path(), file), read(other.path(), file));
    }
    let budgets: serde_json::Value =
        serde_json::from_str(&read(one.path(), "budgets.json")).unwrap();
    let digest = budgets["budgets"].as_str().unwrap();
    assert!(read(one.path(), "prometheus/rules/service.yml").contains(digest));
    assert!(budgets["edges_seconds"].as_array().unwrap().iter().any(|it| it == "0.01"));
}

#[test]
fn a_contract_without_a_service_has_no_files() {
    let text = "schema_version = 1\nname = \"a\"\n[[endpoint]]\nname = \"a\"\npath = \"/\"\n";
    let contract = Contract::parse(text).unwrap();
    let refused = files(&contract, &Settings::of("a"), &Part::ALL);
    assert!(matches!(refused, Err(MonitorError::NoService)), "{refused:?}");
}

#[test]
fn a_selector_that_no_test_can_meet_is_refused() {
    let text = HOSTILE.replace("a|b", "[0-9]{3}");
    let contract = Contract::parse(&text).unwrap();
    let refused = files(&contract, &Settings::of("shop"), &[Part::Tests]).unwrap_err().to_string();
    assert!(refused.contains("zone=~\"[0-9]{3}\""), "{refused}");
}

/// Without the test at one side of a threshold, moving it to that side is found out to be untested.
#[test]
fn a_threshold_without_a_test_is_named() {
    if !are_there(&TOOLS) {
        return;
    }
    let text =
        "schema_version = 1\nname = \"a\"\n[service]\n[[endpoint]]\nname = \"a\"\npath = \"/\"\n";
    let directory = written(&Contract::parse(text).unwrap());
    for title in ["HighErrorRate: condition 1 just does not", "HighLatency: condition 2 just holds"]
    {
        edit(directory.path(), "prometheus/tests/service_test.yml", |text| {
            let tests: Vec<&str> =
                text.split("\n- name: ").filter(|it| !it.contains(title)).collect();
            tests.join("\n- name: ")
        });
    }
    let mutation = move_thresholds(directory.path()).unwrap();
    let mut survivors: Vec<String> = mutation
        .survivors
        .iter()
        .map(|it| format!("{} {} {}", it.alert, it.threshold, it.moved_to))
        .collect();
    survivors.sort();
    assert_eq!(survivors, ["HighErrorRate 0.05 0.045", "HighLatency 20 22"]);
}

#[test]
fn what_is_wrong_in_a_file_is_told() {
    if !are_there(&TOOLS) {
        return;
    }
    let contract = ledger();
    let directory = written(&contract);
    edit(directory.path(), "prometheus/rules/service.yml", |it| it.replacen("== 0", "== 0 +", 1));
    edit(directory.path(), "grafana/dashboards/overview.json", |it| {
        it.replace("process_open_fds{", "process_open_files{")
    });
    edit(directory.path(), "alertmanager/alertmanager.yml", |it| {
        it.replace("severity=\"critical\"", "severity=\"fatal\"")
    });
    let failed = checked(&contract, directory.path()).failed.join("\n");
    for said in [
        "promtool reads the rules:",
        "panel `File descriptors used` of overview.json asks for `process_open_files`",
        "critical alerts reach `pages`:",
    ] {
        assert!(failed.contains(said), "{said}: {failed}");
    }

    fs::remove_dir_all(directory.path().join("prometheus/tests")).unwrap();
    let refused = check(directory.path(), contract.service.as_ref().unwrap()).unwrap_err();
    assert!(matches!(refused, MonitorError::Unreadable { .. }), "{refused}");
}
