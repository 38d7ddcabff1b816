//! The configuration of Alertmanager: groups, repetition, and two receivers.
//!
//! A receiver tells only whom the settings name: an invented address would look as if somebody was told.
//! Secrets are named by their file, and never by their value.

use serde_json::{Map, Value, json};

use crate::settings::Settings;

/// The receiver of critical alerts.
pub(crate) const PAGES: &str = "pages";
/// The receiver of the others.
pub(crate) const TICKETS: &str = "tickets";

const SLACK_URL: &str = "/run/secrets/slack_url";
const SMTP_PASSWORD: &str = "/run/secrets/smtp_password";

/// Slack reads `<`, `>` and `&` as its own.
const SLACK_TEXT: &str = "{{ range .Alerts }}{{ template \"slack.escaped\" .Annotations.summary }}\n\
    {{ template \"slack.escaped\" .Annotations.description }}\n{{ .Annotations.runbook_url }}\n{{ end }}";

const TEMPLATES: &str = "{{ define \"slack.escaped\" -}}\n\
    {{ . | reReplaceAll \"&\" \"&amp;\" | reReplaceAll \"<\" \"&lt;\" | reReplaceAll \">\" \"&gt;\" }}\n\
    {{- end }}\n";

/// A mail is HTML, in which Alertmanager escapes what it fills in. A path leads nowhere from there.
const MAIL: &str = "{{ range .Alerts }}<p><b>{{ .Annotations.summary }}</b> ({{ .Status }})<br>\n\
    {{ .Annotations.description }}<br>\n\
    {{ if match \"^https?://\" .Annotations.runbook_url }}<a href=\"{{ .Annotations.runbook_url }}\">\
    {{ .Annotations.runbook_url }}</a>{{ else }}{{ .Annotations.runbook_url }}{{ end }}</p>\n{{ end }}";

/// What is to be known of who is told.
pub(crate) fn comments(settings: &Settings) -> Vec<String> {
    let comment = if settings.tells_nobody() {
        Some(
            "Nobody is told of alerts: make it with --slack-channel, or --mail-to and --smarthost.",
        )
    } else if settings.slack_channel.is_none() {
        Some("Only critical alerts are told, by mail: --slack-channel is for all of them.")
    } else {
        None
    };
    comment.map(str::to_owned).into_iter().collect()
}

pub(crate) fn configuration(settings: &Settings) -> Value {
    let mut global = Map::new();
    let (mut pages, mut tickets) = (json!({ "name": PAGES }), json!({ "name": TICKETS }));
    if let Some(channel) = &settings.slack_channel {
        global.insert("slack_api_url_file".to_owned(), json!(SLACK_URL));
        let slack = json!([{
            "channel": channel,
            "send_resolved": true,
            "title": "{{ .CommonLabels.alertname }} ({{ .Status }})",
            "text": SLACK_TEXT,
        }]);
        pages["slack_configs"] = slack.clone();
        tickets["slack_configs"] = slack;
    }
    if let Some(mail) = &settings.mail {
        for (key, value) in [
            ("smtp_auth_password_file", SMTP_PASSWORD),
            ("smtp_auth_username", &mail.from),
            ("smtp_from", &mail.from),
            ("smtp_smarthost", &mail.smarthost),
        ] {
            global.insert(key.to_owned(), json!(value));
        }
        pages["email_configs"] = json!([{
            "headers": { "Subject": "{{ .CommonLabels.alertname }} of {{ .CommonLabels.job }} ({{ .Status }})" },
            "html": MAIL,
            "send_resolved": true,
            "to": mail.to,
        }]);
    }
    json!({
        "global": global,
        "templates": ["templates/*.tmpl"],
        "route": {
            "group_by": ["alertname", "job", "slo"],
            "group_interval": "10s",
            "group_wait": "10s",
            "receiver": TICKETS,
            "repeat_interval": "1h",
            "routes": [{ "matchers": ["severity=\"critical\""], "receiver": PAGES }],
        },
        // What is down as a whole has no other symptoms. One of several that is down says nothing of the rest.
        "inhibit_rules": [{
            "equal": ["job"],
            "source_matchers": ["alertname=\"ServiceAbsent\""],
            "target_matchers": ["severity=\"warning\""],
        }],
        "receivers": [pages, tickets],
    })
}

/// The templates that the configuration names.
pub(crate) fn templates() -> String {
    TEMPLATES.to_owned()
}
