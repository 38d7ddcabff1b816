//! A trend as text, for a terminal; and as a picture.

use std::fmt::Write as _;

use perf_passport::text::escaped;
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{
    curve::Curve,
    error::HistoryError,
    events::Certainty,
    figures::show_number,
    git::Line,
    log::{day, short},
};

/// Columns and rows of the plot in a terminal.
const COLUMNS: usize = 64;
const ROWS: usize = 10;

/// Pixels of a picture.
const WIDTH: u32 = 960;
const HEIGHT_OF_ONE: u32 = 260;

/// The plot of a curve: `*` a figure, `|` another epoch. Below, `E` an event and `s` a suspicion.
pub fn text(curve: &Curve, line: &Line) -> String {
    let key = &curve.key;
    let mut out = format!("{} {}: {}\n", escaped(&key.contract), escaped(&key.subject), key.kind);
    let (Some(first), Some(last), Some((low, high))) =
        (curve.points.first(), curve.points.last(), curve.bounds())
    else {
        return out + "  no point on this line of commits\n";
    };
    let span = (last.place - first.place).max(1);
    let column =
        |place: usize| (place.clamp(first.place, last.place) - first.place) * (COLUMNS - 1) / span;
    if curve.is_word() || low == high {
        let value = if curve.is_word() { String::new() } else { show_number(high, key.kind) };
        let same = curve.marks.is_empty();
        let _ = writeln!(out, "  {value}{}", if same { " all along" } else { "" });
    } else {
        let mut rows = vec![vec![b' '; COLUMNS]; ROWS];
        for epoch in &curve.epochs {
            for row in &mut rows {
                row[column(*epoch)] = b'|';
            }
        }
        for point in &curve.points {
            let above = i128::from(high - point.value) * (ROWS as i128 - 1);
            let row = usize::try_from(above / i128::from(high - low)).unwrap_or_default();
            rows[row.min(ROWS - 1)][column(point.place)] = b'*';
        }
        for (index, row) in rows.iter().enumerate() {
            let label = match index {
                0 => show_number(high, key.kind),
                _ if index == ROWS - 1 => show_number(low, key.kind),
                _ => String::new(),
            };
            let row = String::from_utf8_lossy(row);
            let _ = writeln!(out, "{label:>12} {}", row.trim_end());
        }
    }
    let mut marks = vec![b' '; COLUMNS];
    for mark in curve.marks.iter().rev() {
        marks[column(mark.place)] = letter(mark.certainty);
    }
    let marks = String::from_utf8_lossy(&marks).into_owned();
    if !marks.trim().is_empty() {
        let _ = writeln!(out, "{:>12} {}", "", marks.trim_end());
    }
    let ends = [first.place, last.place].map(|it| &line.positions[it]);
    let _ = writeln!(
        out,
        "{:>12} {} {} to {} {}, {} of {} commits measured",
        "",
        short(&ends[0].commit),
        day(ends[0]),
        short(&ends[1].commit),
        day(ends[1]),
        curve.points.len(),
        last.place - first.place + 1
    );
    out
}

const fn letter(certainty: Certainty) -> u8 {
    match certainty {
        Certainty::Exact => b'E',
        Certainty::Suspicion => b's',
    }
}

/// The curves below each other, as SVG.
///
/// # Errors
///
/// [`HistoryError::Draw`].
pub fn svg(curves: &[Curve], line: &Line) -> Result<String, HistoryError> {
    let drawn: Vec<&Curve> =
        curves.iter().filter(|it| !it.points.is_empty() && !it.is_word()).collect();
    if drawn.is_empty() {
        return Err(HistoryError::Draw("no series of the subject is of numbers".to_owned()));
    }
    let mut picture = String::new();
    {
        let height = HEIGHT_OF_ONE * u32::try_from(drawn.len()).unwrap_or(1);
        let area = SVGBackend::with_string(&mut picture, (WIDTH, height)).into_drawing_area();
        let failed = |error: &dyn std::fmt::Display| HistoryError::Draw(error.to_string());
        area.fill(&WHITE).map_err(|it| failed(&it))?;
        for (part, curve) in area.split_evenly((drawn.len(), 1)).iter().zip(drawn) {
            draw(part, curve, line).map_err(|it| failed(&it))?;
        }
        area.present().map_err(|it| failed(&it))?;
    }
    Ok(picture)
}

type Part<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

#[expect(clippy::cast_precision_loss, reason = "a plot")]
fn draw(part: &Part<'_>, curve: &Curve, line: &Line) -> Result<(), Box<dyn std::error::Error>> {
    /// Colours that people who see few colours tell apart (Okabe and Ito 2008).
    const BLUE: RGBColor = RGBColor(0, 114, 178);
    const VERMILION: RGBColor = RGBColor(213, 94, 0);
    const PURPLE: RGBColor = RGBColor(204, 121, 167);
    let (low, high) = curve.bounds().unwrap_or_default();
    let (first, last) = (curve.points[0].place, curve.points[curve.points.len() - 1].place);
    let margin = (((high - low) as f64) * 0.1).max(high as f64 * 0.01).max(1.0);
    let bounds = (low as f64 - margin)..(high as f64 + margin);
    let key = &curve.key;
    let caption = format!("{} {}: {}", escaped(&key.contract), escaped(&key.subject), key.kind);
    let mut chart = ChartBuilder::on(part)
        .caption(caption, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(90)
        .build_cartesian_2d(first as f64 - 0.5..last as f64 + 0.5, bounds.clone())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a label is at a place of the line"
    )]
    let commit = |place: &f64| {
        let at = line.positions.get(place.round().max(0.0) as usize);
        at.map_or_else(String::new, |it| {
            format!("{} {}", &short(&it.commit)[..7.min(it.commit.len())], day(it))
        })
    };
    #[expect(clippy::cast_possible_truncation, reason = "a label")]
    let figure = |value: &f64| show_number(*value as i64, key.kind);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(5)
        .y_labels(5)
        .x_label_formatter(&commit)
        .y_label_formatter(&figure)
        .draw()?;
    for epoch in &curve.epochs {
        let at = *epoch as f64 - 0.5;
        let ends = vec![(at, bounds.start), (at, bounds.end)];
        chart.draw_series(DashedLineSeries::new(ends, 4, 4, BLACK.mix(0.4).into()))?;
    }
    for stretch in curve.stretches() {
        let points = || stretch.iter().map(|it| (it.place as f64, it.value as f64));
        chart.draw_series(LineSeries::new(points(), BLUE.stroke_width(1)))?;
        chart.draw_series(points().map(|at| Circle::new(at, 2, BLUE.filled())))?;
    }
    let at =
        |place: usize| curve.points.iter().find(|it| it.place == place).map_or(high, |it| it.value);
    let style =
        ("sans-serif", 13).into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Bottom));
    for mark in &curve.marks {
        let place = (mark.place as f64, at(mark.place) as f64);
        match mark.certainty {
            Certainty::Exact => {
                chart.draw_series([TriangleMarker::new(place, 7, VERMILION.filled())])?;
            }
            Certainty::Suspicion => {
                chart.draw_series([Circle::new(place, 6, PURPLE.stroke_width(2))])?;
            }
        }
        let word = if mark.certainty == Certainty::Exact { "event" } else { "suspicion" };
        let text = Text::new(word, (place.0, place.1 + margin * 0.5), style.clone());
        chart.draw_series([text])?;
    }
    Ok(())
}
