//! `passport history trend`: the series of a subject.

use std::{path::PathBuf, process::ExitCode};

use anyhow::anyhow;
use clap::Args;

use super::place::{Place, tell_unsound};
use crate::{
    document::is_standard_output,
    exit::{Code, Failure},
    terminal,
};
use perf_passport::{store, text::escaped};
use perf_passport_history::{HistoryError, curve::Curve, figures::Kind, trend};

/// Show the series of a subject.
#[derive(Debug, Args)]
pub(super) struct TrendArguments {
    /// The subject: `endpoint/variant`, `operation::name`, `production::objective`, or an endpoint for all
    /// its variants
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// Only this kind of series, such as `allocations`; may be repeated
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Write a picture (SVG) instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: &TrendArguments) -> Result<ExitCode, Failure> {
    let kinds: Vec<Kind> = arguments.kind.iter().map(|it| kind(it)).collect::<Result<_, _>>()?;
    let (mut history, followed) = arguments.place.open(false)?;
    let name = &arguments.subject;
    let is_it = |subject: &str| {
        let below = subject.strip_prefix(name.as_str()).is_some_and(|it| it.starts_with('/'));
        let is_named = |sort: &str| subject.strip_prefix(sort) == Some(name);
        subject == name || below || is_named("operation::") || is_named("production::")
    };
    let settings = history.timeline.settings();
    let series = history.series_of(|it| {
        let now = settings.get(&it.contract);
        let now = now.map_or(it.subject.clone(), |settings| {
            perf_passport_history::timeline::name_now(&it.subject, settings)
        });
        (is_it(&it.subject) || is_it(&now)) && (kinds.is_empty() || kinds.contains(&it.kind))
    })?;
    if series.is_empty() {
        let sentence = format!(
            "no passport on this line of commits has a subject `{}`: `passport history index` tells what \
             is kept",
            escaped(name)
        );
        return Err(HistoryError::Nothing(sentence).into());
    }
    let events = history.events(&series);
    let curves: Vec<Curve> = series.iter().map(|it| Curve::of(it, &events)).collect();
    let line = history.line();
    match &arguments.output {
        None => {
            let plots: Vec<String> = curves.iter().map(|it| trend::text(it, line)).collect();
            terminal::print(&plots.join("\n"))?;
        }
        Some(path) => {
            store::write_bytes(path, trend::svg(&curves, line)?.as_bytes())?;
            if !is_standard_output(path) {
                terminal::print(&format!("trend {}\n", terminal::path(path)))?;
            }
        }
    }
    Ok(tell_unsound(followed).unwrap_or(Code::Pass).into())
}

fn kind(name: &str) -> Result<Kind, Failure> {
    Kind::named(name).ok_or_else(|| {
        let all = Kind::ALL.map(Kind::name).join(", ");
        Failure::usage(anyhow!("there is no kind `{}`, the kinds are {all}", escaped(name)))
    })
}
