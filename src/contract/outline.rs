//! A first contract, as text: paths to ask for and pieces of code, and all else by default.
//!
//! [`ContractOutline::to_toml`] writes what a person would begin with. It parses, and holds the default
//! budgets.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{SCHEMA_VERSION, path_problem};
use crate::text::escaped;

/// The longest name that is made of a path; a number may come after it.
const NAME_LENGTH_MAX: usize = 60;

/// What a first contract names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContractOutline {
    /// What is under contract; any text, of which a name is made.
    pub name: String,
    /// Lines of a comment at the head, without `#`.
    pub comment: Vec<String>,
    /// The base URL of a running service.
    pub url: Option<String>,
    /// The endpoints, each a check.
    pub endpoints: Vec<OutlinedEndpoint>,
    /// Operations, and the benchmarks that measure them.
    pub operations: Vec<OutlinedOperation>,
}

/// An endpoint of a first contract: a GET of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlinedEndpoint {
    /// Path and query.
    pub path: String,
    /// The status that is expected.
    pub status: u16,
    /// JSON pointers of what differs from one response to the next.
    pub ignore: Vec<String>,
}

impl OutlinedEndpoint {
    /// A GET of this path that is answered with 200, and always alike.
    pub fn of(path: impl Into<String>) -> Self {
        Self { path: path.into(), status: 200, ignore: Vec::new() }
    }
}

/// An operation of a first contract.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlinedOperation {
    /// The name that another tool has for it; any text.
    pub benchmark: String,
    /// Milliseconds of the budget of its mean time.
    pub mean_ms_max: Option<f64>,
    /// The budget of its allocations: an iteration has less.
    pub allocations_max: Option<u64>,
    /// The budget of its instructions: a run has less.
    pub instructions_max: Option<u64>,
}

impl ContractOutline {
    /// GETs of these paths that are answered with 200, each path once.
    ///
    /// # Errors
    ///
    /// What is wrong with a path.
    pub fn of_paths(name: &str, paths: &[String]) -> Result<Self, String> {
        let mut known = BTreeSet::new();
        let mut endpoints = Vec::new();
        for path in paths {
            if let Some(problem) = path_problem(path) {
                return Err(format!("path `{}` {problem}", path.escape_default()));
            }
            if known.insert(path) {
                endpoints.push(OutlinedEndpoint::of(path));
            }
        }
        Ok(Self { name: name.to_owned(), endpoints, ..Self::default() })
    }

    /// The text of the contract.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        for line in &self.comment {
            let _ = writeln!(out, "# {}", escaped(line));
        }
        let name = name_of(&self.name, "service");
        let _ = writeln!(out, "schema_version = {SCHEMA_VERSION}\nname = \"{name}\"");
        if let Some(url) = &self.url {
            let _ = writeln!(out, "\n[target]\nurl = {}", quoted(url));
        }
        let mut names = BTreeSet::new();
        for endpoint in &self.endpoints {
            let name = unique(&mut names, name_of(&endpoint.path, "root"));
            let _ = writeln!(out, "\n[[endpoint]]\nname = \"{name}\"");
            let _ = writeln!(out, "path = {}", quoted(&endpoint.path));
            if endpoint.status != 200 {
                let _ = writeln!(out, "status = {}", endpoint.status);
            }
            if !endpoint.ignore.is_empty() {
                let ignored: Vec<String> = endpoint.ignore.iter().map(|it| quoted(it)).collect();
                let _ = writeln!(out, "ignore = [{}]", ignored.join(", "));
            }
        }
        let mut names = BTreeSet::new();
        for operation in &self.operations {
            let name = unique(&mut names, name_of(&operation.benchmark, "operation"));
            let _ = writeln!(out, "\n[[operation]]\nname = \"{name}\"");
            if name != operation.benchmark {
                let _ = writeln!(out, "benchmark = {}", quoted(&operation.benchmark));
            }
            let mean = operation.mean_ms_max.map(|it| format!("mean_ms_max = {it}"));
            let allocations = operation.allocations_max.map(|it| format!("allocations_max = {it}"));
            let instructions =
                operation.instructions_max.map(|it| format!("instructions_max = {it}"));
            let budgets: Vec<String> =
                mean.into_iter().chain(allocations).chain(instructions).collect();
            let _ = writeln!(out, "budgets = {{ {} }}", budgets.join(", "));
        }
        out
    }
}

/// A name of the characters of a text that a name can have.
fn name_of(text: &str, otherwise: &str) -> String {
    let mut name = String::new();
    for c in text.chars().map(|it| it.to_ascii_lowercase()) {
        let plain = c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c);
        if plain {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(NAME_LENGTH_MAX);
    let name = name.trim_end_matches('-');
    if name.is_empty() { otherwise.to_owned() } else { name.to_owned() }
}

/// The name, with a number where it is taken.
fn unique(names: &mut BTreeSet<String>, name: String) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|it| !names.contains(it));
    let free = free.unwrap_or(name);
    names.insert(free.clone());
    free
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c == ' ' || c.is_ascii_graphic() => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    fn parsed(outline: &ContractOutline) -> Contract {
        let text = outline.to_toml();
        Contract::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn paths_are_endpoints_with_names_of_their_own() {
        let paths = ["/", "/health", "/Health", "/a/b?c=\"d\"", "/health", "/%20", "//"];
        let outline = ContractOutline::of_paths("My Service!", &paths.map(str::to_owned)).unwrap();
        let contract = parsed(&outline);
        assert_eq!(contract.name, "my-service");
        let ids: Vec<String> = contract.checks.iter().map(|it| it.endpoint.clone()).collect();
        assert_eq!(ids, ["root", "health", "health-2", "a-b-c-d", "20", "root-2"]);
        assert_eq!(contract.checks[3].requests[0].path, "/a/b?c=\"d\"");
        let long = format!("/{}", "a".repeat(100));
        parsed(&ContractOutline::of_paths("", &[long.clone(), format!("{long}b")]).unwrap());
    }

    #[test]
    fn a_path_that_cannot_be_sent_is_refused() {
        for (path, said) in [("health", "`health` must start with `/`"), ("/a b", "ASCII")] {
            let refused = ContractOutline::of_paths("a", &[path.to_owned()]).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let outline = ContractOutline {
            name: String::new(),
            comment: vec!["a\nname = \"b\"".to_owned()],
            url: Some("http://127.0.0.1:80/a".to_owned()),
            endpoints: vec![OutlinedEndpoint {
                path: "/gone".to_owned(),
                status: 404,
                ignore: vec!["/a\"b/*".to_owned(), "/c".to_owned()],
            }],
            operations: ["sum", "Sum/100", "sum 100", "a\"\\\n"]
                .map(|it| OutlinedOperation {
                    benchmark: it.to_owned(),
                    mean_ms_max: Some(0.25),
                    allocations_max: Some(4),
                    instructions_max: Some(900),
                })
                .to_vec(),
        };
        let contract = parsed(&outline);
        assert_eq!(contract.name, "service");
        assert_eq!(contract.document.target.url, outline.url);
        assert_eq!(contract.checks[0].requests[0].status, 404);
        assert_eq!(contract.checks[0].requests[0].ignore, outline.endpoints[0].ignore);
        let names: Vec<&str> = contract.operations.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["sum", "sum-100", "sum-100-2", "a"]);
        let benchmarks = contract.document.operation.iter().map(|it| it.benchmark.as_deref());
        let expected = [None, Some("Sum/100"), Some("sum 100"), Some("a\"\\\n")];
        assert_eq!(benchmarks.collect::<Vec<_>>(), expected);
    }
}
