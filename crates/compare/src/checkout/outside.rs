//! Directories outside of the repository that its source names: path dependencies such as `../other`.
//!
//! A ref is checked out somewhere else, below directories that are called as those around the
//! repository are. There, links lead to the directories that are named. So a relative path means what
//! it means in the working tree. What was there when a ref was made nobody knows: each ref is built
//! with what is there now. Nothing else of what is around the repository can be seen from a build.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Component, Path, PathBuf},
};

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::{CheckoutError, error::at};

/// Files that name directories.
pub(super) const NAMING: [&str; 3] =
    [":(glob)**/Cargo.toml", ":(glob)**/.cargo/config.toml", ":(glob)**/.cargo/config"];

/// A path in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    /// The file, below the repository or as it is.
    manifest: PathBuf,
    /// The path as written.
    path: String,
}

/// What a source names outside of its repository.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// The directories, and who names them.
    directories: BTreeMap<PathBuf, Named>,
    /// What cannot be had.
    broken: Vec<Broken>,
}

/// A directory that cannot be had.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Broken {
    named: Named,
    directory: PathBuf,
    problem: &'static str,
}

impl Broken {
    fn refusal(&self, reference: &str) -> CheckoutError {
        CheckoutError::Outside {
            reference: reference.to_owned(),
            manifest: self.named.manifest.display().to_string(),
            path: self.named.path.clone(),
            problem: self.problem,
        }
    }
}

const AROUND: &str = "contains the repository: to depend on what is around it, move that into a \
                      repository, or compare executables that you build (--baseline-exe)";
const MISSING: &str = "is not there: relative paths start at the working tree's place";
const ABSOLUTE: &str = "is the working tree by its absolute path: make it a relative one";

impl Outside {
    /// What these files name, which are of a checked out `source` of the repository at `top`.
    pub(super) fn of(files: &[PathBuf], source: &Path, top: &Path) -> Self {
        let mut outside = Self::default();
        let mut names = Vec::new();
        for file in files {
            let Ok(below) = file.strip_prefix(source) else { continue };
            let Ok(text) = fs::read_to_string(file) else { continue };
            names.extend(
                named_in(&text, &top.join(below))
                    .into_iter()
                    .map(|path| (top.join(below), Named { manifest: below.to_owned(), path })),
            );
        }
        let mut read = BTreeSet::new();
        while let Some((file, named)) = names.pop() {
            let written = Path::new(&named.path);
            let Some(path) = lexical(&base_of(&file).join(written)) else { continue };
            let problem = if path.starts_with(top) {
                written.is_absolute().then_some(ABSOLUTE)
            } else if top.starts_with(&path) {
                Some(AROUND)
            } else {
                (!path.is_dir()).then_some(MISSING)
            };
            if let Some(problem) = problem {
                outside.broken.push(Broken { named, directory: path, problem });
            } else if !path.starts_with(top) {
                // What it depends on itself, also by its workspace.
                let around = path.ancestors().take_while(|it| !top.starts_with(it));
                for manifest in around.map(|it| it.join("Cargo.toml")) {
                    if let Ok(text) = fs::read_to_string(&manifest)
                        && read.insert(manifest.clone())
                    {
                        names.extend(named_in(&text, &manifest).into_iter().map(|path| {
                            (manifest.clone(), Named { manifest: manifest.clone(), path })
                        }));
                    }
                }
                outside.directories.entry(path).or_insert(named);
            }
        }
        outside.broken.sort();
        outside
    }

    /// The directories, as the repository writes them; those that another one outside names, as they are.
    /// What is below one of them goes without saying.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let is_below = |directory: &Path| {
            directory.ancestors().skip(1).any(|it| self.directories.contains_key(it))
        };
        let names = self.directories.iter().filter(|(directory, _)| !is_below(directory));
        let name = |(directory, named): (&PathBuf, &Named)| {
            let is_ours = named.manifest.is_relative();
            if is_ours { named.path.clone() } else { directory.display().to_string() }
        };
        names.map(name).collect()
    }

    /// The refusal of a source that names the user's working tree.
    pub(super) fn working_tree_itself(&self, reference: &str) -> Option<CheckoutError> {
        self.broken.iter().find(|it| it.problem == ABSOLUTE).map(|it| it.refusal(reference))
    }

    /// What cannot be had and so made cargo fail, if that is what this message is about. `around` is what
    /// the root directory is to a build.
    pub(super) fn problem(
        &self,
        reference: &str,
        around: &Path,
        message: &str,
    ) -> Option<CheckoutError> {
        let is_about = |it: &&Broken| {
            let path = seen_from(around, &it.directory).join("Cargo.toml");
            message.contains(&*path.to_string_lossy())
        };
        self.broken.iter().find(is_about).map(|it| it.refusal(reference))
    }

    /// Links to the directories, from the place where the repository at `top` is checked out. `around`
    /// is what the root directory is there. Links of an earlier ref are removed.
    pub(super) fn link(&self, around: &Path, top: &Path) -> Result<(), CheckoutError> {
        let inside = |path: &Path| seen_from(around, path);
        for directory in top.ancestors().skip(1).map(inside) {
            for entry in fs::read_dir(&directory).map_err(at(&directory))? {
                let entry = entry.map_err(at(&directory))?;
                if entry.file_type().map_err(at(&directory))?.is_symlink() {
                    fs::remove_file(entry.path()).map_err(at(entry.path()))?;
                }
            }
        }
        for path in self.directories.keys() {
            // The first of the directories that is not around the repository too.
            let Some(first) = path.ancestors().filter(|it| !top.starts_with(it)).last() else {
                continue;
            };
            let link = inside(first);
            match std::os::unix::fs::symlink(first, &link) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(at(link)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is in the directories now: names, sizes and times of all files but those that cargo and git
    /// wrote. Empty when there are no directories.
    pub(super) fn digest(&self) -> Vec<u8> {
        if self.directories.is_empty() {
            return Vec::new();
        }
        let mut digest = Sha256::new();
        let mut left: Vec<PathBuf> = self.directories.keys().rev().cloned().collect();
        while let Some(path) = left.pop() {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            digest.update((path.as_os_str().len() as u64).to_le_bytes());
            digest.update(path.as_os_str().as_bytes());
            if !metadata.is_dir() {
                digest.update(metadata.len().to_le_bytes());
                digest.update(metadata.mtime().to_le_bytes());
                digest.update(metadata.mtime_nsec().to_le_bytes());
            } else if !path.join("CACHEDIR.TAG").exists() && !path.ends_with(".git") {
                let entries = fs::read_dir(&path).into_iter().flatten().flatten();
                let mut entries: Vec<PathBuf> = entries.map(|it| it.path()).collect();
                entries.sort();
                left.extend(entries.into_iter().rev());
            }
        }
        digest.finalize().to_vec()
    }
}

/// Where a path is when the root directory is `around`.
fn seen_from(around: &Path, path: &Path) -> PathBuf {
    around.join(path.strip_prefix("/").unwrap_or(path))
}

/// The directory that paths in a file start from: of a configuration that around its `.cargo`.
fn base_of(file: &Path) -> &Path {
    let parent = file.parent().unwrap_or(file);
    if parent.ends_with(".cargo") { parent.parent().unwrap_or(parent) } else { parent }
}

/// The path without `.` and `..`, as cargo reads it; `None` when it leads above the root.
fn lexical(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => plain.pop().then_some(())?,
            other => plain.push(other),
        }
    }
    Some(plain)
}

/// The paths that a manifest or a configuration of cargo names. What cannot be read names none: cargo
/// says what is wrong with it, should it be needed.
fn named_in(text: &str, file: &Path) -> Vec<String> {
    let Ok(table) = text.parse::<Table>() else { return Vec::new() };
    let mut paths = Vec::new();
    if file.ends_with("Cargo.toml") {
        of_manifest(&table, &mut paths);
    } else {
        for source in tables(table.get("source")) {
            paths.extend(
                ["directory", "local-registry"].iter().filter_map(|it| text_at(source, it)),
            );
        }
        let overridden = table.get("paths").and_then(Value::as_array).into_iter().flatten();
        paths.extend(overridden.filter_map(|it| Some(it.as_str()?.to_owned())));
    }
    for patched in tables(table.get("patch")) {
        of_dependencies(patched, &mut paths);
    }
    paths
}

fn of_manifest(table: &Table, paths: &mut Vec<String>) {
    let targets = tables(table.get("target"));
    let workspace = table.get("workspace").and_then(Value::as_table);
    for table in std::iter::once(table).chain(targets).chain(workspace) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies", "replace"] {
            if let Some(Value::Table(dependencies)) = table.get(kind) {
                of_dependencies(dependencies, paths);
            }
        }
    }
    let package = table.get("package").and_then(Value::as_table);
    paths.extend(package.and_then(|it| text_at(it, "workspace")));
    let members = workspace.and_then(|it| it.get("members")?.as_array()).into_iter().flatten();
    paths.extend(members.filter_map(|it| Some(it.as_str()?.to_owned())));
}

fn of_dependencies(dependencies: &Table, paths: &mut Vec<String>) {
    let tables = dependencies.values().filter_map(Value::as_table);
    paths.extend(tables.filter_map(|it| text_at(it, "path")));
}

fn text_at(table: &Table, key: &str) -> Option<String> {
    Some(table.get(key)?.as_str()?.to_owned())
}

/// The tables in a table.
fn tables(value: Option<&Value>) -> impl Iterator<Item = &Table> {
    value.and_then(Value::as_table).into_iter().flatten().filter_map(|(_, it)| it.as_table())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_beside_the_repository_is_named_once_and_what_it_needs_by_its_place() {
        let around = tempfile::tempdir().unwrap();
        let around = around.path().canonicalize().unwrap();
        let write = |file: &str, text: &str| {
            let path = around.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let depends = |paths: &[&str]| {
            let depend = |(number, path)| format!("d{number} = {{ path = \"{path}\" }}\n");
            let lines: String = paths.iter().enumerate().map(depend).collect();
            format!("[dependencies]\n{lines}")
        };
        write("shop/Cargo.toml", &depends(&["../library"]));
        write("library/Cargo.toml", &depends(&["crates/a", "crates/b", "../other"]));
        write("library/crates/a/Cargo.toml", "");
        write("library/crates/b/Cargo.toml", &depends(&["../a"]));
        write("other/Cargo.toml", "");
        let shop = around.join("shop");
        let outside = Outside::of(&[shop.join("Cargo.toml")], &shop, &shop);
        let other = around.join("other").display().to_string();
        assert_eq!(outside.names(), BTreeSet::from(["../library".to_owned(), other]));
    }

    #[test]
    fn all_that_names_a_directory_is_found() {
        let manifest = "[package]\nworkspace = \"a\"\n[dependencies]\nx = \"1\"\nb.path = \"b\"\n\
            [dev-dependencies]\nc = { path = \"c\" }\n[target.'cfg(unix)'.build-dependencies]\n\
            d = { path = \"d\" }\n[patch.crates-io]\ne = { path = \"e\" }\n[replace]\n\
            \"f:1.0.0\" = { path = \"f\" }\n[workspace]\nmembers = [\"g\"]\n\
            [workspace.dependencies]\nh = { path = \"h\" }\n[package.metadata]\npath = \"not\"\n";
        let mut names = named_in(manifest, Path::new("/r/Cargo.toml"));
        names.sort();
        assert_eq!(names.concat(), "abcdefgh");
        let configuration = "paths = [\"a\"]\n[source.x]\ndirectory = \"b\"\n[source.y]\n\
            local-registry = \"c\"\n[patch.crates-io]\nz = { path = \"d\" }\n";
        let mut names = named_in(configuration, Path::new("/r/.cargo/config.toml"));
        names.sort();
        assert_eq!(names.concat(), "abcd");
        for broken in ["", "{{ x }}", "dependencies = 1", "[dependencies]\nx = { path = 1 }"] {
            assert!(named_in(broken, Path::new("/r/Cargo.toml")).is_empty(), "{broken}");
        }
    }

    #[test]
    fn paths_are_read_as_cargo_does() {
        let read = |path: &str| lexical(Path::new(path));
        assert_eq!(read("/a/b/../c/./d"), Some(PathBuf::from("/a/c/d")));
        assert_eq!(read("/a/../../b"), None);
        assert_eq!(base_of(Path::new("/r/.cargo/config.toml")), Path::new("/r"));
        assert_eq!(base_of(Path::new("/r/a/Cargo.toml")), Path::new("/r/a"));
    }
}
