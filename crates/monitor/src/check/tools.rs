//! promtool and amtool, asked for what they think of files.

use std::{
    ffi::OsStr,
    io,
    process::{Command, Stdio},
};

use perf_passport::text::escaped;

use crate::error::MonitorError;

/// The longest line of a tool that is repeated, and how many lines.
const LINE_MAX: usize = 300;
const LINES_MAX: usize = 40;

/// A tool that checks files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Promtool,
    Amtool,
}

/// What a tool said.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) passed: bool,
    /// Standard output, and after it standard error.
    pub(super) text: String,
}

impl Tool {
    const fn name(self) -> &'static str {
        match self {
            Self::Promtool => "promtool",
            Self::Amtool => "amtool",
        }
    }

    fn missing(self) -> MonitorError {
        let (checks, package) = match self {
            Self::Promtool => ("rules and their tests", "prometheus"),
            Self::Amtool => ("configuration of Alertmanager", "prometheus-alertmanager"),
        };
        MonitorError::NoTool { tool: self.name(), checks, package }
    }

    /// Whether it is on this machine.
    ///
    /// # Errors
    ///
    /// [`MonitorError::NoTool`] where it is not.
    pub(super) fn find(self) -> Result<(), MonitorError> {
        self.run([OsStr::new("--version")]).map(|_| ())
    }

    /// Runs it with these arguments.
    ///
    /// # Errors
    ///
    /// [`MonitorError::NoTool`] or [`MonitorError::Tool`].
    pub(super) fn run<A: AsRef<OsStr>>(
        self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Answer, MonitorError> {
        let output =
            Command::new(self.name()).args(arguments).stdin(Stdio::null()).output().map_err(
                |source| match source.kind() {
                    io::ErrorKind::NotFound => self.missing(),
                    _ => MonitorError::Tool { tool: self.name(), source },
                },
            )?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Answer { passed: output.status.success(), text })
    }
}

impl Answer {
    /// What it said, in lines that are safe to print.
    pub(super) fn told(&self) -> Vec<String> {
        let shown = |line: &str| escaped(&line.chars().take(LINE_MAX).collect::<String>());
        let lines = self.text.lines().filter(|line| !line.trim().is_empty());
        lines.take(LINES_MAX).map(shown).collect()
    }
}
