//! `passport format`: metrics JSON as text, and how long that takes.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use anyhow::anyhow;
use clap::Args;
use serde_json::Value;

use super::{
    exit::{Code, Failure},
    limits, terminal,
};
use perf_passport::{
    allocation,
    clock::{Clock, SystemClock},
    files,
    probe::{HttpSettings, HttpTarget, Pass, PreparedRequest, Probe},
    statistics::{Histogram, SummaryStatistics},
    text::printable,
    units::{BYTES_PER_MB, Bytes, Nanos},
};

/// The largest document that is rendered.
const BYTES_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

/// What a service is asked for, unless the user says otherwise.
const DEFAULT_ENDPOINT: &str = "/metrics";

/// Values are aligned up to this length of their names: one long name must not pad every line.
const WIDTH_MAX: usize = 60;

/// Render metrics JSON as text, and time that.
#[derive(Debug, Args)]
pub(super) struct FormatArguments {
    /// Read the metrics from this file
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "api_url",
        required_unless_present = "api_url"
    )]
    test_data: Option<PathBuf>,
    /// Ask the service at this base URL
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// What to ask it for; `/metrics` when left out
    #[arg(long, value_name = "PATH")]
    endpoint: Option<String>,
    /// Render so many times, and print how long that took and what it allocated
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    benchmark: Option<u32>,
}

pub(super) fn run(arguments: &FormatArguments) -> Result<ExitCode, Failure> {
    let (name, bytes) = read(arguments)?;
    // A file is what the user chose; an answer is what the service is held to.
    let code = if arguments.test_data.is_some() { Code::Usage } else { Code::Failed };
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(code, anyhow!("`{name}` is not JSON, at line {}", error.line()))
    })?;
    let Value::Object(_) = &value else {
        let error = anyhow!("`{name}` is no metrics document: not a JSON object");
        return Err(Failure::new(code, error));
    };
    let mut text = render(&value);
    if let Some(times) = arguments.benchmark {
        text.push('\n');
        text.push_str(&benchmark(&value, times));
    }
    terminal::print(&text)?;
    Ok(Code::Pass.into())
}

fn read(arguments: &FormatArguments) -> Result<(String, Vec<u8>), Failure> {
    if let Some(path) = &arguments.test_data {
        if arguments.endpoint.is_some() {
            return Err(Failure::usage(anyhow!(
                "--endpoint is for a service, and --test-data is read: leave one of them out"
            )));
        }
        let name = path.display().to_string();
        let bytes = files::read(path, BYTES_MAX)
            .map_err(|error| Failure::usage(anyhow!("cannot read `{name}`: {error}")))?;
        return Ok((name, bytes));
    }
    limits::refuse_too_few_files()?;
    let endpoint = arguments.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
    let base_url = arguments.api_url.clone().unwrap_or_default();
    let target = HttpTarget::new(HttpSettings {
        base_url: base_url.clone(),
        timeout: Nanos::new(10_000_000_000),
        body_max: BYTES_MAX,
        pid: None,
        ca_file: None,
    })
    .map_err(Failure::usage)?;
    let request = PreparedRequest {
        method: "GET".to_owned(),
        path: endpoint.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        compare_headers: Vec::new(),
        setup: Vec::new(),
    };
    let exchange = target.http_probe()?.send(&request, Pass::Timed)?;
    let name = format!("{base_url}{endpoint}");
    if exchange.status != 200 {
        let error = anyhow!("{name} answered with status {}, not 200", exchange.status);
        return Err(Failure::new(Code::Failed, error));
    }
    Ok((name, exchange.body))
}

/// One line of name and value for each scalar and for what is empty, nested names joined by dots;
/// printable ASCII.
fn render(value: &Value) -> String {
    let mut lines = Vec::new();
    flatten(&mut String::new(), value, &mut lines);
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(WIDTH_MAX);
    let mut out = String::new();
    for (name, value) in &lines {
        let _ = writeln!(out, "{name:<width$}  {value}");
    }
    out
}

fn flatten(name: &mut String, value: &Value, lines: &mut Vec<(String, String)>) {
    let mut nested = |part: &str, value: &Value| {
        let length = name.len();
        if length > 0 {
            name.push('.');
        }
        name.push_str(part);
        flatten(name, value, lines);
        name.truncate(length);
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                nested(&printable(key.as_bytes(), 80), value);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                nested(&index.to_string(), value);
            }
        }
        Value::String(text) => lines.push((name.clone(), printable(text.as_bytes(), 200))),
        scalar => lines.push((name.clone(), scalar.to_string())),
    }
}

fn benchmark(value: &Value, times: u32) -> String {
    let (_, cost) = allocation::measure(|| std::hint::black_box(render(value)));
    allocation::set_counting(false);
    let clock = SystemClock::start();
    let samples: Vec<Nanos> = (0..times)
        .map(|_| {
            let start = clock.elapsed();
            std::hint::black_box(render(std::hint::black_box(value)));
            clock.elapsed().saturating_sub(start)
        })
        .collect();
    allocation::set_counting(true);
    let Some(summary) = SummaryStatistics::of(&Histogram::from_samples(&samples)) else {
        return String::new();
    };
    let figure = |it: Option<Nanos>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
    format!(
        "rendered {} times: mean {}, p50 {}, p95 {}, p99 {}, max {}; {} allocations, peak {}\n",
        summary.samples,
        summary.mean,
        figure(summary.p50),
        figure(summary.p95),
        figure(summary.p99),
        summary.max,
        cost.allocations,
        cost.heap_peak
    )
}
