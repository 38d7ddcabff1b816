//! What no contract says: who is told, and where the service is.

/// Where things are that a contract does not know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `HOST:PORT` of the service, as Prometheus reaches it.
    pub target: String,
    /// Whether the service wants a bearer token of who scrapes it. The token is in a file.
    pub scrape_token: bool,
    /// The channel of Slack that is told of alerts, if one is.
    pub slack_channel: Option<String>,
    /// Who gets mail of what cannot wait, if anybody does.
    pub mail: Option<MailSettings>,
}

/// How mail is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSettings {
    /// Who gets it.
    pub to: String,
    /// From whom it is.
    pub from: String,
    /// `HOST:PORT` of the server that takes it.
    pub smarthost: String,
}

impl Settings {
    /// Those of a service of which nothing else is known: nobody is told of its alerts.
    pub fn of(service: &str) -> Self {
        Self {
            target: format!("{service}:8000"),
            scrape_token: false,
            slack_channel: None,
            mail: None,
        }
    }

    /// Whether nobody is told of alerts that cannot wait.
    pub const fn tells_nobody(&self) -> bool {
        self.slack_channel.is_none() && self.mail.is_none()
    }
}
