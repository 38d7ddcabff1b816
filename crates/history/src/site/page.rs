//! The frame of a page: its head with the policy of what it may load, its ways, and text from outside.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use perf_passport::text::base64;
use sha2::{Digest, Sha256};

/// The style of every page.
pub(super) const STYLE: &str = include_str!("style.css");

/// The script of the page that holds two commits side by side.
pub(super) const SCRIPT: &str = include_str!("compare.js");

/// A page.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    /// Where the front page is from here; none on a page that has all.
    pub(super) ways: &'a [(&'a str, String)],
    /// Whether the page has the script.
    pub(super) script: bool,
    pub(super) body: Markup,
}

impl Page<'_> {
    pub(super) fn render(&self) -> Vec<u8> {
        let script = if self.script { hash_of(SCRIPT) } else { "'none'".to_owned() };
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {script}; base-uri 'none'; form-action 'none'",
            hash_of(STYLE)
        );
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a class="skip" href="#main" { "Skip to the content" }
                    @if !self.ways.is_empty() {
                        nav aria-label="Pages" { ul {
                            @for (name, to) in self.ways { li { a href=(to) { (name) } } }
                        } }
                    }
                    main id="main" { (self.body) }
                    @if self.script { script { (PreEscaped(SCRIPT)) } }
                }
            }
        };
        page.into_string().into_bytes()
    }
}

/// What a policy allows by its digest.
fn hash_of(text: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(text.as_bytes())))
}

/// Text from outside without what is not seen: controls, and marks that turn the direction of text around.
pub(super) fn shown(text: &str) -> String {
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if unseen(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_escaped_and_letters_stay() {
        assert_eq!(shown("caf\u{e9} <b>"), "caf\u{e9} <b>");
        assert_eq!(shown("a\u{202e}b\n\u{200b}"), "a\\u{202e}b\\u{a}\\u{200b}");
    }
}
