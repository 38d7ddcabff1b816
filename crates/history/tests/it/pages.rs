//! Pages: their policy, text from outside, and that all links lead somewhere.

use std::collections::BTreeSet;

use perf_passport_history::{
    gathered::Gathered,
    site::{SiteFile, SitePicture, pages, single_page},
};

use crate::opened::{Fixture, commit};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)> \u{202e}gnp.exe & \"quoted\" 'it'";

fn history() -> Fixture {
    let mut fixture = Fixture::new();
    for place in 0..6_u64 {
        fixture.repository.write("code", &place.to_string());
        fixture.repository.commit(HOSTILE);
        let mut made = fixture.made(10 + place / 3, place / 2);
        made.subjects[0].ns = 1_000_000 * (place + 1);
        fixture.store().keep(&made.passport()).unwrap();
    }
    fixture
}

fn text(file: &SiteFile) -> String {
    String::from_utf8(file.bytes.clone()).unwrap()
}

#[test]
fn pages_have_a_policy_escape_what_is_from_outside_and_lead_to_each_other() {
    let fixture = history();
    let (mut history, _) = fixture.open();
    let gathered = Gathered::of(&mut history).unwrap();
    let graph = |subject: &str, place| SitePicture {
        subject: subject.to_owned(),
        path: format!("evidence/{subject}.svg").replace("cart/", "cart+"),
        place,
        svg: Vec::new(),
    };
    let graphs =
        vec![graph("cart/default", Some(3)), graph("cart/default", None), graph("x", None)];
    let content = gathered.content(Some(graphs));
    let files = pages(&content);
    let paths: BTreeSet<&str> = files.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths.len(), files.len());
    assert!(paths.contains("index.html") && paths.contains("compare.html") && paths.len() == 4);
    for file in &files {
        let page = text(file);
        assert!(page.contains("default-src 'none'; style-src 'sha256-"), "{}", file.path);
        let scripts = if file.path == "compare.html" { 2 } else { 0 };
        assert_eq!(page.matches("<script").count(), scripts, "{}", file.path);
        assert_eq!(page.matches("</script").count(), scripts, "{}", file.path);
        assert!(!page.contains("<img") && !page.contains('\u{202e}'), "{}", file.path);
        assert!(
            !page.contains("style=") && !page.contains("http://") && !page.contains("https://")
        );
        for link in page.split("href=\"").skip(1).map(|it| it.split('"').next().unwrap()) {
            let link = match file.path.rsplit_once('/') {
                Some(_) => link.strip_prefix("../").unwrap_or(link),
                None => link,
            };
            let evidence = link.starts_with("evidence/");
            assert!(link.starts_with('#') || evidence || paths.contains(link), "{link}");
        }
    }
    let front = text(files.iter().find(|it| it.path == "index.html").unwrap());
    let (look, budgets) = (front.find("needs a look").unwrap(), front.find("Budgets").unwrap());
    assert!(look < budgets && front.contains("10 -&gt; 11 (+1)"), "{front}");
    assert_eq!(content.evidence.len(), 6);
    // The flame graphs of a subject are on its own page.
    let drawn =
        files.iter().filter(|it| text(it).contains("href=\"../evidence/cart+default.svg\""));
    let drawn: Vec<String> = drawn.map(text).collect();
    assert_eq!(drawn.len(), 1);
    assert!(
        drawn[0].contains("What got worse, by instructions") && drawn[0].contains("drew it last")
    );
    assert_eq!(drawn[0].matches("Figures of the last commits").count(), 1);
    let page = String::from_utf8(single_page(&content)).unwrap();
    assert!(page.contains("10 -&gt; 11 (+1)") && page.contains("id=\"compare\""));
    assert!(!page.contains("<img") && !page.contains('\u{202e}'));
    for link in page.split("href=\"#").skip(1).map(|it| it.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
    }
}

#[test]
fn passports_in_no_history_are_shown_by_their_time_and_one_alone_too() {
    let mut fixture = Fixture::new();
    commit(&fixture.repository, "code", "1");
    let mut passports: Vec<_> = [10, 10, 12].map(|it| fixture.made(it, 1).passport()).into();
    passports.push(passports[0].clone());
    passports.reverse();
    let gathered = Gathered::of_passports(passports.clone()).unwrap();
    let page = String::from_utf8(single_page(&gathered.content(None))).unwrap();
    assert!(
        page.contains("3 passports, by the time") && page.contains("10 -&gt; 12 (+2)"),
        "{page}"
    );
    let gathered = Gathered::of_passports(passports[..1].to_vec()).unwrap();
    let page = String::from_utf8(single_page(&gathered.content(None))).unwrap();
    assert!(page.contains("0 open events") && page.contains("1 passport, by the time"), "{page}");
}
