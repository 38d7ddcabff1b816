//! A ref is built as in a clone of its own: nothing of the working tree or around it reaches a build, and
//! the user's repository gets nothing.

use std::{fs, path::Path, process::Command};

use perf_passport_compare::checkout::{CheckoutError, Reference, merge_base};

use crate::repository::{CONTRACT, LOCK, MANIFEST, Repository, printed};

const MAIN: &str = "main";

fn refusal(repository: &Repository, reference: &Reference) -> String {
    repository.checkout(reference).unwrap_err().to_string()
}

fn named(name: &str) -> Reference {
    Reference::Named(name.to_owned())
}

/// The test target prints this constant expression of the compiler.
fn says(repository: &Repository, expression: &str) {
    let text = format!("fn main() {{ println!(\"{{:?}}\", {expression}); }}\n");
    repository.write("pkg/gate.rs", &text);
}

#[test]
fn the_configuration_of_cargo_is_that_of_the_ref() {
    let repository = Repository::new();
    says(&repository, "(option_env!(\"OPS_SLOW\"), cfg!(fast))");
    repository.commit();
    repository.git(&["branch", "before"]);
    let configuration = "[env]\nOPS_SLOW = \"1\"\n[build]\nrustflags = [\"--cfg\", \"fast\"]\n";
    // In the package, and in the directory of the repository around it.
    for place in ["pkg/.cargo/config.toml", ".cargo/config.toml"] {
        repository.write(place, configuration);
        let before = repository.named("before").unwrap();
        assert_eq!(printed(&before), "(None, false)", "{place}");
        let after = repository.checkout(&Reference::WorkingTree).unwrap();
        assert_eq!(printed(&after), "(Some(\"1\"), true)", "{place}");
        fs::remove_file(repository.path(place)).unwrap();
    }
}

#[test]
fn configurations_that_cannot_be_merged_are_not() {
    let repository = Repository::new();
    repository.write(".cargo/config.toml", "[alias]\nxt = [\"build\"]\n");
    repository.commit();
    repository.git(&["branch", "before"]);
    repository.write(".cargo/config.toml", "[alias]\nxt = \"build\"\n");
    repository.commit();
    assert_eq!(printed(&repository.named("before").unwrap()), "one 2");
    assert_eq!(printed(&repository.named(MAIN).unwrap()), "one 2");
}

/// The toolchains that rustup has, as it calls them.
fn toolchains() -> Vec<String> {
    let Ok(output) = Command::new("rustup").args(["toolchain", "list", "--quiet"]).output() else {
        return Vec::new();
    };
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn the_toolchain_is_that_of_the_ref() {
    let repository = Repository::new();
    says(&repository, "env!(\"RUSTUP_TOOLCHAIN\")");
    repository.commit();
    repository.git(&["branch", "before"]);
    let before = |repository: &Repository| printed(&repository.named("before").unwrap());
    let toolchains = toolchains();
    let (Some(one), true) = (toolchains.first(), toolchains.len() > 1) else {
        println!("MISSING: two toolchains of rustup");
        return;
    };
    let usual = before(&repository);
    let other = toolchains.iter().find(|it| format!("{it:?}") != usual).unwrap_or(one);
    // Only in the working tree, and not ignored.
    repository.write("rust-toolchain.toml", &format!("[toolchain]\nchannel = \"{other}\"\n"));
    assert_eq!(before(&repository), usual);
    let after = printed(&repository.checkout(&Reference::WorkingTree).unwrap());
    assert_eq!(after, format!("{other:?}"));
}

#[test]
fn a_package_is_in_the_workspace_of_its_ref() {
    let repository = Repository::new();
    // Without `[workspace]`, in a repository that has none around it.
    repository.write("pkg/Cargo.toml", &MANIFEST.replace("[workspace]\n", ""));
    repository.commit();
    repository.git(&["branch", "before"]);
    repository.write("Cargo.toml", "[workspace]\nmembers = [\"other\"]\n");
    repository.write("other/Cargo.toml", "[package]\nname = \"other\"\nversion = \"0.1.0\"\n");
    repository.write("other/src/lib.rs", "");
    assert_eq!(printed(&repository.named("before").unwrap()), "one 2");
    // Here it is in no workspace that has it, which cargo says.
    let refused = refusal(&repository, &Reference::WorkingTree);
    assert!(refused.contains("believes it's in a workspace when it's not"), "{refused}");
    assert!(!refused.contains("perf-passport-source"), "{refused}");
}

/// Writes a package beside the repository, whose function says this.
fn beside(repository: &Repository, name: &str, word: &str, dependencies: &str) {
    let place = format!("../{name}");
    let manifest = "[package]\nname = \"dep\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    repository.write(&format!("{place}/Cargo.toml"), &format!("{manifest}{dependencies}"));
    repository.write(
        &format!("{place}/src/lib.rs"),
        &format!("pub fn word() -> &'static str {{ \"{word}\" }}\n"),
    );
}

fn depends_on(repository: &Repository, path: &str) {
    let dependency = format!("[dependencies]\ndep = {{ path = \"{path}\" }}\n\n[workspace]");
    repository.write("pkg/Cargo.toml", &MANIFEST.replace("[workspace]", &dependency));
    repository.write("pkg/.gitignore", "target\nCargo.lock\n");
    says(repository, "dep::word()");
}

#[test]
fn a_dependency_beside_the_repository_is_used_as_it_is() {
    let repository = Repository::nested();
    beside(&repository, "dep", "first", "");
    depends_on(&repository, "../../dep");
    fs::remove_file(repository.path("pkg/Cargo.lock")).unwrap();
    repository.commit();
    let first = repository.named(MAIN).unwrap();
    assert_eq!(printed(&first), "\"first\"");
    let said = repository.said.borrow().join("\n");
    assert!(said.contains("`../../dep` is outside of the repository"), "{said}");
    assert_eq!(repository.named(MAIN).unwrap(), first);
    assert!(!repository.built());
    // What is there now is another build of the same source.
    beside(&repository, "dep", "another", "");
    let another = repository.named(MAIN).unwrap();
    assert_eq!(printed(&another), "\"another\"");
    assert_eq!(another.tree, first.tree);
    assert_ne!(another.outside, first.outside);
    // And what it depends on itself, beside it.
    beside(&repository, "dep", "with", "[dependencies]\nfurther = { path = \"../further\" }\n");
    beside(&repository, "further", "further", "");
    let further = "[package]\nname = \"further\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    repository.write("../further/Cargo.toml", further);
    assert_eq!(printed(&repository.named(MAIN).unwrap()), "\"with\"");
    // A ref that needs none of it sees none of it.
    repository.write("pkg/Cargo.toml", MANIFEST);
    says(&repository, "\"alone\"");
    repository.commit();
    let alone = repository.named(MAIN).unwrap();
    assert_eq!((printed(&alone).as_str(), alone.outside.as_str()), ("\"alone\"", ""));
    let around = repository.source("..");
    assert_eq!(fs::read_dir(around).unwrap().count(), 1);
}

#[test]
fn a_dependency_that_cannot_be_had_is_refused_before_anything_is_built() {
    let repository = Repository::nested();
    let refused = |path: &str| {
        depends_on(&repository, path);
        let _ = fs::remove_file(repository.path("pkg/Cargo.lock"));
        repository.commit();
        let refused = repository.named(MAIN).unwrap_err();
        assert!(matches!(refused, CheckoutError::Outside { .. }), "{refused}");
        assert!(!repository.built());
        refused.to_string()
    };
    let said = refused("../../nowhere");
    let expected =
        "`main` does not build: `pkg/Cargo.toml` names `../../nowhere`, which is not there";
    assert!(said.starts_with(expected), "{said}");
    repository.write("../Cargo.toml", "[package]\nname = \"dep\"\nversion = \"0.1.0\"\n");
    let said = refused("../..");
    assert!(said.contains("which contains the repository"), "{said}");
    let inside = repository.path("dep");
    beside(&repository, "repository/dep", "inside", "");
    let said = refused(inside.canonicalize().unwrap().to_str().unwrap());
    assert!(said.contains("the working tree by its absolute path"), "{said}");
    // What is only an example hinders nobody.
    repository.write("pkg/Cargo.toml", MANIFEST);
    repository.write("templates/Cargo.toml", "[dependencies]\nx = { path = \"../../nowhere\" }\n");
    repository.write("templates/broken/Cargo.toml", "{{ name }}");
    repository.says("one");
    repository.write("pkg/Cargo.lock", LOCK);
    repository.commit();
    assert_eq!(printed(&repository.named(MAIN).unwrap()), "one 2");
}

/// All files of a directory with their sizes.
fn listing(directory: &Path) -> Vec<(String, u64)> {
    let mut files = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            match entry.metadata().unwrap() {
                metadata if metadata.is_dir() => left.push(entry.path()),
                metadata => files.push((entry.path().display().to_string(), metadata.len())),
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_users_repository_gets_nothing_and_a_large_file_is_named() {
    let repository = Repository::new();
    let before = listing(&repository.path(".git"));
    repository.write("pkg/data.bin", &"x".repeat(11_000_000));
    repository.says("dirty");
    let dirty = repository.checkout(&Reference::WorkingTree).unwrap();
    assert_eq!(printed(&dirty), "dirty 2");
    assert_eq!(listing(&repository.path(".git")), before);
    assert!(!repository.path("pkg/target").exists());
    let said = repository.said.borrow().join("\n");
    assert!(said.contains("`pkg/data.bin` (11 MB) is new and not ignored"), "{said}");

    // Sparse, so that it takes no space here.
    fs::File::create(repository.path("huge.bin")).unwrap().set_len(600_000_000).unwrap();
    let refused = refusal(&repository, &Reference::WorkingTree);
    let expected = "new files of the working tree are too large to be its source (611 MB): add \
                    `huge.bin` (600 MB) to .gitignore, or to git";
    assert_eq!(refused, expected);
    repository.write(".gitignore", "huge.bin\n");
    assert_eq!(printed(&repository.checkout(&Reference::WorkingTree).unwrap()), "dirty 2");
}

#[test]
fn a_lock_file_that_does_not_fit_is_told() {
    let repository = Repository::new();
    repository.write("pkg/Cargo.lock", &LOCK.replace("0.1.0", "0.0.9"));
    repository.commit();
    let refused = refusal(&repository, &named(MAIN));
    assert!(refused.starts_with("`main` has a Cargo.lock that does not fit"), "{refused}");
    assert!(refused.contains("run `cargo update --workspace`"), "{refused}");
    assert!(!repository.built());
}

#[test]
fn a_branch_that_only_a_remote_has_is_named_and_a_shallow_clone_too() {
    let origin = Repository::new();
    origin.git(&["branch", "released"]);
    origin.says("two");
    origin.commit();
    let clone = Repository::clone_of(&origin, &["--branch", "released"]);
    clone.git(&["checkout", "--quiet", "--detach"]);
    let said = refusal(&clone, &named(MAIN));
    assert_eq!(said, "`main` is no branch, tag or commit here: `origin/main` is, give that");
    assert_eq!(printed(&clone.named("origin/main").unwrap()), "two 2");
    let said = refusal(&clone, &named("other"));
    assert_eq!(said, "`other` is no branch, tag or commit here");

    let shallow = Repository::clone_of(&origin, &["--depth", "1"]);
    for name in ["released", "main~1"] {
        let said = refusal(&shallow, &named(name));
        assert!(said.contains("`fetch-depth: 0`"), "{said}");
    }
    shallow.git(&["checkout", "--quiet", "--orphan", "alone"]);
    shallow.git(&["commit", "--quiet", "--message", "alone"]);
    let said = merge_base(shallow.directory.path(), MAIN, "alone").unwrap_err().to_string();
    assert!(said.contains("have no common ancestor: this clone is shallow"), "{said}");
    // What is there is built, with a commit around it.
    assert_eq!(printed(&shallow.named(MAIN).unwrap()), "two 2");
}

#[test]
fn submodules_are_part_of_the_source() {
    let library = Repository::new();
    library.write("pkg/data.txt", "of the submodule");
    let first = library.commit();
    let repository = Repository::new();
    let url = library.directory.path().to_str().unwrap().to_owned();
    let allow = ["-c", "protocol.file.allow=always", "submodule"];
    repository.git(&[&allow[..], &["add", "--quiet", &url, "lib x/sub"]].concat());
    says(&repository, "include_str!(\"../lib x/sub/pkg/data.txt\")");
    repository.commit();
    repository.git(&["branch", "before"]);
    assert_eq!(printed(&repository.named("before").unwrap()), "\"of the submodule\"");

    // As it is in the working tree, where it is dirty; its repository gets nothing.
    repository.write("lib x/sub/pkg/data.txt", "dirty");
    let objects = listing(&repository.path(".git"));
    let dirty = repository.checkout(&Reference::WorkingTree).unwrap();
    assert_eq!(printed(&dirty), "\"dirty\"");
    assert!(dirty.dirty);
    assert_eq!(listing(&repository.path(".git")), objects);
    assert_eq!(printed(&repository.named("before").unwrap()), "\"of the submodule\"");
    // The copy that a worker is started in has it too.
    let copy = dirty.side.directory.join("../lib x/sub/pkg/data.txt");
    assert_eq!(fs::read_to_string(copy).unwrap(), "dirty");

    // A ref without it.
    repository.git(&["rm", "--quiet", "--force", "lib x/sub"]);
    repository.says("none");
    repository.commit();
    assert_eq!(printed(&repository.named(MAIN).unwrap()), "none 2");
    assert!(!repository.source("lib x").exists());
    assert_eq!(printed(&repository.named("before").unwrap()), "\"of the submodule\"");

    // A commit of it that is not here.
    library.write("pkg/data.txt", "newer");
    let newer = library.commit();
    repository.git(&["checkout", "--quiet", "before"]);
    let entry = format!("160000,{newer},lib x/sub");
    repository.git(&["update-index", "--cacheinfo", &entry]);
    repository.git(&["commit", "--quiet", "--message", "newer"]);
    let refused = refusal(&repository, &named("HEAD"));
    assert!(
        refused.contains(&format!("`HEAD` needs commit {newer} of the submodule `lib x/sub`")),
        "{refused}"
    );
    assert!(refused.contains("fetch origin"), "{refused}");
    assert_ne!(first, newer);

    // Where nobody has it, it is empty as in a clone, and named when cargo misses it.
    let dependency =
        "[dependencies]\ntiny2 = { path = \"../lib x/sub/pkg\", package = \"tiny\" }\n\n";
    let manifest = MANIFEST.replace("name = \"tiny\"", "name = \"user\"");
    repository.write(
        "pkg/Cargo.toml",
        &manifest.replace("[workspace]", &format!("{dependency}[workspace]")),
    );
    fs::remove_file(repository.path("pkg/Cargo.lock")).unwrap();
    repository.commit();
    let clone = Repository::clone_of(&repository, &[]);
    let refused = refusal(&clone, &named("HEAD"));
    assert!(
        refused.contains("the submodule `lib x/sub` is empty: run `git submodule update"),
        "{refused}"
    );
}

#[test]
fn pointers_of_lfs_are_no_content() {
    let repository = Repository::new();
    repository.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 7\n",
        "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5"
    );
    repository.write("pkg/data.bin", &pointer);
    // As where git-lfs is not installed.
    let without = ["clean", "smudge", "process"].map(|it| format!("filter.lfs.{it}"));
    for key in &without {
        repository.git(&["config", key, ""]);
    }
    repository.git(&["config", "filter.lfs.required", "false"]);
    repository.commit();
    let refused = refusal(&repository, &named(MAIN));
    let expected = "`main` keeps `pkg/data.bin` in git LFS and its content is not here: run `git lfs \
                    install`";
    assert!(refused.starts_with(expected), "{refused}");
    assert!(!repository.built());
    // With it, its content is there: `payload`.
    if !Command::new("git").args(["lfs", "version"]).output().unwrap().status.success() {
        println!("MISSING: git-lfs");
        return;
    }
    for key in &without {
        repository.git(&["config", "--unset", key]);
    }
    repository.git(&["config", "--unset", "filter.lfs.required"]);
    repository.git(&["lfs", "install", "--local"]);
    repository.write(
        ".git/lfs/objects/23/9f/239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5",
        "payload",
    );
    says(&repository, "include_str!(\"data.bin\")");
    repository.commit();
    assert_eq!(printed(&repository.named(MAIN).unwrap()), "\"payload\"");
}

/// Build scripts ask git where they are.
#[test]
fn a_build_script_finds_the_commit_and_its_tags() {
    let repository = Repository::new();
    repository.write(
        "pkg/build.rs",
        "fn main() {\n\
         let git = std::process::Command::new(\"git\").args([\"describe\", \"--tags\"]).output().unwrap();\n\
         println!(\"cargo:rustc-env=DESCRIBED={}\", String::from_utf8(git.stdout).unwrap().trim());\n\
         }\n",
    );
    says(&repository, "env!(\"DESCRIBED\")");
    repository.commit();
    repository.git(&["tag", "v1"]);
    assert_eq!(printed(&repository.named(MAIN).unwrap()), "\"v1\"");
    repository.write("more.txt", CONTRACT);
    let commit = repository.commit();
    let described = printed(&repository.named(MAIN).unwrap());
    assert_eq!(described, format!("\"v1-1-g{}\"", &commit[..7]));
}
