//! The first organism: one closed loop from an event to its attestation.
//!
//! A run asks whether the event's statement holds by itself, and whether it follows from each of its
//! premises. [`run`] is a pure function. Its `ht_hash` binds the answers to the event: the Merkle root
//! of both. Nothing here reads a clock or a database.

use super::{
    hash::Hash,
    merkle::{self, Digest32},
    statements::Derivation,
    truth_table::{Formula, NotAFormula, Verdict},
};

/// What happened, as an attestation names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Occasion {
    /// The job.
    pub(super) job: u64,
    /// The moment of the event in microseconds since 1970; 0 where there was none.
    pub(super) at_us: u64,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Whether the loop was closed; not where the statement is no formula, or is not there.
    pub(super) completed: bool,
    /// Whether the statement holds; none where that was not decided.
    pub(super) proved: Option<bool>,
    /// The questions that were not decided, of all, in millionths.
    pub(super) abstention_ppm: u64,
    /// The attestation.
    pub(super) ht_hash: Hash,
}

/// Runs the loop for one statement.
pub(super) fn run(occasion: Occasion, derivation: &Derivation) -> Run {
    let Ok(answers) = answers(derivation) else { return failed(occasion) };
    let proved = match answers.first() {
        Some((_, Verdict::Proved)) => Some(true),
        Some((_, Verdict::Refuted)) => Some(false),
        Some((_, Verdict::Abstained)) | None => None,
    };
    let leaves = answers.iter().map(|(question, verdict)| format!("{question} {}", verdict.name()));
    Run {
        completed: true,
        proved,
        abstention_ppm: abstention_ppm(&answers),
        ht_hash: attested(occasion, &merkle::root(leaves)),
    }
}

/// A run that could not close its loop: no question was answered.
pub(super) fn failed(occasion: Occasion) -> Run {
    let none: [&str; 0] = [];
    Run {
        completed: false,
        proved: None,
        abstention_ppm: 1_000_000,
        ht_hash: attested(occasion, &merkle::root(none)),
    }
}

/// Each question by its name, with its answer. The first one is the statement by itself.
fn answers(derivation: &Derivation) -> Result<Vec<(String, Verdict)>, NotAFormula> {
    let Derivation { hash, text, premises } = derivation;
    let formula = Formula::parse(text)?;
    let mut answers = vec![(hash.to_string(), formula.decide())];
    for (premise, text) in premises {
        let follows = Formula::parse(text)?.implies(&formula);
        answers.push((format!("{premise} {hash}"), follows.decide()));
    }
    Ok(answers)
}

fn abstention_ppm(answers: &[(String, Verdict)]) -> u64 {
    let (mut asked, mut abstained) = (0, 0);
    for (_, verdict) in answers {
        asked += 1;
        abstained += u64::from(*verdict == Verdict::Abstained);
    }
    abstained * 1_000_000 / asked.max(1)
}

fn attested(occasion: Occasion, answers: &Digest32) -> Hash {
    let event = format!("job {} at {} us", occasion.job, occasion.at_us);
    Hash::of_digest(&merkle::root([&answers[..], event.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCCASION: Occasion = Occasion { job: 1, at_us: 5 };

    fn derivation(text: &str, premises: &[&str]) -> Derivation {
        let named = |text: &str| (Hash::of(text.as_bytes()), text.to_owned());
        let (hash, text) = named(text);
        Derivation { hash, text, premises: premises.iter().map(|text| named(text)).collect() }
    }

    #[test]
    fn a_run_says_what_holds_and_how_much_it_left_open() {
        let law = run(OCCASION, &derivation("p1 -> p1", &["p2", "p1"]));
        assert_eq!((law.completed, law.proved, law.abstention_ppm), (true, Some(true), 0));
        let open = run(OCCASION, &derivation("p1", &["p1 & p2"]));
        assert_eq!((open.proved, open.abstention_ppm), (Some(false), 0));

        let wide = (1..=13).map(|n| format!("p{n}")).collect::<Vec<_>>().join("&");
        let partly = run(OCCASION, &derivation("p1", &[&wide, "p1"]));
        assert_eq!((partly.proved, partly.abstention_ppm), (Some(false), 333_333));
        let wholly = run(OCCASION, &derivation(&wide, &[]));
        assert_eq!(
            (wholly.completed, wholly.proved, wholly.abstention_ppm),
            (true, None, 1_000_000)
        );
        let broken = run(OCCASION, &derivation("p1 and p2", &[]));
        assert_eq!(broken, failed(OCCASION));
        assert!(!broken.completed);
    }

    #[test]
    fn an_attestation_binds_answers_and_event() {
        let one = derivation("p1 -> p1", &["p2"]);
        let hash = run(OCCASION, &one).ht_hash;
        assert_eq!(run(OCCASION, &one).ht_hash, hash);
        assert_ne!(run(Occasion { job: 2, ..OCCASION }, &one).ht_hash, hash);
        assert_ne!(run(Occasion { at_us: 6, ..OCCASION }, &one).ht_hash, hash);
        assert_ne!(run(OCCASION, &derivation("p1 -> p1", &["p3"])).ht_hash, hash);
        assert_ne!(failed(OCCASION).ht_hash, hash);

        // By the definition: the root of the answers, and the event.
        let law = Hash::of(b"p1 -> p1");
        let answers =
            merkle::root([format!("{law} proved"), format!("{} {law} proved", Hash::of(b"p2"))]);
        let root = merkle::root([&answers[..], b"job 1 at 5 us"]);
        assert_eq!(hash, Hash::of_digest(&root));
    }
}
