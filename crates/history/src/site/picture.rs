//! Curves as pictures in a page, drawn by its style: so they follow the dark, and print.

use std::fmt::Write as _;

use maud::{Markup, html};
use perf_passport::text::counted;

use crate::{
    curve::{Curve, CurvePoint},
    events::Certainty,
    figures::show_number,
    git::Line,
    log::{day, short},
};

/// How large a picture is, in units of its own, and whether it has words.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    width: f64,
    height: f64,
    words: bool,
}

/// One of many.
pub(super) const SMALL: Frame = Frame { width: 220.0, height: 48.0, words: false };
/// One of its own.
pub(super) const LARGE: Frame = Frame { width: 900.0, height: 240.0, words: true };

/// A curve; `None` without a point.
pub(super) fn picture(curve: &Curve, line: &Line, frame: Frame) -> Option<Markup> {
    // Words have no order: where they change is all that there is to see.
    let flat = Frame { height: frame.height.min(64.0), ..frame };
    let frame = if curve.is_word() { flat } else { frame };
    let scale = Scale::of(curve, frame)?;
    let Frame { width, height, words } = frame;
    let (first, last) = (curve.points.first()?, curve.points.last()?);
    let ends = [first.place, last.place].map(|it| &line.positions[it]);
    let path = path(curve, &scale);
    let (low, high) = curve.bounds()?;
    Some(html! {
        svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(label(curve)) {
            line class="axis" x1="0" x2=(width) y1=(scale.bottom) y2=(scale.bottom) {}
            @for epoch in &curve.epochs {
                @let x = number(scale.x(*epoch) - scale.half());
                line class="epoch" x1=(x) x2=(x) y1=(scale.top) y2=(scale.bottom) {}
            }
            @if !path.is_empty() { path class="curve" d=(path) {} }
            @if curve.points.len() == 1 {
                circle class="dot" cx=(number(scale.x(first.place))) cy=(number(scale.y(first.value))) r="3" {}
            }
            @for mark in &curve.marks {
                @let at = (scale.x(mark.place), scale.y_at(curve, mark.place));
                @if mark.certainty == Certainty::Exact {
                    path class="mark-event" d=(triangle(at)) {}
                } @else {
                    circle class="mark-suspicion" cx=(number(at.0)) cy=(number(at.1)) r="6" {}
                }
            }
            @if words {
                @if !curve.is_word() {
                    text x="0" y="12" { (show_number(high, curve.kind())) }
                    @if low != high {
                        text x="0" y=(number(scale.bottom - 4.0)) { (show_number(low, curve.kind())) }
                    }
                }
                text x=(number(scale.left)) y=(height - 2.0) { (short(&ends[0].commit)) " " (day(ends[0])) }
                text x=(width) y=(height - 2.0) text-anchor="end" { (short(&ends[1].commit)) " " (day(ends[1])) }
            }
        }
    })
}

/// What a picture shows, for who does not see it.
fn label(curve: &Curve) -> String {
    let kind = curve.kind();
    let points = counted(curve.points.len() as u64, "measured commit");
    let changes = counted(curve.marks.len() as u64, "change");
    let range = match curve.bounds() {
        Some((low, high)) if !curve.is_word() => {
            format!(", from {} to {}", show_number(low, kind), show_number(high, kind))
        }
        _ => String::new(),
    };
    format!("{kind} over commits: {points}{range}, {changes}")
}

struct Scale {
    first: usize,
    step: f64,
    left: f64,
    top: f64,
    bottom: f64,
    low: i64,
    per: f64,
    columns: f64,
}

#[expect(clippy::cast_precision_loss, reason = "a picture")]
impl Scale {
    fn of(curve: &Curve, frame: Frame) -> Option<Self> {
        let (first, last) = (curve.points.first()?.place, curve.points.last()?.place);
        let (low, high) = curve.bounds()?;
        let (left, top, bottom) = if frame.words {
            (96.0, 18.0, frame.height - 22.0)
        } else {
            (6.0, 10.0, frame.height - 6.0)
        };
        let columns = frame.width - left - 8.0;
        let flat = low == high || curve.is_word();
        let per = if flat { 0.0 } else { (bottom - top) / (high - low) as f64 };
        let step = columns / (last - first).max(1) as f64;
        Some(Self { first, step, left, top, bottom, low, per, columns })
    }

    fn x(&self, place: usize) -> f64 {
        self.left + self.step * place.saturating_sub(self.first) as f64
    }

    /// Between two places; in the middle where nothing changed.
    fn half(&self) -> f64 {
        (self.step / 2.0).min(4.0)
    }

    fn y(&self, value: i64) -> f64 {
        if self.per <= 0.0 {
            return f64::midpoint(self.top, self.bottom);
        }
        self.bottom - self.per * (value - self.low) as f64
    }

    fn y_at(&self, curve: &Curve, place: usize) -> f64 {
        let at = curve.points.iter().find(|it| it.place >= place);
        at.map_or(self.bottom, |it| self.y(it.value))
    }
}

/// The line of each epoch. Of an exact figure only its corners; of times one number a column at most.
fn path(curve: &Curve, scale: &Scale) -> String {
    let mut path = String::new();
    for stretch in curve.stretches() {
        let (mut began, mut last) = (false, None);
        for point in thinned(stretch, scale) {
            let (x, y) = (number(scale.x(point.place)), number(scale.y(point.value)));
            let _ = match (began, curve.kind().is_exact()) {
                (false, _) => write!(path, "M{x} {y}"),
                (true, true) if last == Some(point.value) => write!(path, "H{x}"),
                (true, true) => write!(path, "H{x}V{y}"),
                (true, false) => write!(path, "L{x} {y}"),
            };
            (began, last) = (true, Some(point.value));
        }
    }
    path
}

#[expect(clippy::cast_precision_loss, reason = "a picture")]
fn thinned<'a>(
    stretch: &'a [CurvePoint],
    scale: &Scale,
) -> impl Iterator<Item = &'a CurvePoint> + use<'a> {
    let every = if stretch.len() as f64 > scale.columns { scale.columns } else { f64::INFINITY };
    let (first, step) = (scale.first, scale.step);
    let mut column = f64::NEG_INFINITY;
    let mut last = None;
    let end = stretch.last().map(|it| it.place);
    stretch.iter().filter(move |point| {
        let here = (step * point.place.saturating_sub(first) as f64).floor();
        // Corners of what is exact stay: another value is always shown.
        let shown = every.is_infinite() || here > column || Some(point.place) == end;
        let corner = last != Some(point.value) && every.is_infinite();
        last = Some(point.value);
        if shown || corner {
            column = here;
        }
        shown || corner
    })
}

fn triangle((x, y): (f64, f64)) -> String {
    format!("M{} {}l-6 10h12z", number(x), number(y))
}

/// To a tenth: more is not seen.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
