//! No file imports a file that imports it back, directly or by a longer way.
//!
//! Files are what is looked at, tests aside. A path such as `crate::a::B` is an import of the file that
//! `B` is in. A re-export (`pub use`) is no import: a path through it counts for the file that the name
//! comes from. So a `lib.rs` or `mod.rs` may show what its files make, and a file may use what is shown
//! beside it. What a file shows and uses as well, it imports.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The sources that are looked at.
const SOURCES: [&str; 5] =
    ["src", "crates/meter/src", "crates/ledger/src", "crates/compare/src", "crates/cli/src"];

#[test]
fn no_file_imports_a_file_that_imports_it_back() {
    let mut found = Vec::new();
    for sources in SOURCES {
        let circles = Imports::of(&root().join(sources)).circles();
        found.extend(circles.iter().map(|files| {
            let files: Vec<String> = files.iter().map(|file| file.join("/")).collect();
            format!("{sources}: {}", files.join(", "))
        }));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn circles_are_found_and_re_exports_are_none() {
    let imports = |files: &[(&str, &str)]| {
        let mut all = BTreeMap::from([(module(""), String::new())]);
        all.extend(files.iter().map(|(path, text)| (module(path), (*text).to_owned())));
        Imports::between(&all).circles()
    };
    let library = ("", "mod a; mod b;\npub use a::A;\npub use b::{B, C as D};\n");
    let a = ("a", "use crate::b::B;\n");
    assert!(imports(&[library, a, ("b", "use std::fmt;\n")]).is_empty());
    let both = vec![module("a"), module("b")];
    for back in ["use super::a::A;", "use crate::{a::A, c};", "fn f() { crate::a::g() }"] {
        assert_eq!(imports(&[library, a, ("b", back)]), vec![both.clone()], "{back}");
        let in_tests = format!("#[cfg(test)]\nmod tests {{ {back} }}");
        assert!(imports(&[library, a, ("b", &in_tests)]).is_empty());
        assert!(imports(&[library, a, ("b", &format!("// {back}"))]).is_empty());
    }
    // Through what the library shows, and by a third file.
    assert_eq!(imports(&[library, a, ("b", "use crate::A;")]), [both]);
    let third = [("a", "use crate::b::B;"), ("b", "use super::c::C;"), ("c", "use crate::a;")];
    assert_eq!(imports(&third).len(), 1);
    // A parent that makes what its child uses, and uses the child.
    let parent = ("p", "mod q;\nuse q::Q;\nstruct P;");
    assert_eq!(imports(&[parent, ("p/q", "use super::P;")]), [[module("p"), module("p/q")]]);
    let shows = ("p", "mod q;\npub(crate) use self::q::Q;\nstruct P;");
    let shows_first = ("p", "mod q;\npub use q::Z;\nuse q::Q;\nstruct P;");
    assert_eq!(imports(&[shows_first, ("p/q", "use super::P;")]).len(), 1);
    assert!(imports(&[shows, ("p/q", "use super::P;")]).is_empty());
    let shows_and_uses = ("p", "mod q;\npub(crate) use self::q::Q;\nstruct P(Q);");
    assert_eq!(imports(&[shows_and_uses, ("p/q", "use super::P;")]).len(), 1);
}

/// A file by the path of its module: empty for `lib.rs` and `main.rs`.
type Module = Vec<String>;

/// Which files each file imports.
struct Imports(BTreeMap<Module, BTreeSet<Module>>);

impl Imports {
    /// Those of all files below a directory.
    fn of(sources: &Path) -> Self {
        let mut files = BTreeMap::new();
        for path in rust_files(sources) {
            let relative = path.strip_prefix(sources).unwrap().with_extension("");
            let name = relative.to_str().unwrap();
            let name = name.strip_suffix("/mod").unwrap_or(name);
            let name = if matches!(name, "lib" | "main") { "" } else { name };
            files.insert(module(name), fs::read_to_string(&path).unwrap());
        }
        assert!(files.len() > 1, "{}", sources.display());
        Self::between(&files)
    }

    fn between(files: &BTreeMap<Module, String>) -> Self {
        let code: BTreeMap<&Module, Code> =
            files.iter().map(|(file, text)| (file, Code::of(text))).collect();
        let mut names = Names { files: files.keys().collect(), shown: BTreeMap::new() };
        for (file, code) in &code {
            let paths = code.shown.iter().filter_map(|path| names.absolute(file, path));
            for path in paths.collect::<Vec<_>>() {
                let name = path.last().cloned().unwrap_or_default();
                names.shown.insert(((*file).clone(), name), path);
            }
        }
        let imports = code.iter().map(|(file, code)| {
            let paths = code.used.iter().filter_map(|path| names.absolute(file, path));
            let mut imported: BTreeSet<Module> = paths.map(|path| names.file_of(path)).collect();
            imported.retain(|it| it != *file && files.contains_key(it));
            ((*file).clone(), imported)
        });
        Self(imports.collect())
    }

    /// The files that reach each other.
    fn circles(&self) -> Vec<Vec<Module>> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.0.keys().map(|file| (file, self.reached(file))).collect();
        let mut circles = BTreeSet::new();
        for (file, others) in &reached {
            let back = others.iter().filter(|other| reached[*other].contains(file));
            let circle: Vec<Module> = back.map(|it| (*it).clone()).collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn reached(&self, file: &Module) -> BTreeSet<&Module> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Module> = self.0[file].iter().collect();
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                next.extend(&self.0[file]);
            }
        }
        reached
    }
}

/// What paths mean.
struct Names<'a> {
    files: BTreeSet<&'a Module>,
    /// The path of what a file shows under a name.
    shown: BTreeMap<(Module, String), Vec<String>>,
}

impl Names<'_> {
    /// A path from the top of the package; `None` for one that leads out of it.
    fn absolute(&self, file: &Module, path: &str) -> Option<Vec<String>> {
        let mut parts = path.split("::").map(|part| part.trim().to_owned()).peekable();
        let mut absolute = file.clone();
        match parts.peek()?.as_str() {
            "crate" => absolute.clear(),
            "self" | "super" => {}
            first => {
                let child = [file.as_slice(), &[first.to_owned()]].concat();
                if !self.files.contains(&child) {
                    return None;
                }
            }
        }
        for part in parts {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => drop(absolute.pop()),
                _ => absolute.push(part),
            }
        }
        Some(absolute)
    }

    /// The file that a path leads to, through all that only shows it.
    fn file_of(&self, path: Vec<String>) -> Module {
        let mut path = path;
        // No name is shown by more files than there are.
        for _ in 0..self.files.len() {
            let depth =
                (0..=path.len()).take_while(|it| self.files.contains(&path[..*it].to_vec()));
            let depth = depth.last().unwrap_or_default();
            let (file, rest) = path.split_at(depth);
            let Some(name) = rest.first() else { return file.to_vec() };
            let Some(shown) = self.shown.get(&(file.to_vec(), name.clone())) else {
                return file.to_vec();
            };
            path = [shown.as_slice(), &rest[1..]].concat();
        }
        panic!("{path:?} is shown in a circle");
    }
}

/// What a file names.
#[derive(Default)]
struct Code {
    /// What it uses, in `use` statements and elsewhere.
    used: Vec<String>,
    /// What it shows as its own.
    shown: Vec<String>,
}

impl Code {
    fn of(text: &str) -> Self {
        let (mut code, mut rest) = (Self::default(), without_tests(text));
        while let Some(at) = start_of_use(&rest) {
            let statement = rest.split_off(at);
            let (tree, after) = statement["use ".len()..].split_once(';').unwrap_or_default();
            let before = rest.trim_end();
            let last = before.rsplit(['\n', ';', '}']).next().unwrap_or_default().trim();
            let is_shown = last.starts_with("pub");
            let paths = if is_shown { &mut code.shown } else { &mut code.used };
            paths.extend(expanded(tree));
            // Else the next statement would seem to be shown too.
            let visibility = if is_shown { last.len() } else { 0 };
            rest.truncate(before.len() - visibility);
            rest.push_str(after);
        }
        // Paths elsewhere, such as `super::b::f`.
        let words = rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        let paths = words.filter(|word| word.contains("::"));
        code.used.extend(paths.map(|word| word.trim_matches(':').to_owned()));
        // What is shown and used as well.
        let words: BTreeSet<&str> =
            rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        let is_used =
            |path: &&String| path.rsplit("::").next().is_some_and(|it| words.contains(it));
        code.used.extend(code.shown.iter().filter(is_used).cloned());
        code
    }
}

/// Where the first `use` statement begins.
fn start_of_use(code: &str) -> Option<usize> {
    let mut places = code.match_indices("use ").map(|(at, _)| at);
    places.find(|at| code[..*at].chars().next_back().is_none_or(char::is_whitespace))
}

/// `a::{b, c::{d as e}}` as `a::b` and `a::c::d`.
fn expanded(tree: &str) -> Vec<String> {
    let Some((prefix, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        return if path.is_empty() { Vec::new() } else { vec![path.to_owned()] };
    };
    let (mut depth, mut items) = (0, vec![String::new()]);
    for c in group[..group.rfind('}').unwrap_or(group.len())].chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            items.push(String::new());
        } else {
            items.last_mut().unwrap().push(c);
        }
    }
    items
        .iter()
        .flat_map(|item| expanded(item))
        .map(|item| format!("{}{item}", prefix.trim()))
        .collect()
}

/// The code of a file, without comments and its module of tests.
fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn module(path: &str) -> Module {
    path.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
