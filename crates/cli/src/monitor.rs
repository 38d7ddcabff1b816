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
    document,
    exit::{Code, Failure},
    terminal,
};
use perf_passport::{
    contract::{Contract, WatchedService},
    files,
    text::counted,
    units::{BYTES_PER_MB, Bytes},
};
use perf_passport_monitor::{
    MonitorError,
    check::{check, move_thresholds},
    monitoring::{self, GeneratedFile, Part},
    settings::Settings,
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
    /// The channel of Slack
    #[arg(long, value_name = "NAME", value_parser = plain)]
    slack_channel: Option<String>,
    /// Who gets mail of what cannot wait
    #[arg(long, value_name = "ADDRESS", value_parser = plain)]
    mail_to: Option<String>,
    /// From whom that mail is
    #[arg(long, value_name = "ADDRESS", value_parser = plain)]
    mail_from: Option<String>,
    /// The server that takes mail
    #[arg(long, value_name = "HOST:PORT", value_parser = place)]
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
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    if matches!(port, Some(Ok(_))) { Ok(text) } else { Err("is not HOST:PORT".to_owned()) }
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
        MonitorCommand::All(it) => (it, &Part::ALL[..]),
        MonitorCommand::Check(it) => return run_check(it),
    };
    let contract = read_contract(&arguments.contract)?;
    let settings = arguments.settings(service(&contract)?);
    let files = monitoring::files(&contract, &settings, parts)?;
    if arguments.check {
        return compare(&arguments.output, &files);
    }
    for file in &files {
        document::write(&arguments.output.join(&file.path), file.text.as_bytes())?;
    }
    let directory = terminal::path(&arguments.output);
    let count = counted(files.len() as u64, "file");
    terminal::print(&format!("{count} of monitoring in {directory}\n"))?;
    Ok(Code::Pass.into())
}

impl MakeArguments {
    fn settings(&self, service: &WatchedService) -> Settings {
        let of_service = Settings::of(&service.name);
        let or = |said: &Option<String>, default: String| said.clone().unwrap_or(default);
        Settings {
            target: or(&self.target, of_service.target),
            slack_channel: or(&self.slack_channel, of_service.slack_channel),
            mail_to: or(&self.mail_to, of_service.mail_to),
            mail_from: or(&self.mail_from, of_service.mail_from),
            smarthost: or(&self.smarthost, of_service.smarthost),
        }
    }
}

fn service(contract: &Contract) -> Result<&WatchedService, Failure> {
    contract.service.as_ref().ok_or_else(|| Failure::usage(MonitorError::NoService))
}

/// Tells each file that is not what it would be.
fn compare(directory: &Path, generated: &[GeneratedFile]) -> Result<ExitCode, Failure> {
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
    let mut report = check(&arguments.directory, service(&contract)?)?;
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
