//! A compose file: Prometheus, Alertmanager, Grafana, logs, and a backup of what was measured.
//!
//! Each container has what it needs and no more: no capability, no way to more rights, a file system that is
//! only read, and ports of this machine alone. Secrets are files beside it. Profiles of all processes take
//! all rights of the machine, so nothing starts that unless it is asked for by name.

use serde_json::{Value, json};

use crate::settings::Settings;

/// How long samples are kept. The longest window of an objective is 90 days.
const DAYS: u32 = 100;
/// And logs.
const LOG_DAYS: u32 = 31;

/// The secrets that containers get, each with who gets it.
fn secrets(settings: &Settings) -> Vec<(&'static str, &'static str)> {
    let mut secrets = vec![("grafana", "grafana_password")];
    if settings.slack_channel.is_some() {
        secrets.push(("alertmanager", "slack_url"));
    }
    if settings.mail.is_some() {
        secrets.push(("alertmanager", "smtp_password"));
    }
    if settings.scrape_token {
        secrets.push(("prometheus", "scrape_token"));
    }
    secrets
}

/// A container with the least rights, and what it has of its own.
fn container(image: &str, own: Value) -> Value {
    let mut all = json!({
        "image": image,
        "restart": "unless-stopped",
        "networks": ["monitoring"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": true,
        "tmpfs": ["/tmp"],
        // The log collector finds the name of a container there.
        "logging": { "driver": "json-file", "options": { "max-file": "3", "max-size": "10m", "tag": "{{.Name}}" } },
    });
    if let (Some(all), Value::Object(own)) = (all.as_object_mut(), own) {
        all.extend(own);
        // What is null, the container does not have.
        all.retain(|_, value| !value.is_null());
    }
    all
}

pub(crate) fn compose(settings: &Settings) -> Value {
    let mut containers = json!({
        "prometheus": prometheus(),
        "alertmanager": container("prom/alertmanager:v0.28.1", json!({
            "command": [
                "--config.file=/etc/alertmanager/alertmanager.yml",
                "--storage.path=/alertmanager",
                "--cluster.listen-address=",
            ],
            "ports": ["127.0.0.1:9093:9093"],
            "volumes": ["./alertmanager:/etc/alertmanager:ro", "alertmanager:/alertmanager"],
        })),
        "grafana": grafana(),
        "loki": container("grafana/loki:3.5.0", json!({
            "command": [
                "-config.file=/etc/loki/local-config.yaml",
                "-compactor.delete-request-store=filesystem",
                "-compactor.retention-enabled=true",
                format!("-store.retention={}h", LOG_DAYS * 24),
            ],
            "volumes": ["loki:/loki"],
        })),
        "logs": logs(),
        "pyroscope": container("grafana/pyroscope:1.13.4", json!({
            "profiles": ["profiler"],
            "read_only": false,
            "volumes": ["pyroscope:/data"],
        })),
        "profiler": profiler_container(),
        "backup": backup(),
    });
    let mut files = json!({});
    for (container, secret) in secrets(settings) {
        files[secret] = json!({ "file": format!("./secrets/{secret}") });
        let of_container = &mut containers[container]["secrets"];
        match of_container.as_array_mut() {
            Some(others) => others.push(json!(secret)),
            None => *of_container = json!([secret]),
        }
    }
    let volumes = ["alertmanager", "backup", "grafana", "logs", "loki", "prometheus", "pyroscope"];
    json!({
        "name": "monitoring",
        "networks": { "monitoring": {} },
        "volumes": volumes.map(|it| (it.to_owned(), json!({}))).into_iter().collect::<serde_json::Map<_, _>>(),
        "secrets": files,
        "services": containers,
    })
}

/// Without its interface for administrators: whoever reaches the port reads, and deletes nothing.
fn prometheus() -> Value {
    container(
        "prom/prometheus:v3.5.0",
        json!({
            "command": [
                "--config.file=/etc/prometheus/prometheus.yml",
                "--storage.tsdb.path=/prometheus",
                format!("--storage.tsdb.retention.time={DAYS}d"),
                "--storage.tsdb.retention.size=20GB",
            ],
            // What is in memory is written before it ends.
            "stop_grace_period": "2m",
            "ports": ["127.0.0.1:9090:9090"],
            "volumes": ["./prometheus:/etc/prometheus:ro", "prometheus:/prometheus"],
        }),
    )
}

fn grafana() -> Value {
    container(
        "grafana/grafana:12.0.2",
        json!({
            "environment": {
                "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
                "GF_ANALYTICS_REPORTING_ENABLED": "false",
                "GF_AUTH_ANONYMOUS_ENABLED": "false",
                "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/grafana_password",
                "GF_USERS_ALLOW_SIGN_UP": "false",
            },
            "ports": ["127.0.0.1:3000:3000"],
            "volumes": [
                "./grafana/provisioning:/etc/grafana/provisioning:ro",
                "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
                "grafana:/var/lib/grafana",
            ],
        }),
    )
}

/// Reads the files that Docker writes logs to. It has no socket of Docker, which would be all rights.
fn logs() -> Value {
    container(
        "grafana/alloy:v1.9.0",
        json!({
            "command": ["run", "--storage.path=/var/lib/alloy", "/etc/alloy/logs.alloy"],
            // The files are of root, and of nobody else.
            "user": "0:0",
            "cap_add": ["DAC_READ_SEARCH"],
            "volumes": [
                "./alloy:/etc/alloy:ro",
                "/var/lib/docker/containers:/var/lib/docker/containers:ro",
                "logs:/var/lib/alloy",
            ],
        }),
    )
}

/// `docker compose --profile profiler up -d` starts it, and nothing else does: it sees all of the machine.
fn profiler_container() -> Value {
    json!({
        "image": "grafana/alloy:v1.9.0",
        "profiles": ["profiler"],
        "restart": "unless-stopped",
        "networks": ["monitoring"],
        "command": ["run", "--storage.path=/tmp/alloy", "/etc/alloy/profiles.alloy"],
        "pid": "host",
        "privileged": true,
        "user": "0:0",
        "volumes": ["./alloy:/etc/alloy:ro"],
    })
}

/// A copy of volumes while nobody writes to them.
fn backup() -> Value {
    container(
        "busybox:1.37",
        json!({
            "command": [
                "sh",
                "-euc",
                "tar -czf /backup/$$(date +%Y%m%d-%H%M%S).tar.gz -C /kept prometheus alertmanager grafana",
            ],
            "cap_add": ["DAC_READ_SEARCH"],
            "network_mode": "none",
            "networks": null,
            "profiles": ["backup"],
            "restart": null,
            "volumes": [
                "backup:/backup",
                "prometheus:/kept/prometheus:ro",
                "alertmanager:/kept/alertmanager:ro",
                "grafana:/kept/grafana:ro",
            ],
        }),
    )
}

/// What collects logs.
pub(crate) fn log_collector() -> String {
    r#"// Made by `passport monitor compose`. Logs of all containers go to Loki, by the name of the container.
local.file_match "containers" {
  path_targets = [{ "__path__" = "/var/lib/docker/containers/*/*-json.log" }]
}

loki.source.file "logs" {
  targets    = local.file_match.containers.targets
  forward_to = [loki.process.docker.receiver]
}

loki.process "docker" {
  forward_to = [loki.write.logs.receiver]

  stage.json {
    expressions = { output = "log", stream = "stream", time = "time", service_name = "attrs.tag" }
  }

  stage.timestamp {
    source = "time"
    format = "RFC3339Nano"
  }

  stage.labels {
    values = { stream = "", service_name = "" }
  }

  stage.output {
    source = "output"
  }
}

loki.write "logs" {
  endpoint {
    url = "http://loki:3100/loki/api/v1/push"
  }
}
"#
    .to_owned()
}

/// What takes profiles.
pub(crate) fn profiler() -> String {
    r#"// Made by `passport monitor compose`. Profiles of all processes go to Pyroscope, by their program.
discovery.process "all" {
  discover_config {
    exe = true
  }
}

discovery.relabel "all" {
  targets = discovery.process.all.targets

  rule {
    source_labels = ["__meta_process_exe"]
    target_label  = "service_name"
  }
}

pyroscope.ebpf "profiles" {
  targets    = discovery.relabel.all.output
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
