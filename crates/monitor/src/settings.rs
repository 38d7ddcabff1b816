//! What no contract says: who is told, and where the service is.

/// Where things are that a contract does not know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `HOST:PORT` of the service, as Prometheus reaches it.
    pub target: String,
    /// The channel of Slack.
    pub slack_channel: String,
    /// Who gets mail of what cannot wait.
    pub mail_to: String,
    /// From whom.
    pub mail_from: String,
    /// `HOST:PORT` of the server that takes mail.
    pub smarthost: String,
}

impl Settings {
    /// Those of a service of which nothing else is known.
    pub fn of(service: &str) -> Self {
        Self {
            target: format!("{service}:8000"),
            slack_channel: format!("#{service}-alerts"),
            mail_to: format!("{service}-alerts@localhost"),
            mail_from: format!("{service}-alerts@localhost"),
            smarthost: "localhost:587".to_owned(),
        }
    }
}
