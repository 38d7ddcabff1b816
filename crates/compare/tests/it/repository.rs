//! A git repository with a package without dependencies, and how its refs are built.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use perf_passport_compare::checkout::{CheckoutError, Project, RefBuild, Reference, checkout};
use tempfile::TempDir;

pub(crate) const CONTRACT: &str = "schema_version = 1\n";

pub(crate) const MANIFEST: &str = "\
[package]
name = \"tiny\"
version = \"0.1.0\"
edition = \"2021\"

[features]
measured = []

[[test]]
name = \"gate\"
path = \"gate.rs\"
harness = false
required-features = [\"measured\"]

[workspace]
";

pub(crate) const LOCK: &str = "version = 3\n\n[[package]]\nname = \"tiny\"\nversion = \"0.1.0\"\n";

/// A repository whose package, in a directory of it, has a test target that prints a word and the
/// length of a file.
pub(crate) struct Repository {
    pub(crate) directory: TempDir,
    /// The repository's directory in it.
    below: &'static str,
    /// Where refs are built.
    pub(crate) cache: TempDir,
    /// What the last checkout said.
    pub(crate) said: RefCell<Vec<String>>,
}

impl Repository {
    /// A repository with one commit.
    pub(crate) fn new() -> Self {
        Self::below("")
    }

    /// A repository in a directory, so that there can be something beside it.
    pub(crate) fn nested() -> Self {
        Self::below("repository")
    }

    fn below(below: &'static str) -> Self {
        let repository = Self::empty(below);
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository.write("pkg/Cargo.toml", MANIFEST);
        repository.write("pkg/Cargo.lock", LOCK);
        repository.write("pkg/src/lib.rs", "");
        repository.write("pkg/passport.toml", CONTRACT);
        repository.write("pkg/data.txt", "1");
        repository.write("pkg/.gitignore", "target\n");
        repository.says("one");
        repository.commit();
        repository
    }

    /// A clone of another, made with these options.
    pub(crate) fn clone_of(other: &Self, options: &[&str]) -> Self {
        let repository = Self::empty("");
        let url = format!("file://{}", other.path("").display());
        repository.git(&[&["clone", "--quiet"], options, &[&url, "."]].concat());
        repository
    }

    fn empty(below: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join(below)).unwrap();
        Self { directory, below, cache: tempfile::tempdir().unwrap(), said: RefCell::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(self.below).join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Changes what the test target prints.
    pub(crate) fn says(&self, word: &str) {
        let text = "fn main() { println!(\"WORD {}\", include_str!(\"data.txt\").len() + \
                    std::fs::read(\"data.txt\").unwrap().len()); }\n";
        self.write("pkg/gate.rs", &text.replace("WORD", word));
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=b", "-c", "commit.gpgSign=false"]);
        let output = command.args(arguments).current_dir(self.path("")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "a change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(crate) fn checkout(&self, reference: &Reference) -> Result<RefBuild, CheckoutError> {
        self.checkout_of("gate", reference, &|| false)
    }

    pub(crate) fn named(&self, name: &str) -> Result<RefBuild, CheckoutError> {
        self.checkout(&Reference::Named(name.to_owned()))
    }

    pub(crate) fn checkout_of(
        &self,
        harness: &str,
        reference: &Reference,
        stop: &dyn Fn() -> bool,
    ) -> Result<RefBuild, CheckoutError> {
        let contract = self.path("pkg/passport.toml");
        let project = self.project(&contract, harness);
        self.said.borrow_mut().clear();
        checkout(&project, reference, stop, &mut |line| {
            self.said.borrow_mut().push(line.to_owned());
        })
    }

    /// What is built in the directory of this contract.
    pub(crate) fn project<'a>(&'a self, contract: &'a Path, harness: &'a str) -> Project<'a> {
        Project {
            repository: contract.parent().unwrap(),
            contract,
            harness,
            written: None,
            cache: Some(self.cache.path()),
        }
    }

    /// A file or directory where the refs of this repository are built.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        let places = fs::read_dir(self.cache.path().join("perf-passport")).unwrap();
        let places: Vec<PathBuf> = places.map(|it| it.unwrap().path()).collect();
        assert_eq!(places.len(), 1, "{places:?}");
        places[0].join(name)
    }

    /// A file of the source that is checked out.
    pub(crate) fn source(&self, name: &str) -> PathBuf {
        let top = self.path("").canonicalize().unwrap();
        let levels = top.components().count() - 1;
        let around = self.place(&format!("perf-passport-source-{levels}"));
        around.join(top.strip_prefix("/").unwrap()).join(name)
    }

    /// Whether cargo was run to build in the last checkout.
    pub(crate) fn built(&self) -> bool {
        self.said.borrow().iter().any(|line| line.contains("Compiling"))
    }

    /// The index, and what git says of the working tree.
    pub(crate) fn state(&self) -> (Vec<u8>, String, String) {
        let index = fs::read(self.path(".git/index")).unwrap();
        (index, self.git(&["status", "--porcelain"]), self.git(&["for-each-ref"]))
    }
}

/// What the executable prints, started as a worker is.
pub(crate) fn printed(build: &RefBuild) -> String {
    let mut command = Command::new(&build.side.executable);
    let output = command.current_dir(&build.side.directory).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
