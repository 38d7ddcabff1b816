//! Files of monitoring from outside: what is written, what differs, and what the exit codes say.

use std::fs;

use perf_passport_test_support::program::{Workspace, assert_says, finish};

const CONTRACT: &str = "schema_version = 1\nname = \"shop\"\n\
    [[endpoint]]\nname = \"orders\"\npath = \"/orders/7\"\nroute = \"/orders/{id}\"\n";
const WATCHED: &str = "[service]\n[slo.api]\nendpoints = [\"orders\"]\nobjective = 99.9\n";

fn workspace(contract: &str) -> Workspace {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write("passport.toml", contract);
    workspace
}

fn watched() -> Workspace {
    workspace(&format!("{CONTRACT}{WATCHED}"))
}

#[test]
fn files_are_written_and_then_they_are_as_the_contract_has_them() {
    let workspace = watched();
    let check = ["monitor", "all", "--check"];
    assert_says(&workspace.run(&check).exits(1).stdout, "missing  monitoring/budgets.json");
    assert_says(&workspace.run(&["monitor", "all"]).exits(0).stdout, "files of monitoring");
    assert_says(&workspace.run(&check).exits(0).stdout, "as the contract has them");

    // A part alone, elsewhere.
    workspace.run(&["monitor", "rules", "--output", "rules"]).exits(0);
    assert!(workspace.path("rules/prometheus/rules/objectives.yml").exists());
    assert!(!workspace.path("rules/compose.yaml").exists());

    // Whatever differs is named, and nothing is written.
    let edited = workspace.read("monitoring/compose.yaml") + "# by hand\n";
    workspace.write("monitoring/compose.yaml", &edited);
    fs::remove_file(workspace.path("monitoring/budgets.json")).unwrap();
    let told = workspace.run(&check).exits(1).stdout;
    assert_eq!(told, "missing  monitoring/budgets.json\ndiffers  monitoring/compose.yaml\n");
    assert_eq!(workspace.read("monitoring/compose.yaml"), edited);
}

#[test]
fn settings_go_where_they_belong() {
    let workspace = watched();
    let said = workspace.run(&["monitor", "alertmanager"]).exits(0).stderr;
    assert_says(&said, "nobody is told of alerts");
    let settings = ["--slack-channel", "#oncall", "--mail-to", "a@b", "--smarthost", "mail:25"];
    let arguments = [&["monitor", "alertmanager"][..], &settings].concat();
    assert_eq!(workspace.run(&arguments).exits(0).stderr, "");
    let text = workspace.read("monitoring/alertmanager/alertmanager.yml");
    for said in ["'#oncall'", "to: a@b", "smtp_smarthost: mail:25", "smtp_auth_password_file: /run"]
    {
        assert_says(&text, said);
    }
}

#[test]
fn what_cannot_be_made_is_refused_and_leaves_nothing() {
    let workspace = workspace(CONTRACT);
    let refused = workspace.run(&["monitor", "all"]).refused(2);
    assert_says(&refused, "the contract has no [service]");
    let refused = workspace.run(&["monitor", "check"]).refused(2);
    assert_says(&refused, "the contract has no [service]");
    assert!(!workspace.path("monitoring").exists());

    let workspace = watched();
    for wrong in [
        ["--slack-channel", "{{ .Status }}"],
        ["--mail-to", "a\nb"],
        ["--smarthost", "mail"],
        ["--mail-to", "a@b"],
        ["--mail-from", "a@b"],
        ["--target", "host:99999"],
    ] {
        let arguments = [&["monitor", "all"][..], &wrong].concat();
        workspace.run(&arguments).exits(2);
    }
    assert!(!workspace.path("monitoring").exists());
}

/// Where one file cannot be written, all are what they were.
#[test]
fn files_are_written_together_or_not_at_all() {
    let workspace = watched();
    // The last of them has a directory in its place.
    fs::create_dir_all(workspace.path("monitoring/runbooks/service-down.md")).unwrap();
    workspace.write("monitoring/budgets.json", "of before");
    let refused = workspace.run(&["monitor", "all"]).refused(2);
    assert_says(&refused, "cannot write `monitoring/runbooks/service-down.md`: ");
    assert_eq!(workspace.read("monitoring/budgets.json"), "of before");
    for (path, _) in workspace.files() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(["budgets.json", "passport.toml"].contains(&name.as_str()), "{name}");
    }
}

/// Rules of an objective that is no more would still fire.
#[test]
fn what_is_left_over_is_told() {
    let workspace = watched();
    workspace.run(&["monitor", "all"]).exits(0);
    workspace.write("passport.toml", format!("{CONTRACT}[service]\n"));
    workspace.write("monitoring/prometheus/rules/own.yml", "groups: []\n");
    let told = workspace.run(&["monitor", "all", "--check"]).exits(1).stdout;
    assert_says(&told, "left over  monitoring/prometheus/rules/objectives.yml\n");
    assert!(!told.contains("own.yml"), "{told}");
    let said = workspace.run(&["monitor", "all"]).exits(0).stderr;
    assert_says(&said, "objectives.yml was made of the contract before");
}

#[test]
fn without_promtool_nothing_is_known() {
    let workspace = watched();
    workspace.run(&["monitor", "all"]).exits(0);
    let mut command = workspace.command(&["monitor", "check"]);
    let refused = finish(command.env("PATH", "")).refused(3);
    assert_says(&refused, "`promtool` is not on this machine");
}
