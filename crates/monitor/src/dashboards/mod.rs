//! Dashboards of Grafana as JSON, and how Grafana finds them.
//!
//! Each is a list of panels. Grafana puts its own window where `$__rate_interval` stands.

mod first_organism;
mod overview;
mod panel;
mod production;

use perf_passport::contract::Contract;
use serde_json::{Value, json};

use crate::{budgets::Budgets, promql::Names};
use panel::laid_out;
pub(crate) use panel::{Drawing, Panel};

/// The version of the format that Grafana 11 and later write.
const FORMAT: u32 = 41;

/// A dashboard.
#[derive(Debug, Clone)]
pub(crate) struct Dashboard {
    /// The name of its file, without ending.
    pub(crate) name: &'static str,
    title: String,
    pub(crate) panels: Vec<Panel>,
}

/// All dashboards of a contract.
pub(crate) fn dashboards(
    contract: &Contract,
    names: &Names<'_>,
    budgets: &Budgets,
) -> Vec<Dashboard> {
    let service = &names.service.name;
    let mut all = vec![
        Dashboard {
            name: "overview",
            title: format!("{service}: overview"),
            panels: overview::panels(names),
        },
        Dashboard {
            name: "production",
            title: format!("{service}: production against contract"),
            panels: production::panels(contract, names, budgets),
        },
    ];
    // Only the reference service has an organism.
    if contract.document.target.service.as_deref() == Some("ledger") {
        all.push(Dashboard {
            name: "first_organism",
            title: format!("{service}: First Organism"),
            panels: first_organism::panels(names),
        });
    }
    all
}

impl Dashboard {
    /// The document that Grafana reads.
    pub(crate) fn to_json(&self, service: &str) -> Value {
        json!({
            "uid": uid(service, self.name),
            "title": self.title,
            "tags": ["perf-passport"],
            "schemaVersion": FORMAT,
            "editable": false,
            "refresh": "30s",
            "time": { "from": "now-1h", "to": "now" },
            "timezone": "utc",
            "templating": { "list": [{
                "name": "datasource",
                "type": "datasource",
                "query": "prometheus",
                "current": { "text": "prometheus", "value": "prometheus" },
            }] },
            "panels": laid_out(&self.panels),
        })
    }
}

/// At most 40 characters, which is what Grafana takes; of a long name the end is a digest.
fn uid(service: &str, name: &str) -> String {
    let whole = format!("{service}-{name}").replace('.', "_");
    if whole.len() <= 40 {
        return whole;
    }
    let digest = <sha2::Sha256 as sha2::Digest>::digest(service);
    format!("{}-{name}", &perf_passport::text::hex(&digest)[..20])
}

/// The sources of data, by the names that dashboards have for them.
pub(crate) fn datasources() -> Value {
    let source = |name: &str, port: u16| {
        json!({
            "name": name,
            "type": if name == "pyroscope" { "grafana-pyroscope-datasource" } else { name },
            "uid": name,
            "access": "proxy",
            "url": format!("http://{name}:{port}"),
            "isDefault": name == "prometheus",
            "editable": false,
        })
    };
    json!({
        "apiVersion": 1,
        "datasources": [source("prometheus", 9090), source("loki", 3100), source("pyroscope", 4040)],
    })
}

/// Where Grafana finds the dashboards.
pub(crate) fn provider() -> Value {
    json!({
        "apiVersion": 1,
        "providers": [{
            "name": "perf-passport",
            "type": "file",
            "allowUiUpdates": false,
            "disableDeletion": true,
            "options": { "path": "/var/lib/grafana/dashboards" },
        }],
    })
}
