//! A compose file: Prometheus, Alertmanager, Grafana, logs, profiles, and a backup of what was measured.
//!
//! Secrets are files beside it. What is written to is kept in volumes.

use serde_json::{Value, json};

/// How long samples are kept. The longest window of an objective is 90 days.
const DAYS: u32 = 100;

#[expect(clippy::too_many_lines, reason = "a table of containers")]
pub(crate) fn compose() -> Value {
    let service = |image: &str, others: Value| {
        let mut all =
            json!({ "image": image, "restart": "unless-stopped", "networks": ["monitoring"] });
        if let (Some(all), Value::Object(others)) = (all.as_object_mut(), others) {
            all.extend(others);
        }
        all
    };
    json!({
        "name": "monitoring",
        "networks": { "monitoring": {} },
        "volumes": { "alertmanager": {}, "backup": {}, "grafana": {}, "loki": {}, "prometheus": {}, "pyroscope": {} },
        "secrets": {
            "grafana_password": { "file": "./secrets/grafana_password" },
            "slack_url": { "file": "./secrets/slack_url" },
            "smtp_password": { "file": "./secrets/smtp_password" },
        },
        "services": {
            "prometheus": service("prom/prometheus:v3.5.0", json!({
                "command": [
                    "--config.file=/etc/prometheus/prometheus.yml",
                    "--storage.tsdb.path=/prometheus",
                    format!("--storage.tsdb.retention.time={DAYS}d"),
                    "--storage.tsdb.retention.size=20GB",
                    // The backup asks for snapshots; the port is of this machine alone.
                    "--web.enable-admin-api",
                ],
                "ports": ["127.0.0.1:9090:9090"],
                "volumes": ["./prometheus:/etc/prometheus:ro", "prometheus:/prometheus"],
            })),
            "alertmanager": service("prom/alertmanager:v0.28.1", json!({
                "command": [
                    "--config.file=/etc/alertmanager/alertmanager.yml",
                    "--storage.path=/alertmanager",
                    "--cluster.listen-address=",
                ],
                "ports": ["127.0.0.1:9093:9093"],
                "secrets": ["slack_url", "smtp_password"],
                "volumes": ["./alertmanager:/etc/alertmanager:ro", "alertmanager:/alertmanager"],
            })),
            "grafana": service("grafana/grafana:12.0.2", json!({
                "environment": {
                    "GF_AUTH_ANONYMOUS_ENABLED": "false",
                    "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/grafana_password",
                },
                "ports": ["127.0.0.1:3000:3000"],
                "secrets": ["grafana_password"],
                "volumes": [
                    "./grafana/provisioning:/etc/grafana/provisioning:ro",
                    "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
                    "grafana:/var/lib/grafana",
                ],
            })),
            "loki": service("grafana/loki:3.5.0", json!({ "volumes": ["loki:/loki"] })),
            "pyroscope": service("grafana/pyroscope:1.13.4", json!({ "volumes": ["pyroscope:/data"] })),
            // Reads the logs of all containers, and takes profiles of all processes.
            "alloy": service("grafana/alloy:v1.9.0", json!({
                "command": ["run", "--storage.path=/tmp/alloy", "/etc/alloy/config.alloy"],
                "pid": "host",
                "privileged": true,
                "volumes": ["./alloy:/etc/alloy:ro", "/var/run/docker.sock:/var/run/docker.sock:ro"],
            })),
            // `docker compose run --rm backup` keeps a snapshot of all samples, and of what Grafana has.
            "backup": service("busybox:1.37", json!({
                "command": [
                    "sh",
                    "-euc",
                    "wget -q -O /dev/null --post-data= http://prometheus:9090/api/v1/admin/tsdb/snapshot; \
                     tar -czf /backup/$$(date +%Y%m%d-%H%M%S).tar.gz -C / prometheus/snapshots grafana; \
                     rm -rf /prometheus/snapshots",
                ],
                "profiles": ["backup"],
                "restart": "no",
                "volumes": ["backup:/backup", "prometheus:/prometheus", "grafana:/grafana:ro"],
            })),
        },
    })
}

/// What the collector does.
pub(crate) fn collector() -> String {
    r#"// Made by `passport monitor compose`. Logs go to Loki, and profiles to Pyroscope.
discovery.docker "containers" {
  host = "unix:///var/run/docker.sock"
}

discovery.relabel "containers" {
  targets = discovery.docker.containers.targets

  rule {
    source_labels = ["__meta_docker_container_label_com_docker_compose_service"]
    target_label  = "service_name"
  }
}

loki.source.docker "logs" {
  host       = "unix:///var/run/docker.sock"
  targets    = discovery.relabel.containers.output
  forward_to = [loki.write.logs.receiver]
}

loki.write "logs" {
  endpoint {
    url = "http://loki:3100/loki/api/v1/push"
  }
}

pyroscope.ebpf "profiles" {
  targets    = discovery.relabel.containers.output
  forward_to = [pyroscope.write.profiles.receiver]
}

pyroscope.write "profiles" {
  endpoint {
    url = "http://pyroscope:4040"
  }
}
"#
    .to_owned()
}
