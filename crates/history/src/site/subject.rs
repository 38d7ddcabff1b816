//! The page of a subject: each of its figures, its changes, and what was measured last.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{
    Layout, SiteContent, evidence_path,
    front::changes,
    page::shown,
    picture::{LARGE, picture},
};
use crate::{curve::Curve, events::Event, figures::show_number};

/// Commits that are listed.
const LISTED: usize = 12;

/// The page of a subject, in the directory below that of the front page.
pub(super) fn body(content: &SiteContent<'_>, name: &str, curves: &[&Curve]) -> Markup {
    let layout = Layout::Pages { up: "../" };
    html! { h1 { (shown(name)) } (section(content, name, curves, layout)) }
}

pub(super) fn section(
    content: &SiteContent<'_>,
    name: &str,
    curves: &[&Curve],
    layout: Layout<'_>,
) -> Markup {
    let of_subject = |it: &&Event| curves.iter().any(|curve| curve.key == it.key);
    let events: Vec<&Event> = content.events.iter().rev().filter(of_subject).collect();
    html! {
        @if matches!(layout, Layout::One) { h2 { (shown(name)) } }
        @for curve in curves {
            (heading(layout, curve.kind()))
            @if let Some(drawn) = picture(curve, content.line, LARGE) { (drawn) }
            @if !curve.epochs.is_empty() {
                p class="soft" { "A dashed line is the end of an epoch: machine, toolchain or anchor are others." }
            }
            (epochs(content, curve))
        }
        (listed(content, curves, layout))
        (flame_graphs(content, curves, layout))
        (heading(layout, "Changes"))
        (changes(content, &events, None))
    }
}

/// Below the title of an own page, or below the subject where all is on one.
fn heading(layout: Layout<'_>, words: impl std::fmt::Display) -> Markup {
    html! {
        @match layout {
            Layout::Pages { .. } => h2 { (words) },
            Layout::One => h3 { (words) },
        }
    }
}

/// All figures of the last commits of which any was measured.
fn listed(content: &SiteContent<'_>, curves: &[&Curve], layout: Layout<'_>) -> Markup {
    let places: BTreeSet<usize> =
        curves.iter().flat_map(|it| &it.points).map(|it| it.place).collect();
    let up = match layout {
        Layout::Pages { up } if !content.evidence.is_empty() => Some(up),
        Layout::Pages { .. } | Layout::One => None,
    };
    html! {
        details {
            summary { "The last " (places.len().min(LISTED)) " of " (places.len()) " measured commits" }
            div class="wide" tabindex="0" role="region" aria-label="Figures of the last commits" {
                table {
                    thead { tr {
                        th scope="col" { "Commit" }
                        @for curve in curves { th scope="col" class="number" { (curve.kind()) } }
                        @if up.is_some() { th scope="col" { "Passports" } }
                    } }
                    tbody { @for place in places.iter().rev().take(LISTED) {
                        tr {
                            th scope="row" { (content.commit(*place)) }
                            @for curve in curves { td class="number" { (figure(content, curve, *place)) } }
                            @if let Some(up) = up { td { (passports(content, *place, up)) } }
                        }
                    } }
                }
            }
        }
    }
}

/// What was measured at a place.
fn figure(content: &SiteContent<'_>, curve: &Curve, place: usize) -> String {
    let at = curve.points.binary_search_by_key(&place, |it| it.place);
    match at.ok().map(|at| curve.points[at].value) {
        None => "-".to_owned(),
        Some(value) if curve.is_word() => content.word(value),
        Some(value) => show_number(value, curve.kind()),
    }
}

fn passports(content: &SiteContent<'_>, place: usize, up: &str) -> Markup {
    html! {
        @for (_, passport) in content.evidence.iter().filter(|(it, _)| *it == place) {
            a href=(format!("{up}{}", evidence_path(passport))) { (&passport.hash[..8]) } " "
        }
    }
}

/// The flame graphs of a subject.
fn flame_graphs(content: &SiteContent<'_>, curves: &[&Curve], layout: Layout<'_>) -> Markup {
    let is_of = |subject: &str| curves.iter().any(|it| it.key.subject == subject);
    let mut graphs: Vec<_> = content.graphs.iter().filter(|it| is_of(&it.subject)).collect();
    graphs.sort_by_key(|it| std::cmp::Reverse(it.place));
    html! {
        @if let (Layout::Pages { up }, false) = (layout, graphs.is_empty()) {
            (heading(layout, "Flame graphs"))
            ul { @for graph in graphs {
                li {
                    a href=(format!("{up}{}", graph.path)) {
                        @match graph.place {
                            Some(place) => {
                                "What got worse, by instructions: " (content.commit(place))
                            }
                            None => "As `passport profile` drew it last: its title says of which build",
                        }
                    }
                }
            } }
        }
    }
}

/// What the epochs of a curve are, where there are several.
fn epochs(content: &SiteContent<'_>, curve: &Curve) -> Markup {
    let tracks: BTreeSet<i64> = curve.points.iter().map(|it| it.track).collect();
    html! {
        @if tracks.len() > 1 {
            details {
                summary { "Machines, toolchains and anchors: " (tracks.len()) }
                ul { @for track in tracks { li { (content.word(track)) } } }
            }
        }
    }
}
