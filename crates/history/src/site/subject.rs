//! The page of a subject: each of its figures, its changes, and what was measured last.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{
    SiteContent, evidence_path,
    front::changes,
    page::shown,
    picture::{LARGE, picture},
};
use crate::{
    curve::{Curve, CurvePoint},
    events::Event,
    figures::show_number,
};

/// Points that are listed.
const LISTED: usize = 12;

pub(super) fn body(content: &SiteContent<'_>, name: &str, curves: &[&Curve], up: &str) -> Markup {
    html! { h1 { (shown(name)) } (section(content, name, curves, Some(up))) }
}

/// `up` leads to the directory of the pages; none where all is in one.
pub(super) fn section(
    content: &SiteContent<'_>,
    name: &str,
    curves: &[&Curve],
    up: Option<&str>,
) -> Markup {
    let of_subject = |it: &&Event| curves.iter().any(|curve| curve.key == it.key);
    let events: Vec<&Event> = content.events.iter().rev().filter(of_subject).collect();
    html! {
        @if up.is_none() { h2 { (shown(name)) } }
        @for curve in curves {
            (heading(up, curve.kind()))
            @if let Some(drawn) = picture(curve, content.line, LARGE) { (drawn) }
            @if !curve.epochs.is_empty() {
                p class="soft" { "A dashed line is the end of an epoch: machine, toolchain or anchor are others." }
            }
            (listed(content, curve, up))
            (epochs(content, curve))
        }
        (heading(up, "Changes"))
        (changes(content, &events, &|_| "#main".to_owned()))
    }
}

/// Below the title of an own page, or below the subject where all is on one.
fn heading(up: Option<&str>, words: impl std::fmt::Display) -> Markup {
    html! { @if up.is_some() { h2 { (words) } } @else { h3 { (words) } } }
}

fn listed(content: &SiteContent<'_>, curve: &Curve, up: Option<&str>) -> Markup {
    let last: Vec<&CurvePoint> = curve.points.iter().rev().take(LISTED).collect();
    html! {
        details {
            summary { "The last " (last.len()) " of " (curve.points.len()) " measured commits: " (curve.kind()) }
            div class="wide" tabindex="0" role="region" aria-label=(format!("{} of the last commits", curve.kind())) {
                table {
                    thead { tr {
                        th scope="col" { "Commit" } th scope="col" class="number" { "Figure" }
                        @if !content.evidence.is_empty() { th scope="col" { "Passports" } }
                    } }
                    tbody { @for point in last {
                        tr {
                            th scope="row" { (content.commit(point.place)) }
                            td class="number" {
                                @if curve.is_word() { (content.word(point.value)) }
                                @else { (show_number(point.value, curve.kind())) }
                            }
                            @if let (Some(up), false) = (up, content.evidence.is_empty()) {
                                td {
                                    @for (_, passport) in
                                        content.evidence.iter().filter(|(place, _)| *place == point.place)
                                    {
                                        a href=(format!("{up}{}", evidence_path(passport))) {
                                            (&passport.hash[..8])
                                        } " "
                                    }
                                }
                            }
                        }
                    } }
                }
            }
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
