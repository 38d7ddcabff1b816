//! Refs to executables, on repositories and packages of their own: real git, real cargo, and a
//! package without dependencies that builds in a moment.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use perf_passport_compare::checkout::{CheckoutError, Reference, checkout, merge_base};

use crate::repository::{CONTRACT, LOCK, MANIFEST, Repository, printed};

#[test]
fn refs_become_sides_that_keep_their_source_and_are_built_once() {
    let repository = Repository::new();
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["branch", "before"]);
    repository.says("two");
    repository.write("pkg/data.txt", "12");
    let contract = format!("{CONTRACT}name = \"second\"\n");
    repository.write("pkg/passport.toml", &contract);
    let second = repository.commit();

    let before = repository.named("before").unwrap();
    assert!(repository.built());
    let after = repository.named(&second[..12]).unwrap();
    assert!(repository.built());
    // The first is used after the second was built, and reads its own file.
    assert_eq!((printed(&before), printed(&after)), ("one 2".into(), "two 4".into()));
    assert_eq!((&before.commit, &after.commit), (&first, &second));
    assert_eq!(before.side.contract, CONTRACT);
    assert_eq!(after.side.contract, contract);
    assert_eq!(before.side.label, "before");
    assert!(!before.dirty && !after.dirty);
    assert_ne!(before.executable_sha256, after.executable_sha256);
    assert_eq!(before.tree, repository.git(&["rev-parse", "before^{tree}"]));

    assert_eq!(repository.named("before").unwrap(), before);
    assert!(!repository.built());

    // A damaged copy is not used, whatever the damage is.
    let executable = &before.side.executable;
    let directory = executable.parent().unwrap();
    let digest = directory.join("executable.sha256");
    let damages: [&dyn Fn(); 4] = [
        &|| fs::write(executable, "").unwrap(),
        &|| fs::set_permissions(executable, fs::Permissions::from_mode(0o644)).unwrap(),
        &|| {
            fs::remove_file(&digest).unwrap();
            assert!(Command::new("mkfifo").arg(&digest).status().unwrap().success());
        },
        &|| {
            fs::remove_dir_all(directory).unwrap();
            fs::write(directory, "").unwrap();
        },
    ];
    for damage in damages {
        damage();
        assert_eq!(repository.named("before").unwrap(), before);
        assert!(repository.built());
    }
}

#[test]
fn a_benchmark_is_built_where_no_test_target_has_the_name() {
    let repository = Repository::new();
    let as_bench = MANIFEST.replace("[[test]]", "[[bench]]");
    repository.write("pkg/Cargo.toml", &as_bench);
    // In a directory of the package, as beside the benchmark's source.
    repository.write("pkg/benches/passport.toml", CONTRACT);
    repository.commit();
    let build = repository.named("main").unwrap();
    assert_eq!(printed(&build), "one 2");
    let contract = repository.path("pkg/benches/passport.toml");
    let project = repository.project(&contract, "gate");
    let main = Reference::Named("main".to_owned());
    let build = checkout(&project, &main, &|| false, &mut |_| {}).unwrap();
    // The package's directory, where the target is started; what the contract names is beside it.
    assert_eq!(printed(&build), "one 2");
    assert!(build.side.files.join("passport.toml").is_file(), "{:?}", build.side.files);
    assert_eq!(build.side.files, build.side.directory.join("benches"));

    // Of two targets the test counts.
    let both =
        format!("{MANIFEST}[[bench]]\nname = \"gate\"\npath = \"other.rs\"\nharness = false\n");
    repository.write("pkg/Cargo.toml", &both);
    repository.write("pkg/other.rs", "fn main() { println!(\"other\"); }\n");
    repository.commit();
    assert_eq!(printed(&repository.named("main").unwrap()), "one 2");
    let bench = repository.checkout_of("bench:gate", &main, &|| false).unwrap();
    assert_eq!(printed(&bench), "other");
}

#[test]
fn equal_code_gives_equal_bytes_whatever_was_built_between() {
    let repository = Repository::new();
    let first = repository.named("main").unwrap();
    repository.says("two");
    repository.commit();
    let second = repository.named("main").unwrap();
    repository.says("one");
    repository.write("README.md", "nothing of the program's\n");
    repository.commit();
    let third = repository.named("main").unwrap();
    assert!(repository.built());
    assert_ne!(first.executable_sha256, second.executable_sha256);
    assert_eq!(first.executable_sha256, third.executable_sha256);
    assert_ne!(first.tree, third.tree);
}

#[test]
fn a_dirty_working_tree_is_compared_as_it_is_and_left_as_it_is() {
    let repository = Repository::new();
    let head = repository.git(&["rev-parse", "HEAD"]);
    let clean = repository.checkout(&Reference::WorkingTree).unwrap();
    assert!(!clean.dirty);
    assert_eq!(clean.tree, repository.git(&["rev-parse", "HEAD^{tree}"]));

    // Staged, not staged, new, ignored although tracked, gone, and ignored.
    repository.write("staged.txt", "staged");
    repository.write("pkg/target/tracked.txt", "tracked");
    repository.git(&["add", "staged.txt"]);
    repository.git(&["add", "--force", "pkg/target/tracked.txt"]);
    repository.says("dirty");
    repository.write("new.txt", "new");
    repository.write("pkg/target/ignored.txt", "ignored");
    let state = repository.state();
    let dirty = repository.checkout(&Reference::WorkingTree).unwrap();
    assert_eq!(repository.state(), state);
    assert!(dirty.dirty);
    assert_eq!(dirty.commit, head);
    assert_eq!(dirty.side.label, "working tree");
    assert_eq!(printed(&dirty), "dirty 2");
    // The tree is nowhere in the user's repository.
    let clone = format!("--git-dir={}", repository.place("clone").display());
    let files = repository.git(&[&clone, "ls-tree", "-r", "--name-only", &dirty.tree]);
    let expected = "new.txt\npkg/.gitignore\npkg/Cargo.lock\npkg/Cargo.toml\npkg/data.txt\n\
                    pkg/gate.rs\npkg/passport.toml\npkg/src/lib.rs\npkg/target/tracked.txt\n\
                    staged.txt";
    assert_eq!(files, expected);

    // The same again is the same tree, and a change of as many bytes at once another one.
    assert_eq!(repository.checkout(&Reference::WorkingTree).unwrap(), dirty);
    assert!(!repository.built());
    repository.says("dusty");
    assert_eq!(printed(&repository.checkout(&Reference::WorkingTree).unwrap()), "dusty 2");

    // A commit of it has the same tree.
    repository.says("dirty");
    repository.commit();
    assert_eq!(repository.named("HEAD").unwrap().executable_sha256, dirty.executable_sha256);
    assert!(!repository.built());
}

#[test]
fn what_cannot_be_built_is_told_in_a_sentence() {
    let repository = Repository::new();
    for name in ["nowhere", "", "-h", "--all", "^main", "main..main", "main:pkg", "a\nb"] {
        let refused = repository.named(name).unwrap_err();
        assert!(matches!(refused, CheckoutError::UnknownReference { .. }), "{name:?}: {refused}");
    }
    let main = Reference::Named("main".to_owned());
    let refused = repository.checkout_of("other", &main, &|| false).unwrap_err().to_string();
    assert!(refused.starts_with("`main` has no test target `other`"), "{refused}");

    fs::remove_file(repository.path("pkg/passport.toml")).unwrap();
    repository.commit();
    let refused = repository.named("main").unwrap_err().to_string();
    assert_eq!(refused, "`main` has no contract `pkg/passport.toml`");

    repository.write("pkg/passport.toml", CONTRACT);
    repository.write("pkg/gate.rs", "fn main() { no_such_function(); }\n");
    repository.commit();
    let refused = repository.named("main").unwrap_err();
    assert!(matches!(refused, CheckoutError::NotBuilt { .. }), "{refused}");
    let refused = refused.to_string();
    assert!(refused.starts_with("`main` does not build: error"), "{refused}");
    assert!(refused.contains("no_such_function"), "{refused}");
    assert!(!refused.contains('\n'), "{refused}");

    repository.write("pkg/Cargo.toml", "[package\n");
    let refused = repository.checkout(&Reference::WorkingTree).unwrap_err();
    assert!(matches!(refused, CheckoutError::NotBuilt { .. }), "{refused}");

    let elsewhere = tempfile::tempdir().unwrap();
    let contract = elsewhere.path().join("passport.toml");
    let mut project = repository.project(&contract, "gate");
    let refused = checkout(&project, &main, &|| false, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, CheckoutError::NoRepository { .. }), "{refused}");
    project.repository = repository.directory.path();
    let refused = checkout(&project, &main, &|| false, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, CheckoutError::ForeignContract { .. }), "{refused}");
}

/// Also where another package of the workspace has a target of that name.
#[test]
fn a_contract_in_a_directory_of_a_package_is_that_of_the_package() {
    let repository = Repository::new();
    let members = "[workspace]\nmembers = [\"other\"]";
    repository.write("pkg/Cargo.toml", &MANIFEST.replace("[workspace]", members));
    let other = MANIFEST.replace("tiny", "other").replace("[workspace]", "");
    repository.write("pkg/other/Cargo.toml", &other);
    repository.write("pkg/other/src/lib.rs", "");
    repository.write("pkg/other/gate.rs", "fn main() { println!(\"the other\"); }\n");
    let locked = "[[package]]\nname = \"other\"\nversion = \"0.1.0\"\n\n[[package]]";
    repository.write("pkg/Cargo.lock", &LOCK.replace("[[package]]", locked));
    repository.write("pkg/examples/second/passport.toml", CONTRACT);
    repository.commit();
    let contract = repository.path("pkg/examples/second/passport.toml");
    let project = repository.project(&contract, "gate");
    let main = Reference::Named("main".to_owned());
    let build = checkout(&project, &main, &|| false, &mut |_| {}).unwrap();
    assert_eq!(printed(&build), "one 2");
    assert!(build.side.directory.ends_with("pkg"), "{:?}", build.side.directory);
}

#[test]
fn what_a_killed_run_left_behind_is_no_obstacle() {
    let repository = Repository::new();
    let first = repository.named("main").unwrap();
    let source = repository.source("");
    let builds = repository.place("builds");
    repository.says("two");
    repository.commit();
    let state = repository.state();

    // Git was killed, files are half written, and a build was being kept.
    fs::write(repository.place("clone/index.lock"), "").unwrap();
    fs::write(source.join("pkg/gate.rs"), "half").unwrap();
    fs::write(source.join("pkg/stray.rs"), "stray").unwrap();
    fs::create_dir(builds.join(".unfinished-x")).unwrap();
    assert_eq!(printed(&repository.named("main").unwrap()), "two 2");
    assert!(!builds.join(".unfinished-x").exists());
    assert!(!source.join("pkg/stray.rs").exists());

    // The worktree has lost its repository: the one around it is not taken for it.
    repository.says("two, not committed");
    fs::remove_file(source.join(".git")).unwrap();
    assert_eq!(printed(&repository.named("main").unwrap()), "two 2");
    // It is gone altogether, and git still knows of it.
    fs::remove_dir_all(&source).unwrap();
    assert_eq!(printed(&repository.named("main~1").unwrap()), printed(&first));
    // Our clone is damaged, or gone.
    for file in ["HEAD", "index", "config"] {
        fs::write(repository.place("clone").join(file), "").unwrap();
    }
    assert_eq!(printed(&repository.named("main").unwrap()), "two 2");
    fs::remove_dir_all(repository.place("clone")).unwrap();
    assert_eq!(printed(&repository.named("main").unwrap()), "two 2");
    repository.git(&["checkout", "--quiet", "--", "."]);
    assert_eq!(repository.state().2, state.2);
    // The user's repository knows of none of it.
    let worktrees = repository.git(&["worktree", "list", "--porcelain"]);
    assert_eq!(worktrees.matches("worktree ").count(), 1);
}

#[test]
fn a_second_checkout_waits_for_the_first_and_can_be_interrupted() {
    let repository = Repository::new();
    repository.named("main").unwrap();
    let lock = fs::File::open(repository.place("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    // Interrupted once it says that it waits.
    let stop = || repository.said.try_borrow().is_ok_and(|said| !said.is_empty());
    let main = Reference::Named("main".to_owned());
    let refused = repository.checkout_of("gate", &main, &stop).unwrap_err();
    assert!(matches!(refused, CheckoutError::Interrupted), "{refused}");
    assert_eq!(
        repository.said.borrow().as_slice(),
        ["waiting for another comparison that builds here"]
    );

    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(std::time::Duration::from_millis(50));
            drop(lock);
        });
        repository.named("main").unwrap();
    });
}

#[test]
fn an_interrupt_ends_the_build_with_all_that_it_started() {
    let repository = Repository::new();
    // The build script says who it is, and never ends by itself.
    repository.write(
        "pkg/build.rs",
        "fn main() { std::fs::write(\"pid\", std::process::id().to_string()).unwrap(); \
         loop { std::thread::sleep(std::time::Duration::from_secs(1)); } }\n",
    );
    repository.commit();
    let pid = || fs::read_to_string(repository.source("pkg/pid")).unwrap_or_default();
    let is_built = || repository.cache.path().join("perf-passport").exists();
    let running = || is_built() && !pid().is_empty();
    let main = Reference::Named("main".to_owned());
    let refused = repository.checkout_of("gate", &main, &running).unwrap_err();
    assert!(matches!(refused, CheckoutError::Interrupted), "{refused}");
    let pid = pid();
    // It was killed with its group; who waits for it now is a matter of moments.
    let alive = || {
        let state = fs::read_to_string(Path::new("/proc").join(&pid).join("stat"));
        match state {
            Ok(state) => !state.rsplit(')').next().unwrap_or_default().starts_with(" Z"),
            // Without /proc, whoever has no such process says so.
            Err(_) => {
                !Path::new("/proc/self").exists()
                    && Command::new("kill")
                        .args(["-0", &pid])
                        .stderr(Stdio::null())
                        .status()
                        .unwrap()
                        .success()
            }
        }
    };
    for _ in 0..500 {
        if !alive() {
            return;
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the build script {pid} is still there");
}

#[test]
fn the_merge_base_is_what_a_branch_started_from() {
    let repository = Repository::new();
    let start = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["branch", "side"]);
    repository.says("two");
    repository.commit();
    repository.git(&["checkout", "--quiet", "side"]);
    repository.says("three");
    repository.commit();
    let top = repository.directory.path();
    assert_eq!(merge_base(top, "main", "side").unwrap(), start);
    repository.git(&["checkout", "--quiet", "--orphan", "alone"]);
    repository.commit();
    let refused = merge_base(top, "main", "alone").unwrap_err().to_string();
    assert_eq!(refused, "`main` and `alone` have no common ancestor");
    assert!(merge_base(top, "main", "-x").is_err());
}

#[test]
fn only_the_builds_used_last_are_kept() {
    let repository = Repository::new();
    let first = repository.named("main").unwrap();
    for number in 0..9 {
        repository.write("README.md", &number.to_string());
        repository.commit();
        repository.named("main").unwrap();
        // Used again and again, it stays.
        repository.checkout(&Reference::Named(first.commit.clone())).unwrap();
        assert!(!repository.built());
    }
    assert_eq!(fs::read_dir(repository.place("builds")).unwrap().count(), 8);
}
