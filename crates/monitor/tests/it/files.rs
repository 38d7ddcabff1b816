//! What promtool and amtool say, and which thresholds a test misses.

use std::{fs, path::Path, process::Command};

use perf_passport::contract::Contract;
use perf_passport_monitor::{
    MonitorError,
    check::{CheckReport, check, move_thresholds},
    monitoring::{Part, files},
    settings::{MailSettings, Settings},
};

use crate::{HOSTILE, are_there, ledger, written};

const TOOLS: [&str; 2] = ["promtool", "amtool"];

fn checked(contract: &Contract, directory: &Path) -> CheckReport {
    check(directory, contract).unwrap()
}

/// What promtool says of a file of tests; nothing where all pass.
fn failures(directory: &Path, test: &str) -> String {
    let file = directory.join(format!("prometheus/tests/{test}_test.yml"));
    let output = Command::new("promtool").args(["test", "rules"]).arg(file).output().unwrap();
    if output.status.success() {
        return String::new();
    }
    // It quotes what stands in quotes.
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap().replace('\\', "")
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
        assert_eq!((mutation.tried, mutation.survivors), (84, Vec::new()));
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

/// Objectives so low that some levels want more errors than there are requests.
#[test]
fn levels_that_can_be_reached_stay_and_the_others_are_said() {
    for (objective, reached, left_out) in [("93.1", 8, 0), ("93", 6, 1), ("50", 2, 3)] {
        let text = format!(
            "schema_version = 1\nname = \"a\"\n[service]\n[slo.all]\nendpoints = [\"a\"]\n\
             objective = {objective}\nwindow = \"7d\"\n[[endpoint]]\nname = \"a\"\npath = \"/\"\n"
        );
        let contract = Contract::parse(&text).unwrap();
        let directory = written(&contract);
        for file in ["prometheus/rules/objectives.yml", "kubernetes/prometheus_rule.yaml"] {
            let text = fs::read_to_string(directory.path().join(file)).unwrap();
            assert_eq!(text.matches("- alert: ErrorBudgetBurn").count() * 2, reached, "{text}");
            assert_eq!(text.matches("# all: no level ").count(), left_out, "{text}");
        }
        // The other alerts are as ever, and their tests take long.
        for file in ["rules/service.yml", "tests/service_test.yml", "tests/day_test.yml"] {
            fs::remove_file(directory.path().join("prometheus").join(file)).unwrap();
        }
        if are_there(&TOOLS) {
            for test in ["objectives", "recording"] {
                assert_eq!(failures(directory.path(), test), "");
            }
            let survivors = move_thresholds(directory.path()).unwrap().survivors;
            assert!(survivors.is_empty(), "{survivors:?}");
        }
    }
}

/// A rule that looks at another window than its name says, and one without its condition on the edge.
#[test]
fn a_recorded_window_and_a_new_edge_are_tested_from_requests() {
    const WINDOWS: [&str; 7] = ["5m", "30m", "60m", "120m", "360m", "1440m", "4320m"];
    if !are_there(&TOOLS) {
        return;
    }
    let directory = written(&ledger());
    assert_eq!(failures(directory.path(), "windows"), "");
    edit(directory.path(), "prometheus/rules/recording.yml", |text| {
        WINDOWS.iter().fold(text.to_owned(), |text, it| text.replace(&format!("[{it}]"), "[45m]"))
    });
    let failed = failures(directory.path(), "windows");
    for window in WINDOWS {
        for recorded in ["errors:ratio_rate", "slow:ratio_rate"] {
            assert!(failed.contains(&format!("slo:{recorded}{window}{{")), "{window}: {failed}");
        }
    }
    for window in ["60m", "360m", "1440m", "4320m"] {
        for recorded in ["requests:increase", "timed:increase"] {
            assert!(failed.contains(&format!("slo:{recorded}{window}{{")), "{window}: {failed}");
        }
    }

    let directory = written(&ledger());
    assert_eq!(failures(directory.path(), "recording"), "");
    edit(directory.path(), "prometheus/rules/recording.yml", |text| {
        text.replace("and on (job, instance)", "or on (job, instance)")
    });
    let failed = failures(directory.path(), "recording");
    assert!(failed.contains("LatencyBudgetBurnFast"), "{failed}");
}

#[test]
fn nobody_is_told_of_alerts_unless_the_settings_say_who() {
    let contract = ledger();
    let of = |settings: &Settings| -> String {
        let parts = [Part::Alertmanager, Part::Compose];
        files(&contract, settings, &parts).unwrap().into_iter().map(|it| it.text).collect()
    };
    let nobody = of(&Settings::of("ledger"));
    assert!(nobody.contains("# Nobody is told of alerts: "), "{nobody}");
    for secret in ["slack", "smtp", "scrape_token", "localhost"] {
        assert!(!nobody.replace("templates/slack", "").contains(&format!("{secret}_")), "{nobody}");
    }
    let mail = MailSettings {
        to: "a@example.org".to_owned(),
        from: "b@example.org".to_owned(),
        smarthost: "mail.example.org:587".to_owned(),
    };
    let told = of(&Settings {
        scrape_token: true,
        slack_channel: Some("#oncall".to_owned()),
        mail: Some(mail),
        ..Settings::of("ledger")
    });
    for said in [
        "channel: '#oncall'",
        "to: a@example.org",
        "smtp_from: b@example.org",
        "file: ./secrets/slack_url",
        "file: ./secrets/smtp_password",
        "file: ./secrets/scrape_token",
        "credentials_file: /run/secrets/scrape_token",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }

    let directory = written(&contract);
    if are_there(&TOOLS) {
        let notes = checked(&contract, directory.path()).notes.join("\n");
        assert!(notes.contains("nobody is told of alerts"), "{notes}");
    }
}

/// What the rules look for is put on the series, also by Kubernetes.
#[test]
fn targets_have_the_labels_of_the_selector_and_the_token() {
    let contract = Contract::parse(HOSTILE).unwrap();
    let settings = Settings { scrape_token: true, ..Settings::of("shop") };
    let parts = [Part::Compose, Part::Kubernetes];
    for file in files(&contract, &settings, &parts).unwrap() {
        let said: &[&str] = match file.path.as_str() {
            "prometheus/prometheus.yml" => {
                &["prod\"{{ $x }}", "# The rules look for zone=~\"a|b\": ", "authorization:"]
            }
            "kubernetes/service_monitor.yaml" => &[
                "prod\"{{ $$x }}",
                "targetLabel: env",
                "# The rules look for zone=~\"a|b\": ",
                "name: shop-scrape-token",
            ],
            _ => &[],
        };
        for said in said {
            assert!(file.text.contains(said), "{said}: {}", file.text);
        }
    }
}

/// The containers of the ledger.
fn containers() -> serde_json::Value {
    let generated = files(&ledger(), &Settings::of("ledger"), &[Part::Compose]).unwrap();
    let compose = &generated.iter().find(|it| it.path == "compose.yaml").unwrap().text;
    let mut compose: serde_json::Value = serde_norway::from_str(compose).unwrap();
    compose["services"].take()
}

/// What is kept is kept for a time, and can be copied: each volume that is written to, with a limit or in the
/// backup.
#[test]
fn samples_and_logs_are_kept_for_a_time_and_there_is_a_backup() {
    let containers = containers();
    let commands = |name: &str| containers[name]["command"].to_string();
    assert!(commands("prometheus").contains("--storage.tsdb.retention.time=100d"));
    assert!(commands("prometheus").contains("--storage.tsdb.retention.size=20GB"));
    assert!(commands("loki").contains("-store.retention=744h"));
    let copied = containers["backup"]["volumes"].to_string();
    for volume in ["prometheus:/kept/prometheus:ro", "alertmanager:", "grafana:", "backup:/backup"]
    {
        assert!(copied.contains(volume), "{volume}: {copied}");
    }
    assert_eq!(containers["backup"]["profiles"], serde_json::json!(["backup"]));
}

/// Containers have no rights that they do not need.
#[test]
fn containers_have_the_least_rights() {
    for (name, container) in containers().as_object().unwrap() {
        let text = container.to_string();
        assert!(!text.contains("docker.sock") && !text.contains("admin-api"), "{text}");
        for port in container["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{port}");
        }
        if name == "profiler" {
            // It sees the whole machine, so it is only there for who asks for it.
            assert_eq!(container["profiles"], serde_json::json!(["profiler"]));
            continue;
        }
        assert_eq!(container["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(container["security_opt"], serde_json::json!(["no-new-privileges:true"]));
        assert!(container["privileged"].is_null() && container["pid"].is_null(), "{name}");
    }
}

#[test]
fn what_no_tool_reads_is_held_against_the_contract_and_the_rules() {
    if !are_there(&TOOLS) {
        return;
    }
    let contract = ledger();
    let directory = written(&contract);
    edit(directory.path(), "budgets.json", |it| it.replace("0.005", "0.006"));
    edit(directory.path(), "kubernetes/prometheus_rule.yaml", |it| {
        it.replace("> 0.05\n", "> 0.06\n")
    });
    edit(directory.path(), "kubernetes/service_monitor.yaml", |it| {
        it.replace("name: ledger", "name: leger")
    });
    fs::remove_file(directory.path().join("runbooks/memory-leak.md")).unwrap();
    let failed = checked(&contract, directory.path()).failed.join("\n");
    for said in [
        "budgets.json is not that of the contract",
        "kubernetes/prometheus_rule.yaml has other rules than prometheus/rules in the groups ledger \
         alerts of service",
        "the series that it finds do not have the label job=\"ledger\"",
        "the page `runbooks/memory-leak.md` of MemoryLeak is not there",
    ] {
        assert!(failed.contains(said), "{said}: {failed}");
    }
    edit(directory.path(), "kubernetes/prometheus_rule.yaml", |it| it.replace("groups:", "group:"));
    edit(directory.path(), "kubernetes/service_monitor.yaml", |it| it.replace("spec:", "spec: ["));
    let failed = checked(&contract, directory.path()).failed.join("\n");
    for said in ["kubernetes/prometheus_rule.yaml: ", "kubernetes/service_monitor.yaml:"] {
        assert!(failed.contains(said), "{said}: {failed}");
    }

    // The rules of another contract.
    let text = fs::read_to_string(directory.path().join("budgets.json")).unwrap();
    let digest = text.split("\"budgets\": \"").nth(1).unwrap()[..64].to_owned();
    edit(directory.path(), "prometheus/rules/service.yml", |it| {
        it.replace(&digest, &"0".repeat(64))
    });
    let failed = checked(&contract, directory.path()).failed.join("\n");
    assert!(failed.contains("BudgetsDiffer of service.yml has another digest"), "{failed}");
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
    let refused = check(directory.path(), &contract).unwrap_err();
    assert!(matches!(refused, MonitorError::Unreadable { .. }), "{refused}");
}
