//! The configuration of Alertmanager: groups, repetition, and two receivers.
//!
//! Secrets are named by their file, and never by their value.

use serde_json::{Value, json};

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

/// A mail is HTML, in which Alertmanager escapes what it fills in.
const MAIL: &str = "{{ range .Alerts }}<p><b>{{ .Annotations.summary }}</b> ({{ .Status }})<br>\n\
    {{ .Annotations.description }}<br>\n\
    <a href=\"{{ .Annotations.runbook_url }}\">{{ .Annotations.runbook_url }}</a></p>\n{{ end }}";

pub(crate) fn configuration(settings: &Settings) -> Value {
    let slack = json!([{
        "channel": settings.slack_channel,
        "send_resolved": true,
        "title": "{{ .CommonLabels.alertname }} ({{ .Status }})",
        "text": SLACK_TEXT,
    }]);
    json!({
        "global": {
            "slack_api_url_file": SLACK_URL,
            "smtp_auth_password_file": SMTP_PASSWORD,
            "smtp_auth_username": settings.mail_from,
            "smtp_from": settings.mail_from,
            "smtp_smarthost": settings.smarthost,
        },
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
        "receivers": [
            {
                "name": PAGES,
                "slack_configs": slack.clone(),
                "email_configs": [{
                    "headers": { "Subject": "{{ .CommonLabels.alertname }} of {{ .CommonLabels.job }} ({{ .Status }})" },
                    "html": MAIL,
                    "send_resolved": true,
                    "to": settings.mail_to,
                }],
            },
            { "name": TICKETS, "slack_configs": slack },
        ],
    })
}

/// The templates that the configuration names.
pub(crate) fn templates() -> String {
    TEMPLATES.to_owned()
}
