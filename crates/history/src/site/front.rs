//! The front page: first what changed and needs a look, then budgets, then all series.

use maud::{Markup, html};
use perf_passport::{
    claim::{Claim, Verdict},
    passport::Passport,
    text::counted,
};

use super::{
    Layout, SiteContent,
    page::shown,
    picture::{SMALL, picture},
};
use crate::{
    events::{Certainty, Event, State, Trend},
    log::Tally,
};

/// Open changes that are shown at once.
const FIRST: usize = 40;

pub(super) fn body(content: &SiteContent<'_>, layout: Layout<'_>) -> Markup {
    let front = Some(layout);
    let (open, decided): (Vec<&Event>, Vec<&Event>) =
        content.events.iter().rev().partition(|it| it.is_open());
    let tally = Tally::of(content.events);
    html! {
        h1 { (content.title()) }
        (head(content))
        h2 { "What changed and needs a look" }
        p {
            (counted(tally.open as u64, "open event")) ", "
            (counted(tally.suspicions as u64, "open suspicion")) "."
            @if tally.suspicions > 0 {
                " A suspicion is not shown to be real: " code { "passport compare" } " shows it."
            }
        }
        @let open = exact_first(open);
        @let (first, more) = open.split_at(open.len().min(FIRST));
        (changes(content, first, front))
        @let folded = [
            (more, counted(more.len() as u64, "more open change")),
            (&decided, format!("{} that somebody accepted", counted(decided.len() as u64, "change"))),
        ];
        @for (events, words) in folded.iter().filter(|(events, _)| !events.is_empty()) {
            @match layout {
                // Each is at its subject below.
                Layout::One => p { (words) ": at the subjects below." },
                Layout::Pages { .. } => details { summary { (words) } (changes(content, events, front)) },
            }
        }
        (budgets(content.newest))
        h2 { "Every figure over commits" }
        @for (name, curves) in content.subjects() {
            h3 { a href=(layout.link(&name)) { (shown(&name)) } }
            div class="tiles" {
                @for curve in curves {
                    @if let Some(drawn) = picture(curve, content.line, SMALL) {
                        figure class="tile" {
                            (drawn)
                            figcaption {
                                (curve.kind()) ": "
                                @match curve.last() {
                                    Some(last) if curve.is_word() => (content.word(last.value)),
                                    Some(last) => (crate::figures::show_number(last.value, curve.kind())),
                                    None => "-",
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn head(content: &SiteContent<'_>) -> Markup {
    let count = content.line.positions.len();
    html! {
        @if let Some(last) = count.checked_sub(1) {
            p class="soft" {
                @if content.by_time {
                    (counted(count as u64, "passport")) ", by the time at which each was measured. The last: "
                } @else {
                    (counted(count as u64, "commit")) ", each the first parent of the next. The last: "
                }
                (content.commit(last))
            }
        }
        @if content.line.shallow {
            p { "The clone is shallow: older commits are missing." }
        }
    }
}

/// Exact changes before suspicions, the latest first.
fn exact_first(mut events: Vec<&Event>) -> Vec<&Event> {
    events.sort_by_key(|it| it.certainty);
    events
}

/// A list of changes, which leads to their subjects; of one subject, where that is named above.
pub(super) fn changes(
    content: &SiteContent<'_>,
    events: &[&Event],
    layout: Option<Layout<'_>>,
) -> Markup {
    html! {
        @if events.is_empty() { p { "Nothing." } }
        // What changed at one commit, together.
        @for together in events.chunk_by(|a, b| (a.from, a.to) == (b.from, b.to)) {
            @if let Some(first) = together.first() {
                p class="at" { (since(content, first)) }
                ul class="changes" { @for event in together { (change(content, event, layout)) } }
            }
        }
    }
}

/// Where it changed: a commit, or a range of which nobody knows which one.
fn since(content: &SiteContent<'_>, event: &Event) -> Markup {
    html! {
        @if event.is_dated() || event.certainty == Certainty::Suspicion { (content.commit(event.to)) }
        @else {
            "one of " (counted((event.to - event.from) as u64, "commit"))
            " after " (content.commit(event.from)) ", up to " (content.commit(event.to))
        }
    }
}

fn change(content: &SiteContent<'_>, event: &Event, layout: Option<Layout<'_>>) -> Markup {
    let (class, word) = match (&event.state, event.certainty) {
        (State::Accepted { .. }, _) => ("accepted", "Accepted"),
        (State::Open, Certainty::Exact) => match event.trend {
            Trend::Worse => ("event", "\u{25b2} More"),
            Trend::Better => ("better", "\u{25bc} Less"),
            Trend::Other => ("event", "\u{25c6} Changed"),
        },
        (State::Open, Certainty::Suspicion) => ("suspicion", "\u{25cc} Suspected"),
    };
    html! {
        li class=(class) {
            strong { (word) } " "
            @if let Some(layout) = layout {
                @let name = content.name_of_event(event);
                a href=(layout.link(&name)) { (shown(&name)) } " "
            }
            (event.key.kind) ": " (content.change(event))
            span class="soft" { " \u{b7} event " code { (event.id) } }
            @if let State::Accepted { why } = &event.state { br; bdi { (shown(why)) } }
        }
    }
}

/// How much of each budget is used, in the newest passport of each contract.
fn budgets(newest: &[Passport]) -> Markup {
    html! {
        h2 { "Budgets" }
        @if newest.is_empty() { p { "No passport is on this line." } }
        @for passport in newest {
            @let name = passport.contract.as_ref().map_or("imported", |it| it.document.name.as_str());
            div class="wide" tabindex="0" role="region" aria-label=(format!("Budgets of {}", shown(name))) {
                table {
                    caption {
                        (shown(name)) ", measured " (passport.timestamp.chars().take(16).collect::<String>())
                        ": " (passport.summary.overall_status)
                    }
                    thead { tr {
                        th scope="col" { "Subject" } th scope="col" { "Claim" }
                        th scope="col" class="number" { "Observed" } th scope="col" class="number" { "Budget" }
                        th scope="col" { "Used" } th scope="col" { "Verdict" }
                    } }
                    tbody {
                        @for (subject, claim) in passport.claims() {
                            @if claim.closeness().is_some() || claim.is_at_fault() {
                                (budget(&subject.to_string(), claim))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn budget(subject: &str, claim: &Claim) -> Markup {
    html! {
        tr {
            th scope="row" { (shown(subject)) }
            td { (claim.kind) @if let Some(metric) = &claim.metric { " " (shown(metric)) } }
            td class="number" { (claim.show_observed()) }
            td class="number" { (claim.show_limit()) }
            td {
                @if let Some(used) = claim.closeness().filter(|it| it.is_finite()) {
                    @let percent = format!("{:.0} %", used * 100.0);
                    meter min="0" max="1" low="0.8" high="0.999" optimum="0" value=(format!("{used:.3}"))
                        aria-label=(format!("{percent} of the budget")) {}
                    " " (percent)
                }
            }
            td {
                @match claim.verdict {
                    Verdict::Pass => "PASS",
                    Verdict::Fail => strong { "FAIL" },
                    Verdict::Abstain => "ABSTAIN",
                }
            }
        }
    }
}
