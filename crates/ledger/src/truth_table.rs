//! Deciding formulas by their truth tables: whether one holds for every choice of its atoms.
//!
//! [`Formula`] is parsed strictly. `~` binds tightest, then `&`, `|` and `->`; the last takes what
//! stands right of it first. What has too many atoms is not decided: [`Verdict::Abstained`]. So each
//! decision takes at most about a million steps.

use std::collections::BTreeSet;

/// Atoms at most: 4,096 rows.
pub(super) const ATOMS_MAX: usize = 12;
/// Atoms and connectives of one formula at most.
const STEPS_MAX: usize = 1_000;
/// Parentheses and signs inside of each other at most.
const DEPTH_MAX: usize = 100;

/// What a truth table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// True in every row.
    Proved,
    /// False in some row.
    Refuted,
    /// Too many rows to look at.
    Abstained,
}

/// The text is not a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAFormula;

/// A formula, as the steps of a stack machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Formula(Vec<Step>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Atom(u64),
    Not,
    And,
    Or,
    Implies,
}

impl Verdict {
    /// `proved`, `refuted` or `abstained`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Refuted => "refuted",
            Self::Abstained => "abstained",
        }
    }
}

impl Formula {
    /// The formula that `text` spells.
    pub(super) fn parse(text: &str) -> Result<Self, NotAFormula> {
        let mut parser = Parser { rest: text, steps: Vec::new(), depth: 0 };
        parser.implication()?;
        if parser.rest.trim_start_matches(' ').is_empty() {
            Ok(Self(parser.steps))
        } else {
            Err(NotAFormula)
        }
    }

    /// `self -> then`.
    pub(super) fn implies(&self, then: &Self) -> Self {
        Self([&self.0[..], &then.0[..], &[Step::Implies]].concat())
    }

    /// Whether it is true whatever its atoms are.
    ///
    /// PERF: 64 rows at a time, one in each bit of a word.
    pub(super) fn decide(&self) -> Verdict {
        let atoms: BTreeSet<u64> = self
            .0
            .iter()
            .filter_map(|step| if let Step::Atom(number) = step { Some(*number) } else { None })
            .collect();
        if atoms.len() > ATOMS_MAX {
            return Verdict::Abstained;
        }
        let atoms: Vec<u64> = atoms.into_iter().collect();
        let mut stack = Vec::with_capacity(self.0.len());
        for block in 0..1_u64 << atoms.len().saturating_sub(6) {
            if self.of_block(&atoms, block, &mut stack) != u64::MAX {
                return Verdict::Refuted;
            }
        }
        Verdict::Proved
    }

    /// The 64 rows of one block. Below six atoms they repeat, which changes nothing.
    fn of_block(&self, atoms: &[u64], block: u64, stack: &mut Vec<u64>) -> u64 {
        stack.clear();
        for step in &self.0 {
            let value = match step {
                Step::Atom(number) => {
                    let place = atoms.binary_search(number).unwrap_or(0);
                    match LOWEST.get(place) {
                        Some(pattern) => *pattern,
                        None if block >> (place - LOWEST.len()) & 1 == 1 => u64::MAX,
                        None => 0,
                    }
                }
                Step::Not => !stack.pop().unwrap_or(0),
                Step::And | Step::Or | Step::Implies => {
                    let (right, left) = (stack.pop().unwrap_or(0), stack.pop().unwrap_or(0));
                    match step {
                        Step::And => left & right,
                        Step::Or => left | right,
                        _ => !left | right,
                    }
                }
            };
            stack.push(value);
        }
        stack.pop().unwrap_or(0)
    }
}

/// The first six atoms over 64 rows: bit `r` of number `n` is bit `n` of `r`.
const LOWEST: [u64; 6] = [
    0xAAAA_AAAA_AAAA_AAAA,
    0xCCCC_CCCC_CCCC_CCCC,
    0xF0F0_F0F0_F0F0_F0F0,
    0xFF00_FF00_FF00_FF00,
    0xFFFF_0000_FFFF_0000,
    0xFFFF_FFFF_0000_0000,
];

struct Parser<'a> {
    rest: &'a str,
    steps: Vec<Step>,
    depth: usize,
}

impl Parser<'_> {
    fn implication(&mut self) -> Result<(), NotAFormula> {
        self.disjunction()?;
        if self.takes("->") {
            self.deeper(Self::implication)?;
            self.push(Step::Implies)?;
        }
        Ok(())
    }

    fn disjunction(&mut self) -> Result<(), NotAFormula> {
        self.conjunction()?;
        while self.takes("|") {
            self.conjunction()?;
            self.push(Step::Or)?;
        }
        Ok(())
    }

    fn conjunction(&mut self) -> Result<(), NotAFormula> {
        self.term()?;
        while self.takes("&") {
            self.term()?;
            self.push(Step::And)?;
        }
        Ok(())
    }

    fn term(&mut self) -> Result<(), NotAFormula> {
        if self.takes("~") {
            self.deeper(Self::term)?;
            return self.push(Step::Not);
        }
        if self.takes("(") {
            self.deeper(Self::implication)?;
            return if self.takes(")") { Ok(()) } else { Err(NotAFormula) };
        }
        if !self.takes("p") {
            return Err(NotAFormula);
        }
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = self.rest[..digits].parse().map_err(|_| NotAFormula)?;
        self.rest = &self.rest[digits..];
        self.push(Step::Atom(number))
    }

    fn deeper(
        &mut self,
        parse: fn(&mut Self) -> Result<(), NotAFormula>,
    ) -> Result<(), NotAFormula> {
        if self.depth == DEPTH_MAX {
            return Err(NotAFormula);
        }
        self.depth += 1;
        parse(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let rest = self.rest.trim_start_matches(' ').strip_prefix(symbol);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn push(&mut self, step: Step) -> Result<(), NotAFormula> {
        if self.steps.len() == STEPS_MAX {
            return Err(NotAFormula);
        }
        self.steps.push(step);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;
    use crate::formula;

    fn decided(text: &str) -> Verdict {
        Formula::parse(text).unwrap().decide()
    }

    #[test]
    fn laws_are_proved_and_the_rest_is_refuted() {
        for law in [
            "p1 -> p1",
            "p1 | ~p1",
            "~(p1 & ~p1)",
            "p1 -> (p2 -> p1)",
            "((p1 -> p2) -> p1) -> p1",
            "(p1 -> p2) & (p2 -> p3) -> (p1 -> p3)",
            "p1 -> p2 -> p1",
            "~~p7->p7",
            "p1 & p2 & p3 & p4 & p5 & p6 & p7 & p8 -> p8",
            "p1 | p2 & p3 -> (p1 | p2) & (p1 | p3)",
        ] {
            assert_eq!(decided(law), Verdict::Proved, "{law}");
        }
        for other in [
            "p1",
            "~p1",
            "p1 -> p2",
            "(p1 -> p2) -> p1",
            "p1 | p2 | p3 | p4 | p5 | p6 | p7 | p8",
            "(p1 | p2) & p3 -> p1 & p2",
        ] {
            assert_eq!(decided(other), Verdict::Refuted, "{other}");
        }
    }

    #[test]
    fn too_many_atoms_are_not_decided() {
        let atoms: Vec<String> = (1..=13).map(|number| format!("p{number}")).collect();
        assert_eq!(decided(&atoms.join(" | ")), Verdict::Abstained);
        assert_eq!(decided(&format!("{} -> p1", atoms[..12].join(" & "))), Verdict::Proved);
    }

    #[test]
    fn what_is_no_formula_is_refused() {
        let deep = format!("{}p1{}", "(".repeat(101), ")".repeat(101));
        let long = vec!["p1"; 501].join("&");
        let number = format!("p{}", "9".repeat(30));
        for wrong in [
            "", " ", "p", "q1", "p1 p2", "p1 &", "(p1", "p1)", "p1 - p2", "\u{e9}", &deep, &long,
            &number,
        ] {
            assert_eq!(Formula::parse(wrong), Err(NotAFormula), "{wrong}");
        }
    }

    /// The definition: every row by itself.
    fn by_rows(formula: &Formula) -> bool {
        let mut atoms: Vec<u64> = formula
            .0
            .iter()
            .filter_map(|step| if let Step::Atom(number) = step { Some(*number) } else { None })
            .collect();
        atoms.sort_unstable();
        atoms.dedup();
        (0..1_u32 << atoms.len()).all(|row| {
            let mut stack: Vec<bool> = Vec::new();
            for step in &formula.0 {
                let value = match step {
                    Step::Atom(number) => row >> atoms.binary_search(number).unwrap() & 1 == 1,
                    Step::Not => !stack.pop().unwrap(),
                    Step::And | Step::Or | Step::Implies => {
                        let (right, left) = (stack.pop().unwrap(), stack.pop().unwrap());
                        match step {
                            Step::And => left && right,
                            Step::Or => left || right,
                            _ => !left || right,
                        }
                    }
                };
                stack.push(value);
            }
            stack == [true]
        })
    }

    #[test]
    fn words_of_rows_say_what_single_rows_say() {
        let mut random = ChaCha8Rng::seed_from_u64(15);
        let mut proved = 0;
        for id in 1..600 {
            let (mut text, mut normalized) = (String::new(), String::new());
            // Few atoms, so that laws are among them.
            formula::write_random(1 + id % 12, &mut random, &mut text, &mut normalized);
            let formula = Formula::parse(&text).unwrap();
            assert_eq!(formula, Formula::parse(&normalized).unwrap());
            let expected = by_rows(&formula);
            assert_eq!(formula.decide() == Verdict::Proved, expected, "{text}");
            proved += u32::from(expected);
        }
        assert!(proved > 10, "{proved}");
    }
}
