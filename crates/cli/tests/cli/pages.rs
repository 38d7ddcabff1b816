//! The pages in Chromium: by keyboard, in the dark, in print, on a narrow screen, and by their policy.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::json;

use crate::history::History;
use perf_passport_test_support::{
    browser::{ARROW_UP, Browser, ENTER, TAB},
    program::assert_says,
};

/// The least contrast of text that WCAG 2.2 (1.4.3, AA) asks for.
const CONTRAST_MIN: f64 = 4.5;

/// The contrast of the text of elements against the background of the page, the least of all.
const CONTRAST: &str = r#"
function luminance(colour) {
  const parts = colour.match(/[\d.]+/g).slice(0, 3).map(it => it / 255);
  const linear = parts.map(it => it <= 0.04045 ? it / 12.92 : Math.pow((it + 0.055) / 1.055, 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}
const back = luminance(getComputedStyle(document.body).backgroundColor);
let least = 21;
for (const it of document.querySelectorAll("p, a, li, strong, .soft, th, td, caption, h1, h2, h3, svg text")) {
  const style = getComputedStyle(it);
  const text = luminance(it.tagName === "text" ? style.fill : style.color);
  least = Math.min(least, (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05));
}
return [back, least];
"#;

/// What has the focus: its words, and whether it is seen and marked.
const FOCUS: &str = r#"
const it = document.activeElement, box = it.getBoundingClientRect(), style = getComputedStyle(it);
return {
  tag: it.tagName, href: it.getAttribute("href"), words: it.textContent.trim().slice(0, 60),
  seen: box.left >= 0 && box.right <= innerWidth + 1 && box.width > 0 && box.height > 0,
  marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1,
};
"#;

#[test]
fn pages_are_read_by_keyboard_in_the_dark_in_print_and_on_a_narrow_screen() {
    let Some(browser) = Browser::start() else { return };
    let history = History::of_a_change();
    history.run(&["report", "--with-evidence"]).exits(0);
    history.run(&["report", "--single-file", "-o", "one.html"]).exits(0);
    history.run(&["report", "a.json", "-o", "passport.html"]).exits(0);
    let directory = history.repository.path();
    let subject = fs::read_dir(directory.join("site/subject")).unwrap().next().unwrap();
    let subject = subject.unwrap().path();
    let site = |name: &str| directory.join("site").join(name);
    let pages =
        [site("index.html"), site("compare.html"), subject.clone(), directory.join("one.html")];
    let url = |path: &Path| format!("file://{}", path.display());

    by_keyboard(&browser, &url(&site("index.html")), &url(&subject));
    two_commits(&browser, &url(&site("compare.html")));
    for page in pages.iter().chain([&directory.join("passport.html")]) {
        browser.open(&url(page));
        assert_eq!(browser.console(), Vec::<String>::new(), "{}", page.display());
        in_the_dark(&browser);
        in_print(&browser);
        on_a_narrow_screen(&browser, page);
    }
    // Who follows a link within the one page is led to the subject, though what is far off is not drawn.
    browser.open(&url(&directory.join("one.html")));
    let link =
        "const link = document.querySelector('h3 a'); link.click(); return link.hash.slice(1)";
    let id = browser.script(link);
    let top = format!("return document.getElementById({id}).getBoundingClientRect().top");
    let top = browser.script(&top).as_f64().unwrap();
    assert!((-1.0..700.0).contains(&top), "{top}");
}

/// Each link and each table that scrolls is reached by Tab, in the order of the page, and is seen to be.
fn by_keyboard(browser: &Browser, front: &str, subject: &str) {
    browser.open(front);
    let wanted = "return document.querySelectorAll(\
                  'a[href], summary, select, [tabindex=\"0\"]').length";
    let wanted = browser.script(wanted).as_u64().unwrap();
    assert!(wanted >= 6, "{wanted}");
    let mut reached = BTreeSet::new();
    for number in 0..wanted {
        browser.press(TAB);
        let focus = browser.script(FOCUS);
        assert!(focus["seen"] == true && focus["marked"] == true, "{focus}");
        if number == 0 {
            assert_eq!(focus["href"], "#main", "{focus}");
        }
        let at = "return [...document.querySelectorAll('*')].indexOf(document.activeElement)";
        reached.insert(browser.script(at).as_i64().unwrap());
        let last = *reached.last().unwrap();
        assert_eq!(browser.script(at), last, "{focus} is before what was reached");
    }
    assert_eq!(reached.len() as u64, wanted);
    // Past the links of the page to its content, and from there to the subject.
    browser.open(front);
    browser.press(TAB);
    browser.press(ENTER);
    assert_eq!(browser.script("return location.hash"), "#main");
    let focus = "document.querySelector('main a[href^=\"subject/\"]').focus()";
    browser.script(focus);
    browser.press(ENTER);
    assert_eq!(browser.script("return location.href"), subject);
    let summary = "document.querySelector('summary').focus()";
    browser.script(summary);
    browser.press(ENTER);
    assert_eq!(browser.script("return document.querySelector('details').open"), true);
}

/// Two commits are chosen by keyboard, and what differs is told.
fn two_commits(browser: &Browser, page: &str) {
    browser.open(page);
    let told = "return document.getElementById('told').textContent";
    assert_says(browser.script(told).as_str().unwrap(), "2 of ");
    let rows = "return document.getElementById('differences').innerText";
    let differences = browser.script(rows);
    assert_says(differences.as_str().unwrap(), "+40.00 %");
    browser.script("document.getElementById('before').focus()");
    browser.press(ARROW_UP);
    assert_says(browser.script(told).as_str().unwrap(), "0 of ");
}

fn in_the_dark(browser: &Browser) {
    for (scheme, is_dark) in [("light", false), ("dark", true)] {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        browser.command("Emulation.setEmulatedMedia", &json!({ "features": features }));
        let found = browser.script(CONTRAST);
        let (back, least) = (found[0].as_f64().unwrap(), found[1].as_f64().unwrap());
        assert_eq!(back < 0.1, is_dark, "{scheme}: {back}");
        assert!(least >= CONTRAST_MIN, "{scheme}: {least}");
    }
    browser.command("Emulation.setEmulatedMedia", &json!({ "features": [] }));
}

/// On paper nobody can follow a way or choose, and everything is there.
fn in_print(browser: &Browser) {
    browser.command("Emulation.setEmulatedMedia", &json!({ "media": "print" }));
    let left = "return [...document.querySelectorAll('nav, form, .skip')]\
                .filter(it => getComputedStyle(it).display !== 'none').length";
    assert_eq!(browser.script(left), 0);
    let hidden = "return [...document.querySelectorAll('main *')]\
                  .filter(it => getComputedStyle(it).contentVisibility === 'auto').length";
    assert_eq!(browser.script(hidden), 0);
    let pdf = browser.command("Page.printToPDF", &json!({}));
    assert!(pdf["data"].as_str().is_some_and(|it| it.len() > 5_000));
    browser.command("Emulation.setEmulatedMedia", &json!({ "media": "" }));
}

/// The page itself does not scroll sideways: only what is in a frame of its own does.
fn on_a_narrow_screen(browser: &Browser, page: &Path) {
    let narrow = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": true });
    browser.command("Emulation.setDeviceMetricsOverride", &narrow);
    let wide = browser.script("return document.scrollingElement.scrollWidth").as_u64().unwrap();
    browser.command("Emulation.clearDeviceMetricsOverride", &json!({}));
    assert!(wide <= 320, "{}: {wide} pixels", page.display());
}
