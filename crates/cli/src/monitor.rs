//! `passport monitor`: files for watching a running service, made of its contract, and their check.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::{
    contract_file::{self, read_contract},
    exit::{Code, Failure},
    terminal,
};
use perf_passport::{
    contract::{Contract, WatchedService},
    files::{self, FileContent},
    text::counted,
    units::{BYTES_PER_MB, Bytes},
};
use perf_passport_monitor::{
    MonitorError,
    check::{check, move_thresholds},
    monitoring::{self, GeneratedFile, Part, left_over},
    settings::{MailSettings, Settings},
};

/// The largest file that is compared.
const FILE_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

/// Make files for watching a running service, of its contract, and check them.
#[derive(Debug, Args)]
pub(super) struct MonitorArguments {
    #[command(subcommand)]
    command: MonitorCommand,
}

#[derive(Debug, Subcommand)]
enum MonitorCommand {
    /// Write the budgets that the running service tells of
    Budgets(MakeArguments),
    /// Write recording rules and alerts for Prometheus
    Rules(MakeArguments),
    /// Write the unit tests of the rules
    Tests(MakeArguments),
    /// Write dashboards for Grafana
    Dashboards(MakeArguments),
    /// Write the configuration of Alertmanager
    Alertmanager(MakeArguments),
    /// Write a compose file, and what its containers read
    Compose(MakeArguments),
    /// Write resources of the Prometheus Operator
    Kubernetes(MakeArguments),
    /// Write a page for each alert
    Runbooks(MakeArguments),
    /// Write all of these
    All(MakeArguments),
    /// Check a directory of them: exit 1 where a file is wrong, or a threshold has no test
    Check(CheckFilesArguments),
}

#[derive(Debug, Args)]
struct MakeArguments {
    /// The contract
    #[arg(long, value_name = "FILE", default_value = contract_file::DEFAULT)]
    contract: PathBuf,
    /// The directory of the files
    #[arg(short, long, value_name = "DIR", default_value = "monitoring")]
    output: PathBuf,
    /// Write nothing, and exit 1 where a file is not what it would be
    #[arg(long)]
    check: bool,
    /// Where Prometheus reaches the service; its name and port 8000 when left out
    #[arg(long, value_name = "HOST:PORT", value_parser = place)]
    target: Option<String>,
    /// The service asks for a bearer token of who scrapes it: the file `secrets/scrape_token` has it
    #[arg(long)]
    scrape_token: bool,
    /// The channel of Slack that is told of alerts; no Slack when left out
    #[arg(long, value_name = "NAME", value_parser = plain)]
    slack_channel: Option<String>,
    /// Who gets mail of what cannot wait; no mail when left out
    #[arg(long, value_name = "ADDRESS", value_parser = plain, requires = "smarthost")]
    mail_to: Option<String>,
    /// From whom that mail is; from who gets it when left out
    #[arg(long, value_name = "ADDRESS", value_parser = plain, requires = "mail_to")]
    mail_from: Option<String>,
    /// The server that takes mail
    #[arg(long, value_name = "HOST:PORT", value_parser = place, requires = "mail_to")]
    smarthost: Option<String>,
}

#[derive(Debug, Args)]
struct CheckFilesArguments {
    /// The directory
    #[arg(value_name = "DIR", default_value = "monitoring")]
    directory: PathBuf,
    /// The contract that the files are of
    #[arg(long, value_name = "FILE", default_value = contract_file::DEFAULT)]
    contract: PathBuf,
}

/// Text that is no template of Alertmanager.
fn plain(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_graphic() && !"{}\"'\\`<>".contains(c);
    if !text.is_empty() && text.len() <= 200 && text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    Err("is not 1 to 200 of printable ASCII without blanks, quotes and braces".to_owned())
}

fn place(text: &str) -> Result<String, String> {
    let text = plain(text)?;
    let is_place = text.rsplit_once(':').is_some_and(|(host, port)| {
        let in_brackets = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_address = in_brackets.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok());
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_host = is_address || (!host.is_empty() && host.chars().all(is_name));
        is_host && port.parse::<u16>().is_ok_and(|it| it > 0)
    });
    if is_place { Ok(text) } else { Err("is not HOST:PORT".to_owned()) }
}

pub(super) fn run(arguments: &MonitorArguments) -> Result<ExitCode, Failure> {
    let (arguments, parts) = match &arguments.command {
        MonitorCommand::Budgets(it) => (it, &[Part::Budgets][..]),
        MonitorCommand::Rules(it) => (it, &[Part::Rules][..]),
        MonitorCommand::Tests(it) => (it, &[Part::Tests][..]),
        MonitorCommand::Dashboards(it) => (it, &[Part::Dashboards][..]),
        MonitorCommand::Alertmanager(it) => (it, &[Part::Alertmanager][..]),
        MonitorCommand::Compose(it) => (it, &[Part::Compose][..]),
        MonitorCommand::Kubernetes(it) => (it, &[Part::Kubernetes][..]),
        MonitorCommand::Runbooks(it) => (it, &[Part::Runbooks][..]),
        MonitorCommand::All(it) => (it, &Part::ALL[..]),
        MonitorCommand::Check(it) => return run_check(it),
    };
    let contract = read_contract(&arguments.contract)?;
    let settings = arguments.settings(service(&contract)?);
    let generated = monitoring::files(&contract, &settings, parts)?;
    // Of some parts nobody knows what else there is.
    let left =
        if parts == Part::ALL { left_over(&arguments.output, &generated)? } else { Vec::new() };
    if arguments.check {
        return compare(&arguments.output, &generated, &left);
    }
    write(&arguments.output, &generated)?;
    for path in &left {
        terminal::note(&format!(
            "{} was made of the contract before, and is no part of it any more: remove it",
            terminal::path(path)
        ));
    }
    if parts.contains(&Part::Alertmanager) && settings.tells_nobody() {
        terminal::note(
            "nobody is told of alerts: give --slack-channel, or --mail-to and --smarthost",
        );
    }
    let directory = terminal::path(&arguments.output);
    let count = counted(generated.len() as u64, "file");
    terminal::print(&format!("{count} of monitoring in {directory}\n"))?;
    Ok(Code::Pass.into())
}

impl MakeArguments {
    fn settings(&self, service: &WatchedService) -> Settings {
        let mail =
            self.mail_to.clone().zip(self.smarthost.clone()).map(|(to, smarthost)| MailSettings {
                from: self.mail_from.clone().unwrap_or_else(|| to.clone()),
                to,
                smarthost,
            });
        let of_service = Settings::of(&service.name);
        Settings {
            target: self.target.clone().unwrap_or(of_service.target),
            scrape_token: self.scrape_token,
            slack_channel: self.slack_channel.clone(),
            mail,
        }
    }
}

/// Writes all of them, or none where one cannot be.
fn write(directory: &Path, generated: &[GeneratedFile]) -> Result<(), Failure> {
    let paths: Vec<PathBuf> = generated.iter().map(|it| directory.join(&it.path)).collect();
    let contents = generated.iter().map(|it| it.text.as_bytes());
    let together: Vec<FileContent<'_>> =
        paths.iter().zip(contents).map(|(path, bytes)| FileContent { path, bytes }).collect();
    files::write_together(&together).map_err(Failure::usage)
}

fn service(contract: &Contract) -> Result<&WatchedService, Failure> {
    contract.service.as_ref().ok_or_else(|| Failure::usage(MonitorError::NoService))
}

/// Tells each file that is not what it would be.
fn compare(
    directory: &Path,
    generated: &[GeneratedFile],
    left: &[PathBuf],
) -> Result<ExitCode, Failure> {
    let mut differing = String::new();
    for file in generated {
        let path = directory.join(&file.path);
        let what = match files::read(&path, FILE_MAX) {
            Ok(bytes) if bytes == file.text.as_bytes() => continue,
            Ok(_) => "differs",
            Err(error) if error.kind() == ErrorKind::NotFound => "missing",
            Err(error) => {
                let path = terminal::path(&path);
                return Err(Failure::usage(anyhow!("cannot read `{path}`: {error}")));
            }
        };
        differing += &format!("{what}  {}\n", terminal::path(&path));
    }
    for path in left {
        differing += &format!("left over  {}\n", terminal::path(path));
    }
    if differing.is_empty() {
        let count = counted(generated.len() as u64, "file");
        terminal::print(&format!("{count} as the contract has them\n"))?;
        return Ok(Code::Pass.into());
    }
    terminal::print(&differing)?;
    Ok(Code::Failed.into())
}

fn run_check(arguments: &CheckFilesArguments) -> Result<ExitCode, Failure> {
    let contract = read_contract(&arguments.contract)?;
    let mut report = check(&arguments.directory, &contract)?;
    if report.failed.is_empty() {
        let mutation = move_thresholds(&arguments.directory)?;
        let moved = counted(mutation.tried as u64, "moved threshold");
        if mutation.survivors.is_empty() {
            report.held.push(format!("{moved}: each breaks a test"));
        }
        report.failed.extend(mutation.survivors.iter().map(ToString::to_string));
    }
    let mut text = String::new();
    for line in &report.held {
        text += &format!("ok    {line}\n");
    }
    for line in &report.notes {
        text += &format!("note  {line}\n");
    }
    for line in &report.failed {
        text += &format!("FAIL  {line}\n");
    }
    terminal::print(&text)?;
    let code = if report.failed.is_empty() { Code::Pass } else { Code::Failed };
    Ok(code.into())
}

impl From<MonitorError> for Failure {
    /// What cannot be asked is not known; everything else is a wrong contract or an unusable file.
    fn from(error: MonitorError) -> Self {
        let code = match &error {
            MonitorError::NoTool { .. } | MonitorError::Tool { .. } | MonitorError::Scratch(_) => {
                Code::NotMeasured
            }
            _ => Code::Usage,
        };
        Self::new(code, error)
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_is_a_host_and_a_port_and_nothing_else() {
        for good in ["shop:8000", "shop.example-1.com:65535", "10.0.0.1:1", "[::1]:80"] {
            assert_eq!(place(good), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "shop",
            ":80",
            "shop:",
            "shop:0",
            "shop:65536",
            "http://x:80",
            "x/y:80",
            "u:p@x:80",
            "$(id):80",
            "::1:80",
            "[::1:80",
            "[x]:80",
            "a b:80",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
