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

/// The line of each epoch. Of an exact figure only its corners; of many points one a column at most.
fn path(curve: &Curve, scale: &Scale) -> String {
    let exact = curve.kind().is_exact();
    let mut path = String::new();
    for stretch in curve.stretches() {
        let mut last = None;
        let points = if exact { corners(stretch) } else { stretch.iter().collect() };
        for point in thinned(points, scale) {
            let (x, y) = (number(scale.x(point.place)), number(scale.y(point.value)));
            let _ = match last {
                None => write!(path, "M{x} {y}"),
                Some(value) if exact && value == point.value => write!(path, "H{x}"),
                Some(_) if exact => write!(path, "H{x}V{y}"),
                Some(_) => write!(path, "L{x} {y}"),
            };
            last = Some(point.value);
        }
    }
    path
}

/// The first point, each that has another value than the one before, and the last.
fn corners(stretch: &[CurvePoint]) -> Vec<&CurvePoint> {
    let is_last = |at: usize| at + 1 == stretch.len();
    let is_corner = |at: usize| at == 0 || stretch[at - 1].value != stretch[at].value;
    let points = stretch.iter().enumerate();
    points.filter(|(at, _)| is_corner(*at) || is_last(*at)).map(|(_, point)| point).collect()
}

/// Where there are more points than columns, one a column, and the last.
#[expect(clippy::cast_precision_loss, reason = "a picture")]
fn thinned<'a>(mut points: Vec<&'a CurvePoint>, scale: &Scale) -> Vec<&'a CurvePoint> {
    if points.len() as f64 <= scale.columns {
        return points;
    }
    let last = points.last().map(|it| it.place);
    let mut column = f64::NEG_INFINITY;
    points.retain(|point| {
        let here = (scale.step * point.place.saturating_sub(scale.first) as f64).floor();
        let is_next = here > column;
        column = column.max(here);
        is_next || Some(point.place) == last
    });
    points
}

fn triangle((x, y): (f64, f64)) -> String {
    format!("M{} {}l-6 10h12z", number(x), number(y))
}

/// To a tenth: more is not seen.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{figures::Kind, timeline::SeriesKey};

    fn curve(kind: Kind, values: impl IntoIterator<Item = i64>) -> Curve {
        let key = SeriesKey { contract: "a".to_owned(), subject: "b".to_owned(), kind };
        let point = |(place, value)| CurvePoint { place, value, track: 1 };
        let points = values.into_iter().enumerate().map(point).collect();
        Curve { key, points, epochs: Vec::new(), marks: Vec::new() }
    }

    fn drawn(curve: &Curve) -> String {
        path(curve, &Scale::of(curve, SMALL).unwrap())
    }

    #[test]
    fn an_exact_figure_is_drawn_by_its_corners_and_a_time_by_each_of_its_points() {
        let steps = [1, 1, 1, 1, 3, 3, 1, 1];
        let exact = drawn(&curve(Kind::Allocations, steps));
        assert_eq!(exact, "M6 42H123.7V10H182.6V42H212");
        let time = drawn(&curve(Kind::Latency, steps));
        assert_eq!((time.matches('L').count(), time.matches('H').count()), (7, 0));
    }

    #[test]
    fn of_more_points_than_columns_one_a_column_is_drawn_and_the_last() {
        for kind in [Kind::Allocations, Kind::Latency] {
            let drawn = drawn(&curve(kind, (0..5_000).map(|it| it % 7)));
            let points = drawn.matches(['L', 'H']).count();
            assert!((190..=210).contains(&points), "{points}");
            assert!(drawn.contains("212"), "{drawn}");
        }
    }
}
