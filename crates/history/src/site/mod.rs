//! Static pages: what changed and needs a look, budgets, small multiples, a page for each subject, and any
//! two commits side by side.
//!
//! [`pages`] makes all of it as bytes: no server, and no request to anywhere. A policy in each page allows
//! its own style, and the script of one page, by their digests. Text from outside is escaped.

mod compare;
mod front;
mod page;
mod picture;
mod subject;

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use perf_passport::{passport::Passport, text::hex};
use sha2::{Digest, Sha256};

use self::page::{Page, shown};
use crate::{
    curve::Curve,
    events::{Event, show_change},
    git::Line,
    index::IndexedPassport,
};

/// What pages are made of.
#[derive(Debug)]
pub struct SiteContent<'a> {
    /// The line of commits, or of passports where there is no history.
    pub line: &'a Line,
    /// Whether its places are passports by their time, and not commits.
    pub by_time: bool,
    /// Every series.
    pub curves: Vec<Curve>,
    /// Every event, by place.
    pub events: &'a [Event],
    /// The words of events, tracks and responses, by their number.
    pub words: &'a BTreeMap<i64, String>,
    /// The newest passport of each contract: its budgets are shown.
    pub newest: &'a [Passport],
    /// Passports that are beside the pages, with their places.
    pub evidence: Vec<(usize, &'a IndexedPassport)>,
    /// Flame graphs that are beside the pages.
    pub graphs: Vec<SitePicture>,
}

/// A file of the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFile {
    /// Its path below the directory, of plain names.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A picture that is beside the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SitePicture {
    /// The subject, as its series has it.
    pub subject: String,
    /// Its path below the directory of the pages.
    pub path: String,
    /// The place whose passport it belongs to; none where nobody knows.
    pub place: Option<usize>,
    /// The picture.
    pub svg: Vec<u8>,
}

/// How pages lead to each other.
#[derive(Clone, Copy)]
enum Layout<'a> {
    /// Each subject has its own. `up` leads to the directory of all.
    Pages { up: &'a str },
    /// All is in one.
    One,
}

impl Layout<'_> {
    fn link(self, subject: &str) -> String {
        match self {
            Self::Pages { up } => format!("{up}{}", path_of(subject)),
            Self::One => format!("#{}", id_of(subject)),
        }
    }
}

/// The pages, the front page first.
pub fn pages(content: &SiteContent<'_>) -> Vec<SiteFile> {
    let ways = |up: &str| {
        [("What changed", format!("{up}index.html")), ("Two commits", format!("{up}compare.html"))]
    };
    let file =
        |path: &str, page: Page<'_>| SiteFile { path: path.to_owned(), bytes: page.render() };
    let (here, below) = (ways(""), ways("../"));
    let front = front::body(content, Layout::Pages { up: "" });
    let compare = compare::body(content);
    let (title, side_by_side) = (content.title(), "Two commits side by side");
    let front = Page { title: &title, ways: &here, script: false, body: front };
    let compare = Page { title: side_by_side, ways: &here, script: true, body: compare };
    let mut files = vec![file("index.html", front), file("compare.html", compare)];
    for (name, curves) in content.subjects() {
        let title = shown(&name);
        let body = subject::body(content, &name, &curves);
        let page = Page { title: &title, ways: &below, script: false, body };
        files.push(SiteFile { path: path_of(&name), bytes: page.render() });
    }
    files
}

/// All of it in one page.
pub fn single_page(content: &SiteContent<'_>) -> Vec<u8> {
    let body = html! {
        (front::body(content, Layout::One))
        @for (name, curves) in content.subjects() {
            section id=(id_of(&name)) { (subject::section(content, &name, &curves, Layout::One)) }
        }
        (compare::section(content))
    };
    let ways = [("What changed", "#main".to_owned()), ("Two commits", "#compare".to_owned())];
    Page { title: &content.title(), ways: &ways, script: true, body }.render()
}

impl SiteContent<'_> {
    /// What the pages are about.
    fn title(&self) -> String {
        let contracts: BTreeSet<&str> =
            self.curves.iter().map(|it| it.key.contract.as_str()).collect();
        let names: Vec<String> = contracts.into_iter().map(shown).collect();
        match names.as_slice() {
            [] => "Performance history".to_owned(),
            names => format!("Performance history of {}", names.join(", ")),
        }
    }

    /// The subjects with their curves, by name; those of several contracts with the contract's.
    fn subjects(&self) -> BTreeMap<String, Vec<&Curve>> {
        let mut subjects: BTreeMap<String, Vec<&Curve>> = BTreeMap::new();
        for curve in &self.curves {
            subjects.entry(self.name_of(curve)).or_default().push(curve);
        }
        subjects
    }

    fn name_of(&self, curve: &Curve) -> String {
        let first = self.curves.first().map(|it| &it.key.contract);
        let alone = self.curves.iter().all(|it| Some(&it.key.contract) == first);
        if alone {
            return curve.key.subject.clone();
        }
        format!("{}: {}", curve.key.contract, curve.key.subject)
    }

    fn name_of_event(&self, event: &Event) -> String {
        let of = self.curves.iter().find(|it| it.key == event.key);
        of.map_or_else(|| event.key.subject.clone(), |it| self.name_of(it))
    }

    fn change(&self, event: &Event) -> String {
        show_change(event, |id| self.word(id))
    }

    fn word(&self, id: i64) -> String {
        self.words.get(&id).map_or_else(|| "?".to_owned(), |it| shown(it))
    }

    /// The commit of a place, with its day and what it says of itself.
    fn commit(&self, place: usize) -> Markup {
        let position = &self.line.positions[place];
        html! {
            @if !position.commit.is_empty() { code { (crate::log::short(&position.commit)) } " " }
            (crate::log::day(position)) " "
            bdi { (shown(&position.subject)) }
        }
    }
}

/// A plain name of its own for a subject.
fn id_of(subject: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = subject.chars().map(plain).take(40).collect();
    let digest = hex(&Sha256::digest(subject.as_bytes()));
    format!("s-{slug}-{}", &digest[..8])
}

fn path_of(subject: &str) -> String {
    format!("subject/{}.html", id_of(subject))
}

/// The path of a passport that is kept beside the pages.
pub fn evidence_path(passport: &IndexedPassport) -> String {
    format!("evidence/{}.json", passport.hash)
}
