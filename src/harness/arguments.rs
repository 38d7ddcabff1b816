//! The arguments of a harness target: those of libtest, and of criterion for benchmarks.
//!
//! `cargo test` and `cargo bench` give the same arguments to every target, whichever harness it has. So
//! what libtest knows is taken here as well, what is criterion's is passed over, and what nobody knows
//! is refused as libtest refuses it.

use std::ffi::OsString;

use libtest_mimic::Arguments;

/// Options without a value that are read here.
const FLAGS: [&str; 10] = [
    "--include-ignored",
    "--ignored",
    "--test",
    "--bench",
    "--list",
    "--nocapture",
    "--show-output",
    "--exact",
    "--quiet",
    "--help",
];
/// Options with a value that are read here.
const OPTIONS: [&str; 5] = ["--test-threads", "--logfile", "--skip", "--color", "--format"];
/// Options of libtest and of criterion without a value, which change nothing here.
const PASSED_OVER: [&str; 9] = [
    "--report-time",
    "--ensure-time",
    "--exclude-should-panic",
    "--force-run-in-process",
    "--shuffle",
    "--verbose",
    "--noplot",
    "--discard-baseline",
    "--quick",
];
/// The same with a value.
const PASSED_OVER_WITH_VALUE: [&str; 15] = [
    "--shuffle-seed",
    "--save-baseline",
    "--baseline",
    "--baseline-lenient",
    "--load-baseline",
    "--sample-size",
    "--warm-up-time",
    "--measurement-time",
    "--nresamples",
    "--noise-threshold",
    "--confidence-level",
    "--significance-level",
    "--profile-time",
    "--plotting-backend",
    "--output-format",
];

/// Arguments of which one is nobody's: it is named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownOption(pub(super) String);

/// Reads the arguments after the name of the program.
pub(super) fn read(given: impl Iterator<Item = OsString>) -> Result<Arguments, UnknownOption> {
    Ok(Arguments::from_iter(understood(given)?))
}

/// The arguments that are read, behind a name.
fn understood(mut given: impl Iterator<Item = OsString>) -> Result<Vec<OsString>, UnknownOption> {
    let mut read = vec![OsString::from("harness")];
    while let Some(argument) = given.next() {
        let text = argument.to_string_lossy();
        let Some(option) = text.strip_prefix("--").filter(|it| !it.is_empty()) else {
            if text == "--" {
                read.push(argument);
                read.extend(given);
                break;
            }
            read.push(short(&text)?.map_or_else(|| argument.clone(), OsString::from));
            continue;
        };
        let (name, value) = option.split_once('=').map_or((option, None), |(a, b)| (a, Some(b)));
        let name = format!("--{name}");
        // Libtest's, and as libtest's name for it was before.
        if name == "--no-capture" {
            read.push("--nocapture".into());
        } else if OPTIONS.contains(&name.as_str()) {
            read.push(argument.clone());
            if value.is_none() {
                read.extend(given.next());
            }
        } else if PASSED_OVER_WITH_VALUE.contains(&name.as_str()) {
            if value.is_none() {
                given.next();
            }
        } else if FLAGS.contains(&name.as_str()) {
            read.push(argument.clone());
        } else if !PASSED_OVER.contains(&name.as_str()) {
            return Err(UnknownOption(name[2..].to_owned()));
        }
    }
    Ok(read)
}

/// A short option, or anything that is none; what stands for it where that is another.
fn short(text: &str) -> Result<Option<&'static str>, UnknownOption> {
    match text.strip_prefix('-') {
        Some("h") => Ok(Some("--help")),
        Some("q" | "") | None => Ok(None),
        // As in `-Z unstable-options`, whose value is read as well.
        Some(known) if known.starts_with('Z') => Ok(None),
        // Criterion's: more words, and less.
        Some("v" | "n") => Ok(Some("--show-output")),
        Some(unknown) => Err(UnknownOption(unknown.chars().take(1).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(given: &[&str]) -> Result<Vec<String>, UnknownOption> {
        let read = understood(given.iter().map(OsString::from))?;
        Ok(read[1..].iter().map(|it| it.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn what_libtest_knows_is_read_and_what_is_criterions_is_passed_over() {
        for given in [
            &["--exact", "a::b", "--skip", "--x", "--test-threads=1", "-q"][..],
            &["--bench", "--list", "--format", "terse", "-Z", "unstable-options"],
            &["--", "--save-baseline"],
        ] {
            assert_eq!(read_of(given).unwrap(), given);
        }
        assert_eq!(read_of(&["--no-capture", "a"]).unwrap(), ["--nocapture", "a"]);
        let bench = ["--save-baseline", "before", "--bench", "--baseline=before", "--noplot", "a"];
        assert_eq!(read_of(&bench).unwrap(), ["--bench", "a"]);
        assert_eq!(read_of(&["--shuffle-seed", "1", "--report-time"]).unwrap(), [""; 0]);
    }

    #[test]
    fn what_nobody_knows_is_named_as_libtest_names_it() {
        let unknown = |option: &str| Err(UnknownOption(option.to_owned()));
        assert_eq!(read_of(&["--version"]), unknown("version"));
        assert_eq!(read_of(&["a", "--nonsense=1"]), unknown("nonsense"));
        assert_eq!(read_of(&["-V"]), unknown("V"));
    }
}
