//! The plot of a calibration: each decision's effect, by what was done.

use plotters::prelude::*;

use perf_passport::{paired::Outcome, pipeline::WorkKind, units::Ppm};
use perf_passport_compare::calibrate::{Arm, Calibration, tally};

const WIDTH: u32 = 960;
/// Of the rows of one arm.
const HEIGHT: u32 = 70;
/// Of title, axis and legend.
const AROUND: u32 = 110;

/// Effects outside are drawn at the edge.
const EFFECTS: std::ops::Range<f64> = -4.0..14.0;

/// What a dot says.
const LEGEND: [(&str, RGBColor); 3] = [
    ("PASS", RGBColor(0, 130, 60)),
    ("ABSTAIN", RGBColor(150, 150, 150)),
    ("FAIL", RGBColor(200, 30, 30)),
];

/// The plot, as SVG.
pub(super) fn plot(calibration: &Calibration) -> anyhow::Result<String> {
    let arms: Vec<Arm> = tally(calibration, None).into_keys().collect();
    let mut svg = String::new();
    let rows = u32::try_from(arms.len().max(1))?;
    {
        let area =
            SVGBackend::with_string(&mut svg, (WIDTH, rows * HEIGHT + AROUND)).into_drawing_area();
        draw(&area, calibration, &arms).map_err(|error| anyhow::anyhow!("cannot plot: {error}"))?;
    }
    Ok(svg)
}

fn draw<'a>(
    area: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
    calibration: &Calibration,
    arms: &[Arm],
) -> Result<(), Box<dyn std::error::Error + 'a>> {
    area.fill(&WHITE)?;
    let rows = arms.len().max(1);
    let labels: Vec<String> = arms.iter().map(|arm| label(*arm)).collect();
    #[expect(clippy::cast_precision_loss, reason = "a plot")]
    let height = rows as f64;
    let mut chart = ChartBuilder::on(area)
        .caption("What was measured of each check, by the work added", ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(130)
        .build_cartesian_2d(EFFECTS, 0.0..height)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .x_labels(18)
        .x_desc("slower, percent")
        .light_line_style(WHITE)
        .draw()?;
    let floor = share(calibration.policy.rebuild_floor_ppm);
    let tolerance = share(calibration.tolerance_ppm);
    for (at, name) in [(floor, "rebuild floor"), (tolerance, "tolerance")] {
        let line = [(at, 0.0), (at, height)];
        chart.draw_series(DashedLineSeries::new(line, 4, 4, BLACK.mix(0.6).into()))?;
        let label = Text::new(name, (at + 0.05, height), ("sans-serif", 11));
        chart.draw_series(std::iter::once(label))?;
    }
    for (name, colour) in LEGEND {
        let dots = decisions(calibration, arms).filter(|(outcome, ..)| verdict(*outcome) == name);
        let dots = dots.map(|(_, x, y)| Circle::new((x, height - y), 2, colour.mix(0.6).filled()));
        chart
            .draw_series(dots)?
            .label(name)
            .legend(move |(x, y)| Circle::new((x + 10, y), 4, colour.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    for (row, label) in labels.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a plot")]
        let y = height - (row as f64 + 0.5);
        let (x, y) = chart.backend_coord(&(EFFECTS.start, y));
        area.draw(&Text::new(label.as_str(), (x - 125, y - 6), ("sans-serif", 13)))?;
    }
    area.present()?;
    Ok(())
}

fn label(arm: Arm) -> String {
    let kind = match arm.work {
        WorkKind::Memory => " loads",
        WorkKind::Arithmetic => "",
    };
    format!("+{} %{kind}, {} busy", share(arm.slower_ppm), arm.busy)
}

/// Each decision with its effect in percent, and its place in the row of its arm.
fn decisions<'a>(
    calibration: &'a Calibration,
    arms: &'a [Arm],
) -> impl Iterator<Item = (Outcome, f64, f64)> + 'a {
    calibration.trials.iter().flat_map(move |trial| {
        let row = arms.iter().position(|arm| *arm == trial.arm).unwrap_or_default();
        trial.decisions.iter().enumerate().map(move |(index, decided)| {
            #[expect(clippy::cast_precision_loss, reason = "a plot")]
            let (effect, place) = (
                decided.effect.median as f64 / 1e4,
                (index + 1) as f64 / (trial.decisions.len() + 1) as f64,
            );
            #[expect(clippy::cast_precision_loss, reason = "a plot")]
            let y = row as f64 + 0.1 + 0.8 * place;
            (decided.outcome, effect.clamp(EFFECTS.start, EFFECTS.end), y)
        })
    })
}

const fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Within => "PASS",
        Outcome::Beyond => "FAIL",
        _ => "ABSTAIN",
    }
}

#[expect(clippy::cast_precision_loss, reason = "a plot")]
fn share(ppm: Ppm) -> f64 {
    ppm.get() as f64 / 1e4
}
