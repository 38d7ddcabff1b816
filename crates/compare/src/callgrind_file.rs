//! Reading what callgrind writes: instructions of each function, by itself and with what it called.
//!
//! The format is that of "Callgrind Format Specification" (valgrind's manual), version 1. What a
//! line costs, and where in the source it is, is not kept. Any bytes give figures that add up, or an
//! error.

use std::collections::BTreeMap;

use thiserror::Error;

use perf_passport::paired::FunctionCost;

/// The event that is an instruction.
const EVENT: &str = "Ir";

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    /// All instructions.
    pub(super) total: u64,
    /// By symbol, as written.
    pub(super) functions: BTreeMap<String, FunctionCost>,
}

/// Why a file is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ProfileError {
    /// A line is not as the format has it.
    #[error("line {0} of callgrind's output is not understood")]
    Line(usize),
    /// The file ends before its totals.
    #[error("callgrind's output broke off")]
    BrokeOff,
    /// The functions do not make up the total.
    #[error("callgrind's output does not add up: {functions} of {total} instructions")]
    DoesNotAddUp {
        /// In functions.
        functions: u64,
        /// By the file's totals.
        total: u64,
    },
}

/// Reads a file.
pub(super) fn parse(bytes: &[u8]) -> Result<Profile, ProfileError> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        reader.line(line.trim_end()).ok_or(ProfileError::Line(index + 1))?;
    }
    let total = reader.total.ok_or(ProfileError::BrokeOff)?;
    let own = reader.functions.values().try_fold(0_u64, |sum, it| sum.checked_add(it.own));
    match own {
        Some(own) if own == total => {}
        _ => {
            return Err(ProfileError::DoesNotAddUp { functions: own.unwrap_or(u64::MAX), total });
        }
    }
    for cost in reader.functions.values_mut() {
        cost.inclusive = cost.inclusive.min(total);
    }
    Ok(Profile { total, functions: reader.functions })
}

/// The state between two lines.
#[derive(Default)]
struct Reader {
    /// Columns before the costs of a line; set by `positions:`, which a file may leave out.
    positions: Option<usize>,
    /// The column of [`EVENT`] among the costs.
    event: Option<usize>,
    /// What the numbers of compressed names stand for.
    names: BTreeMap<u64, String>,
    /// The function whose costs follow.
    function: Option<String>,
    /// Whether the next line of costs is what a call cost.
    is_call: bool,
    functions: BTreeMap<String, FunctionCost>,
    total: Option<u64>,
}

impl Reader {
    /// Takes a line; `None` when it is not understood.
    fn line(&mut self, line: &str) -> Option<()> {
        if line.is_empty() || line.starts_with('#') {
            return Some(());
        }
        if line.starts_with(|it: char| it.is_ascii_digit() || matches!(it, '+' | '-' | '*')) {
            return self.costs(line);
        }
        if let Some((key, value)) = line.split_once('=') {
            // A header's value may hold the sign too.
            if !key.contains(':') {
                return self.specification(key, value);
            }
        }
        let (key, value) = line.split_once(':')?;
        match key {
            "positions" => self.positions = Some(value.split_whitespace().count()),
            "events" => {
                self.event = Some(value.split_whitespace().position(|it| it == EVENT)?);
            }
            // `summary` says the same before the functions as `totals` behind them.
            "totals" => {
                let column = value.split_whitespace().nth(self.event?)?;
                self.total = Some(self.total.unwrap_or(0).checked_add(column.parse().ok()?)?);
            }
            _ => {}
        }
        Some(())
    }

    fn specification(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "fn" => {
                let name = self.name(value)?;
                self.functions.entry(name.clone()).or_default();
                self.function = Some(name);
            }
            // The name may be told here and be meant later.
            "cfn" => drop(self.name(value)?),
            "calls" => self.is_call = true,
            // Files, objects and jumps: names of their own, which no cost is asked for by.
            "fl" | "fi" | "fe" | "ob" | "cob" | "cfi" | "cfl" | "jump" | "jcnd" => {}
            _ => return None,
        }
        Some(())
    }

    /// The name in full: `(1) main` the first time, `(1)` from then on, or uncompressed.
    fn name(&mut self, value: &str) -> Option<String> {
        let compressed = value.strip_prefix('(').and_then(|it| it.split_once(')'));
        let Some((Ok(number), name)) = compressed.map(|(it, name)| (it.parse(), name)) else {
            return (!value.is_empty()).then(|| value.to_owned());
        };
        let name = name.trim_start();
        if name.is_empty() {
            return self.names.get(&number).cloned();
        }
        self.names.insert(number, name.to_owned());
        Some(name.to_owned())
    }

    /// `16 400` or `+3 400`: positions, and then a cost for each event; those left out are zero.
    fn costs(&mut self, line: &str) -> Option<()> {
        let cost = match line.split_whitespace().nth(self.positions.unwrap_or(1) + self.event?) {
            Some(cost) => cost.parse().ok()?,
            None => 0,
        };
        let function = self.functions.get_mut(self.function.as_ref()?)?;
        if !std::mem::take(&mut self.is_call) {
            function.own = function.own.checked_add(cost)?;
        }
        function.inclusive = function.inclusive.saturating_add(cost);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, with names compressed, and its totals.
    const EXAMPLE: &str = "\
# callgrind format
version: 1
creator: callgrind-3.19.0
cmd: ./program --x=1
positions: line
events: Ir
summary: 1540

fl=(1) file1.c
fn=(1) main
16 20
cfn=(2) func1
calls=1 50
16 400
cfi=(2) file2.c
cfn=(3) func2
calls=3 20
+1 800

fn=(2)
51 100
cfi=(2)
cfn=(3)
calls=2 20
* 300

fl=(2)
fn=(3)
20 700
-1 20
* 700
+2

totals: 1540
";

    #[test]
    fn costs_belong_to_functions_by_themselves_and_with_what_they_call() {
        let profile = parse(EXAMPLE.as_bytes()).unwrap();
        let of = |name: &str| {
            let cost = profile.functions[name];
            (cost.own, cost.inclusive)
        };
        assert_eq!(profile.total, 1_540);
        assert_eq!(profile.functions.len(), 3);
        assert_eq!(of("main"), (20, 1_220));
        assert_eq!(of("func1"), (100, 400));
        assert_eq!(of("func2"), (1_420, 1_420));
    }

    #[test]
    fn the_column_of_instructions_is_found_and_recursion_is_held_at_the_total() {
        let text = "positions: instr line\nevents: Dr Ir\nfn=f\n0x1 5 9 30\n+3 * 1\ncfn=f\n\
                    calls=1 0x1 5\n0x2 5 0 20\nfn=(below main)\n0x9 1 1 3\ntotals: 10 33\n";
        let profile = parse(text.as_bytes());
        // A line of costs begins with a digit or a sign, so that hexadecimal ones do.
        let profile = profile.unwrap();
        assert_eq!(profile.functions["f"], FunctionCost { own: 30, inclusive: 33 });
        assert_eq!(profile.functions["(below main)"], FunctionCost { own: 3, inclusive: 3 });
    }

    #[test]
    fn what_is_not_whole_is_an_error() {
        let broken = |from: &str, to: &str| parse(EXAMPLE.replacen(from, to, 1).as_bytes());
        assert_eq!(broken("totals: 1540\n", ""), Err(ProfileError::BrokeOff));
        let total = ProfileError::DoesNotAddUp { functions: 1_540, total: 1_541 };
        assert_eq!(broken("totals: 1540", "totals: 1541"), Err(total));
        assert_eq!(broken("fn=(1) main", "fn=(9)"), Err(ProfileError::Line(10)));
        assert_eq!(broken("fn=(1) main\n", ""), Err(ProfileError::Line(10)));
        assert_eq!(broken("events: Ir", "events: Dr"), Err(ProfileError::Line(6)));
        assert_eq!(broken("events: Ir\n", ""), Err(ProfileError::Line(10)));
        assert_eq!(broken("16 20", "16 twenty"), Err(ProfileError::Line(11)));
        assert_eq!(broken("51 100", "nonsense"), Err(ProfileError::Line(21)));
        let huge = EXAMPLE.replacen("20 700", "20 18446744073709551615", 1);
        assert_eq!(parse(huge.as_bytes()), Err(ProfileError::Line(30)));
        assert_eq!(parse(b""), Err(ProfileError::BrokeOff));
        assert_eq!(parse(&[0xff, 0xfe, b'\n']), Err(ProfileError::Line(1)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
        ) {
            let _ = parse(&bytes);
        }

        /// Lines of a whole file in any order, some of them twice: what is read adds up.
        #[test]
        fn any_lines_add_up_or_are_refused(
            lines in proptest::collection::vec(0..EXAMPLE.lines().count(), 0..60),
        ) {
            let header = "events: Ir\n".to_owned();
            let all: Vec<&str> = EXAMPLE.lines().collect();
            let text = lines.iter().fold(header, |text, line| text + all[*line] + "\n");
            if let Ok(profile) = parse(text.as_bytes()) {
                let own: u64 = profile.functions.values().map(|it| it.own).sum();
                proptest::prop_assert_eq!(own, profile.total);
            }
        }
    }
}
