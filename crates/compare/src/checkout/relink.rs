//! The same code at other addresses: an executable linked again with its parts in another order.
//!
//! Where the linker puts code makes a handler up to several percent faster or slower, and any change
//! elsewhere in the program moves it. So a build is compared as many executables, in each of which
//! every object file and library is somewhere else, and each session takes one at random. Whether the
//! code is somewhere else is seen from the executables (`layout.rs`): with link-time optimisation there
//! may be one object alone. Of those that have it at the same place one is kept.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{CheckoutError, command::Runner, error::at, layout::layout};
use crate::random::shuffle;
use perf_passport::paired::LINKS;

/// How rustc has the linker called.
pub(super) struct Linking {
    variables: Vec<(String, String)>,
    program: String,
    arguments: Vec<String>,
    directory: PathBuf,
}

impl Linking {
    /// Finds the call in what `rustc --print link-args` printed in `directory`; `None` when it is
    /// not there.
    pub(super) fn find(stdout: &[u8], directory: &Path) -> Option<Self> {
        let text = String::from_utf8_lossy(stdout);
        text.lines().filter(|line| !line.starts_with('{')).find_map(|line| {
            let mut words = shlex::split(line)?.into_iter().peekable();
            let mut variables = Vec::new();
            while let Some((name, value)) = words.peek().and_then(|it| it.split_once('=')) {
                variables.push((name.to_owned(), value.to_owned()));
                words.next();
            }
            let (program, arguments) = (words.next()?, words.collect::<Vec<_>>());
            let links = arguments.iter().any(|it| it == "-o");
            let directory = directory.to_owned();
            links.then_some(Self { variables, program, arguments, directory })
        })
    }

    /// Links once for each seed from 0, into `directory`, until there are [`LINKS`] layouts; how many
    /// there are, or the linker's words when it cannot.
    ///
    /// # Errors
    ///
    /// When it cannot be run, or the user interrupts.
    pub(super) fn link_again(
        &self,
        runner: &Runner<'_>,
        directory: &Path,
    ) -> Result<Result<u64, String>, CheckoutError> {
        let mut layouts = BTreeSet::new();
        for seed in 0..SEEDS {
            let found = layouts.len() as u64;
            // Few after so many have not many more.
            if found == LINKS || seed >= LINKS && found < LINKS / 2 {
                break;
            }
            let executable = directory.join(format!("{PREFIX}{seed:02}"));
            let mut command = Command::new(&self.program);
            command.envs(self.variables.iter().map(|(name, value)| (name, value)));
            command.args(self.shuffled(seed, &executable));
            // Nine tenths of the file, which every session copies.
            command.arg(self.for_linker("--strip-debug")).current_dir(&self.directory);
            let finished = runner.run_quietly(&mut command)?;
            if !finished.status.success() {
                for path in relinked_in(directory).unwrap_or_default() {
                    let _ = fs::remove_file(path);
                }
                return Ok(Err(finished.reason()));
            }
            let is_new = layout(&executable).is_some_and(|it| layouts.insert(it));
            if !is_new {
                fs::remove_file(&executable).map_err(at(executable))?;
            }
        }
        Ok(Ok(layouts.len() as u64))
    }

    /// An option of the linker, which a compiler may have to pass on.
    fn for_linker(&self, option: &str) -> String {
        let name = Path::new(&self.program).file_name().unwrap_or_default().to_string_lossy();
        let is_linker = name == "mold" || name.ends_with("lld") || name.starts_with("ld");
        if is_linker { option.to_owned() } else { format!("-Wl,{option}") }
    }

    /// The arguments with the objects and libraries that rustc made in another order. They are a group,
    /// as some linkers look into a library once, and then only for what objects before it lack.
    fn shuffled(&self, seed: u64, output: &Path) -> Vec<String> {
        let is_library = |it: &str| Path::new(it).extension().is_some_and(|it| it == "rlib");
        let is_ours = |it: &str| it.ends_with(".rcgu.o") || is_library(it);
        let mut inputs: Vec<&String> = self.arguments.iter().filter(|it| is_ours(it)).collect();
        shuffle(&mut ChaCha8Rng::seed_from_u64(seed), &mut inputs);
        let count = inputs.len();
        let mut inputs = inputs.into_iter();
        let mut names_output = false;
        let mut arguments = Vec::with_capacity(self.arguments.len() + 2);
        for argument in &self.arguments {
            if std::mem::replace(&mut names_output, argument == "-o") {
                arguments.push(output.to_string_lossy().into_owned());
            } else if is_ours(argument) {
                if inputs.len() == count {
                    arguments.push(self.for_linker("--start-group"));
                }
                arguments.extend(inputs.next().cloned());
                if inputs.len() == 0 {
                    arguments.push(self.for_linker("--end-group"));
                }
            } else {
                arguments.push(argument.clone());
            }
        }
        arguments
    }

    /// Removes what rustc kept for the linker: it is as large as everything else together.
    pub(super) fn clean_up(&self) {
        let kept = self.kept_by_rustc(&std::env::temp_dir());
        for path in kept.iter().chain(&bitcode_of(&kept)) {
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }

    /// Objects beside the output, and the temporary directories of rustc in this one. Whatever else is
    /// linked may be the user's own, whatever it is called.
    fn kept_by_rustc(&self, temporary: &Path) -> Vec<PathBuf> {
        let output = self.arguments.iter().skip_while(|it| *it != "-o").nth(1);
        let beside = output.and_then(|it| Path::new(it).parent());
        let mut kept = Vec::new();
        for path in self.arguments.iter().map(Path::new) {
            let Some(parent) = path.parent() else { continue };
            let named = parent.file_name().unwrap_or_default().to_string_lossy();
            if path.to_string_lossy().ends_with(".rcgu.o") && Some(parent) == beside {
                kept.push(path.to_owned());
            } else if path.ends_with("symbols.o")
                && named.starts_with("rustc")
                && parent.parent() == Some(temporary)
            {
                kept.push(parent.to_owned());
            }
        }
        kept
    }
}

/// What objects were made of, beside them and under their names: of `a.rcgu.o` are `a.rcgu.bc` and
/// `a.rcgu.thin-lto-after-pm.bc`.
fn bitcode_of(objects: &[PathBuf]) -> Vec<PathBuf> {
    let stems: BTreeSet<&Path> = objects.iter().filter_map(|it| stem(it, ".o")).collect();
    let directories: BTreeSet<&Path> = stems.iter().filter_map(|it| it.parent()).collect();
    let entries = directories.into_iter().filter_map(|it| fs::read_dir(it).ok()).flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    let of_an_object = |path: &PathBuf| {
        let bitcode = stem(path, ".bc").and_then(Path::to_str).and_then(|it| it.find(UNIT));
        let path = path.to_str().unwrap_or_default();
        bitcode.is_some_and(|at| stems.contains(Path::new(&path[..at + UNIT.len()])))
    };
    paths.filter(of_an_object).collect()
}

/// What a codegen unit's files have after its name.
const UNIT: &str = ".rcgu";

/// The path without this ending, if it has it.
fn stem<'p>(path: &'p Path, ending: &str) -> Option<&'p Path> {
    path.to_str()?.strip_suffix(ending).map(Path::new)
}

const PREFIX: &str = "relinked-";

/// Orders that are tried: some inputs have few, and then several are the same.
const SEEDS: u64 = 2 * LINKS;

/// The executables in a directory, in the order of their seeds.
pub(super) fn relinked_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &[u8] = b"{\"reason\":\"compiler-artifact\",\"x\":\"-o\"}\n\
        LC_ALL=\"C\" PATH=\"/a b:/c\" \"cc\" \"-m64\" \"/t/rustcX/symbols.o\" \"/t/a.1.rcgu.o\" \
        \"/t/a.2.rcgu.o\" \"-Wl,--as-needed\" \"/t/libb.rlib\" \"-lc\" \"-o\" \"/t/a\" \"-pie\"\n";

    #[test]
    fn the_call_of_the_linker_is_found_and_its_inputs_change_places() {
        let linking = Linking::find(PRINTED, Path::new("/w")).unwrap();
        assert_eq!(linking.program, "cc");
        assert_eq!(linking.variables[1], ("PATH".to_owned(), "/a b:/c".to_owned()));
        let orders: std::collections::BTreeSet<Vec<String>> =
            (0..LINKS).map(|seed| linking.shuffled(seed, Path::new("/o/x"))).collect();
        assert!(orders.len() > 1);
        for order in orders {
            assert_eq!(order[0..3], ["-m64", "/t/rustcX/symbols.o", "-Wl,--start-group"]);
            assert_eq!(order[5], "-Wl,--as-needed");
            assert_eq!(order[7..], ["-Wl,--end-group", "-lc", "-o", "/o/x", "-pie"]);
            let mut inputs = vec![&order[3], &order[4], &order[6]];
            inputs.sort();
            assert_eq!(inputs, ["/t/a.1.rcgu.o", "/t/a.2.rcgu.o", "/t/libb.rlib"]);
        }
    }

    #[test]
    fn options_go_to_the_linker_through_a_compiler_or_not() {
        let option = |program: &str| {
            let printed = String::from_utf8_lossy(PRINTED).replace("\"cc\"", program);
            Linking::find(printed.as_bytes(), Path::new("/w")).unwrap().for_linker("--x")
        };
        assert_eq!([option("cc"), option("/usr/bin/clang-18")], ["-Wl,--x", "-Wl,--x"]);
        for linker in ["ld", "/usr/bin/ld.gold", "mold", "/r/rust-lld"] {
            assert_eq!(option(linker), "--x");
        }
    }

    #[test]
    fn only_what_rustc_made_is_removed() {
        let printed = b"\"cc\" \"/tmp/rustcX/symbols.o\" \"/home/me/symbols.o\" \"symbols.o\" \
            \"/tmp/me/symbols.o\" \"/home/rustcY/symbols.o\" \"/t/a.1.rcgu.o\" \"/home/b.rcgu.o\" \
            \"-o\" \"/t/a\"\n";
        let linking = Linking::find(printed, Path::new("/w")).unwrap();
        let kept = linking.kept_by_rustc(Path::new("/tmp"));
        assert_eq!(kept, ["/tmp/rustcX", "/t/a.1.rcgu.o"].map(PathBuf::from));
    }

    #[test]
    fn bitcode_is_that_of_the_objects() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["a.1.rcgu.bc", "a.1.rcgu.lto.pm.bc", "a.2.rcgu.bc", "mine.bc", "a.1.rcgu.o"] {
            fs::write(path(name), "").unwrap();
        }
        let mut found = bitcode_of(&[path("a.1.rcgu.o"), path("no.object")]);
        found.sort();
        assert_eq!(found, [path("a.1.rcgu.bc"), path("a.1.rcgu.lto.pm.bc")]);
    }

    #[test]
    fn what_is_no_call_of_a_linker_is_none() {
        for printed in [&b""[..], b"{\"a\":1}\n", b"A=1\n", b"\"cc\" \"a.o\"\n", b"\"cc \"-o\" \n"]
        {
            assert!(Linking::find(printed, Path::new("/")).is_none());
        }
    }
}
