//! Executables of a build that have their code at different addresses.

use std::{fs, process::Command};

use perf_passport::paired::{LAYOUTS_MIN, LINKS};

use crate::repository::{MANIFEST, Repository, printed};

/// Links of the ref `main`, all of which print what the build does.
fn links(repository: &Repository) -> u64 {
    let build = repository.named("main").unwrap();
    let expected = printed(&build);
    for executable in &build.side.relinked {
        let output = Command::new(executable).current_dir(&build.side.directory).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), expected);
    }
    build.side.relinked.len() as u64
}

#[expect(clippy::print_stdout, reason = "a missing component is said")]
fn links_by(linker: &str) {
    if Command::new(format!("ld.{linker}")).arg("--version").output().is_err() {
        println!("MISSING: {linker}");
        return;
    }
    let repository = Repository::new();
    let flags = format!("[build]\nrustflags = [\"-Clink-arg=-fuse-ld={linker}\"]\n");
    repository.write(".cargo/config.toml", &flags);
    repository.commit();
    assert_eq!(links(&repository), LINKS, "{:#?}", repository.said.borrow());
}

#[test]
fn bfd_links_many_layouts() {
    links_by("bfd");
}

#[test]
fn gold_links_many_layouts() {
    links_by("gold");
}

#[test]
fn lld_links_many_layouts() {
    links_by("lld");
}

#[test]
fn mold_links_many_layouts() {
    links_by("mold");
}

/// A release profile of services: one object, whatever the order of the inputs.
#[test]
fn layouts_that_are_none_are_not_counted() {
    let repository = Repository::new();
    let profile = "[profile.release]\nlto = \"fat\"\ncodegen-units = 1\n\n[workspace]";
    repository.write("pkg/Cargo.toml", &MANIFEST.replace("[workspace]", profile));
    repository.commit();
    let layouts = links(&repository);
    assert!(layouts < LAYOUTS_MIN, "{layouts}");
    let said = repository.said.borrow().join("\n");
    let expected =
        format!("in other orders it has {layouts} layouts, and {LAYOUTS_MIN} are needed");
    assert!(said.contains(&expected), "{said}");
    // Nor where the names of functions are not in the executable.
    let stripped = profile.replace("lto", "strip = true\nlto");
    repository.write("pkg/Cargo.toml", &MANIFEST.replace("[workspace]", &stripped));
    repository.commit();
    assert!(links(&repository) < LAYOUTS_MIN);
    // But where there are several objects they differ, also without names.
    let stripped = "[profile.release]\nstrip = true\n\n[workspace]";
    repository.write("pkg/Cargo.toml", &MANIFEST.replace("[workspace]", stripped));
    repository.commit();
    assert_eq!(links(&repository), LINKS);
    fs::remove_dir_all(repository.cache.path()).unwrap();
}
