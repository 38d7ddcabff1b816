//! Any two commits side by side: the figures of all series, and a script that shows what differs.

use maud::{Markup, PreEscaped, html};
use serde::Serialize;

use super::{SiteContent, page::shown};
use crate::{
    curve::Curve,
    figures::Kind,
    log::{day, short},
};

/// What the script reads.
#[derive(Serialize)]
struct Data {
    commits: Vec<String>,
    series: Vec<SeriesData>,
}

/// One series, in short names: there are many.
#[derive(Serialize)]
struct SeriesData {
    /// Name.
    n: String,
    /// Kind.
    k: &'static str,
    /// Unit, after a blank.
    u: &'static str,
    /// Words, where the values are their numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    w: Option<Vec<String>>,
    /// A place and what is measured from there on, and so on.
    v: Vec<Option<i64>>,
}

pub(super) fn body(content: &SiteContent<'_>) -> Markup {
    html! { h1 { "Two commits side by side" } (form(content)) }
}

pub(super) fn section(content: &SiteContent<'_>) -> Markup {
    html! { section id="compare" { h2 { "Two commits side by side" } (form(content)) } }
}

fn form(content: &SiteContent<'_>) -> Markup {
    // A `<` would end the element that holds the data, or begin a comment in it.
    let data = serde_json::to_string(&data(content)).unwrap_or_default().replace('<', "\\u003c");
    html! {
        noscript { p { "To choose commits needs a script. " code { "passport diff" } " does the same of two passports." } }
        form id="choose" hidden {
            p { label for="before" { "Before " } select id="before" {} }
            p { label for="after" { "After " } select id="after" {} }
        }
        p id="told" aria-live="polite" {}
        div class="wide" tabindex="0" role="region" aria-label="Figures that differ" {
            table {
                caption { "Figures that differ" }
                thead { tr {
                    th scope="col" { "Subject" } th scope="col" { "Kind" } th scope="col" { "Before" }
                    th scope="col" { "After" } th scope="col" { "Difference" }
                } }
                tbody id="differences" {}
            }
        }
        script type="application/json" id="data" { (PreEscaped(data)) }
    }
}

fn data(content: &SiteContent<'_>) -> Data {
    let positions = content.line.positions.iter();
    let commits = positions.map(|it| {
        let subject: String = shown(&it.subject).chars().take(60).collect();
        format!("{} {} {subject}", short(&it.commit), day(it))
    });
    let series = content.curves.iter().map(|it| series(content, it));
    Data { commits: commits.collect(), series: series.collect() }
}

fn series(content: &SiteContent<'_>, curve: &Curve) -> SeriesData {
    let mut values = Values::default();
    let mut words: Vec<i64> = Vec::new();
    for point in &curve.points {
        values.add(
            point.place,
            if curve.is_word() {
                let known = words.iter().position(|it| *it == point.value);
                let index = known.unwrap_or_else(|| {
                    words.push(point.value);
                    words.len() - 1
                });
                i64::try_from(index).unwrap_or_default()
            } else {
                in_unit(point.value, curve.kind())
            },
        );
    }
    SeriesData {
        n: shown(&content.name_of(curve)),
        k: curve.kind().name(),
        u: match curve.kind() {
            Kind::AllocatedBytes | Kind::HeapPeak => " B",
            Kind::Latency => " ns",
            Kind::InstructionsRatio | Kind::LatencyRatio | Kind::ErrorShare | Kind::SlowShare => {
                " ppm"
            }
            Kind::Response | Kind::Allocations | Kind::GrowthClass => "",
        },
        w: curve.is_word().then(|| words.iter().map(|it| content.word(*it)).collect()),
        v: values.pairs,
    }
}

/// The values of places, of which those are left out that say what the one before says.
#[derive(Default)]
struct Values {
    pairs: Vec<Option<i64>>,
    /// The place after the last, and its value.
    next: usize,
    last: Option<i64>,
}

impl Values {
    /// Adds the value of a place after those before.
    fn add(&mut self, place: usize, value: i64) {
        if place > self.next {
            self.push(self.next, None);
        }
        self.push(place, Some(value));
        self.next = place + 1;
    }

    fn push(&mut self, place: usize, value: Option<i64>) {
        if self.last != value {
            self.pairs.extend([i64::try_from(place).ok(), value]);
            self.last = value;
        }
    }
}

/// A time in nanoseconds: a script has no larger integers than 2^53, and no reader wants picoseconds.
const fn in_unit(value: i64, kind: Kind) -> i64 {
    if matches!(kind, Kind::Latency) { value / 1000 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_where_they_change_and_where_nothing_was_measured() {
        let mut values = Values::default();
        for (place, value) in [(2, 7), (3, 7), (4, 8), (6, 8), (9, 1)] {
            values.add(place, value);
        }
        let expected =
            [(2, Some(7)), (4, Some(8)), (5, None), (6, Some(8)), (7, None), (9, Some(1))];
        let expected = expected.into_iter().flat_map(|(place, value)| [Some(place), value]);
        assert_eq!(values.pairs, expected.collect::<Vec<_>>());
    }
}
