//! Propositional formulas as text: how the fixture writes them and how the ledger spells them.
//!
//! Atoms are `p1, p2, ...`; `~` binds tightest; `&`, `|` and `->` are written between parentheses.
//! [`normalize`] gives the spelling whose SHA-256 is the statement's hash, [`InWords`] the one a
//! person reads. Nothing here parses or proves.

use std::fmt::{self, Write};

use rand_chacha::rand_core::RngCore;

/// Connectives, as they are written.
const CONNECTIVES: [&str; 4] = ["->", "->", "&", "|"];

/// Appends the formula of statement `id` to `out`, and its normalised spelling to `normalized`.
///
/// The formula holds the atom `p{id}` and otherwise only atoms of lower numbers. So no two
/// statements of one fixture are the same formula.
pub(super) fn write_random(
    id: u64,
    random: &mut impl RngCore,
    out: &mut String,
    normalized: &mut String,
) {
    let start = out.len();
    write_atom(id, random, out);
    for _ in 0..=below(random, 3) {
        write_connective(random, out);
        write_term(id, random, out);
    }
    normalize(&out[start..], normalized);
}

/// Appends `text` without its spaces.
pub(super) fn normalize(text: &str, out: &mut String) {
    out.extend(text.split(' '));
}

/// A number below `bound`, which is at most 2^32. The bias is below 2^-11 for a million.
pub(super) fn below(random: &mut impl RngCore, bound: u64) -> u64 {
    (u64::from(random.next_u32()) * bound) >> 32
}

fn write_term(id: u64, random: &mut impl RngCore, out: &mut String) {
    let other = 1 + below(random, id);
    if below(random, 2) == 0 {
        write_atom(other, random, out);
        return;
    }
    out.push('(');
    write_atom(other, random, out);
    write_connective(random, out);
    write_atom(1 + below(random, id), random, out);
    out.push(')');
}

fn write_atom(number: u64, random: &mut impl RngCore, out: &mut String) {
    let sign = if below(random, 4) == 0 { "~" } else { "" };
    write!(out, "{sign}p{number}").expect("writing to a string cannot fail");
}

fn write_connective(random: &mut impl RngCore, out: &mut String) {
    let index = usize::try_from(below(random, 4)).unwrap_or(0);
    out.extend([" ", CONNECTIVES[index], " "]);
}

/// Shows a formula in words: `p2 -> ~p1` as `p2 implies not p1`.
#[derive(Debug, Clone, Copy)]
pub(super) struct InWords<'a>(pub(super) &'a str);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['~', '&', '|', '-']) {
            f.write_str(&rest[..at])?;
            let symbols = [("~", "not "), ("&", "and"), ("|", "or"), ("->", "implies")];
            let found = symbols
                .iter()
                .find_map(|(symbol, word)| Some((rest[at..].strip_prefix(symbol)?, *word)));
            // A dash that is not an arrow is shown as it is; all these symbols are one byte.
            let (after, word) = found.unwrap_or((&rest[at + 1..], &rest[at..=at]));
            f.write_str(word)?;
            rest = after;
        }
        f.write_str(rest)
    }
}

impl serde::Serialize for InWords<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    #[test]
    fn formulas_are_shown_in_words_and_other_text_is_kept() {
        for (text, words) in [
            ("p2 -> (~p1 & p2)", "p2 implies (not p1 and p2)"),
            ("p1|p2", "p1orp2"),
            ("a - b -", "a - b -"),
            ("\u{e9} ~\u{e9}", "\u{e9} not \u{e9}"),
            ("", ""),
        ] {
            assert_eq!(InWords(text).to_string(), words);
        }
    }

    #[test]
    fn a_formula_holds_its_own_atom_first_and_only_lower_ones_after() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for id in 1..500_u64 {
            let (mut text, mut normalized) = (String::new(), String::new());
            write_random(id, &mut random, &mut text, &mut normalized);
            assert!(text.trim_start_matches('~').starts_with(&format!("p{id} ")), "{text}");
            let atoms = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
            assert!(atoms.map(|atom| atom.parse::<u64>().unwrap()).all(|atom| atom <= id));
            assert_eq!(text.replace(' ', ""), normalized);
        }
    }
}
