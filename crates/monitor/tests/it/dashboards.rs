//! Dashboards, by the schema that Grafana publishes of them and by rules of our own.

use std::{collections::BTreeSet, fs};

use perf_passport::contract::Contract;
use serde_json::Value;

use crate::{HOSTILE, ledger, written};

fn schema() -> Value {
    serde_json::from_str(include_str!("../fixtures/grafana_dashboard.schema.json")).unwrap()
}

fn dashboards(contract: &Contract) -> Vec<Value> {
    let directory = written(contract);
    let entries = fs::read_dir(directory.path().join("grafana/dashboards")).unwrap();
    let read = |entry: std::io::Result<fs::DirEntry>| {
        serde_json::from_str(&fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap()
    };
    entries.map(read).collect()
}

#[test]
fn dashboards_are_as_grafana_has_them() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for contract in [ledger(), Contract::parse(HOSTILE).unwrap()] {
        let mut uids = BTreeSet::new();
        for dashboard in dashboards(&contract) {
            let errors: Vec<String> =
                validator.iter_errors(&dashboard).map(|it| it.to_string()).collect();
            assert!(errors.is_empty(), "{errors:#?}");
            assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()));
            are_panels_apart(dashboard["panels"].as_array().unwrap());
        }
        let organism = uids.iter().any(|it| it.ends_with("first_organism"));
        assert_eq!(organism, contract.name == "ledger", "{uids:?}");
    }
    let mut wrong = dashboards(&ledger()).remove(0);
    wrong["panels"][0]["gridPos"]["x"] = "left".into();
    assert!(!validator.is_valid(&wrong));
}

/// Each has an id, a unit, a question and a place of its own.
fn are_panels_apart(panels: &[Value]) {
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        let place = |it: &str| panel["gridPos"][it].as_u64().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(!panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap().is_empty());
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
        assert!(place("x") + place("w") <= 24, "{panel}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(cells.insert((x, y)), "{panel}");
            }
        }
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let rates = expression.matches("rate(").count();
            let windows = expression.matches("[$__rate_interval]").count();
            assert!(rates <= windows + expression.matches("[1h]").count(), "{expression}");
        }
    }
}

/// Grafana puts variables where it finds them, in texts too.
#[test]
fn no_text_of_a_contract_is_a_variable() {
    for dashboard in dashboards(&Contract::parse(HOSTILE).unwrap()) {
        let text = dashboard["panels"].to_string();
        let rest = text.replace("\"uid\":\"${datasource}\"", "").replace("[$__rate_interval]", "");
        assert!(!rest.contains("${") && !rest.contains("$__") && !rest.contains("[[x"), "{rest}");
    }
}
