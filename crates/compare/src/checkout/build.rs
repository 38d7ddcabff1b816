//! From a ref to the side of a comparison.

use std::{fs, os::unix::ffi::OsStrExt, path::Path};

use super::{
    asked::{Asked, CheckedOut},
    cache::{self, Kept},
    cargo::{self, Built, Harness, Metadata},
    command::Runner,
    error::{CheckoutError, at},
    git::{Repository, Snapshot},
    outside::Outside,
    project::{Project, RefBuild, Reference},
};
use crate::side::Side;
use perf_passport::{paired::LAYOUTS_MIN, text::hex};

/// Builds a ref, unless it is built already.
///
/// `progress` is told what cargo says, line by line, as it says it.
///
/// # Errors
///
/// [`CheckoutError`].
pub fn checkout(
    project: &Project<'_>,
    reference: &Reference,
    stop: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(&str),
) -> Result<RefBuild, CheckoutError> {
    let asked = Asked::of(project, reference, stop, &mut *progress)?;
    let runner = Runner { stop, lock: Some(&asked.store.lock) };
    let CheckedOut { source, outside, harness, contract } = asked.check_out(&runner)?;
    let Asked { store, snapshot, .. } = &asked;
    let outside_now = outside.digest();
    let key = key(&runner, (&snapshot.tree, &outside_now), &asked.contract, &harness)?;
    let kept = if let Some(kept) = store.find(&key) {
        kept
    } else {
        tell_what_is_outside(&asked, &outside, progress);
        let built = cargo::build(&runner, &harness, &store.target(), progress)?;
        let built = built.map_err(|message| asked.not_built(&message, &source, &outside))?;
        store.keep(&key, &built.executable, |copy, directory| {
            link_again(&runner, &built, directory, progress)?;
            source.export(copy)
        })?
    };
    let Kept { executable, executable_sha256, relinked, source: copy, cache } = kept;
    let directory =
        harness.directory.strip_prefix(store.source()).map_or(copy.clone(), |it| copy.join(it));
    let files = copy.join(asked.contract.parent().unwrap_or(Path::new("")));
    let side = Side {
        label: reference.to_string(),
        executable,
        relinked,
        arguments: Vec::new(),
        environment: vec![("CARGO_MANIFEST_DIR".into(), directory.clone().into())],
        kept_cache: Some(cache),
        files,
        directory,
        contract,
    };
    let Snapshot { commit, tree, dirty, object } = asked.snapshot.clone();
    let outside = hex(&outside_now);
    Ok(RefBuild { side, commit, tree, outside, executable_sha256, dirty, object })
}

/// Says what of the directories around the repository is used, and what is not.
fn tell_what_is_outside(asked: &Asked<'_>, outside: &Outside, progress: &mut dyn FnMut(&str)) {
    for name in outside.names() {
        progress(&format!(
            "`{name}` is outside of the repository: every ref is built with what is there now"
        ));
    }
    let cache = asked.store.source();
    let around = asked.top.ancestors().skip(1).filter(|it| !cache.starts_with(it));
    for file in around.flat_map(|it| [it.join(".cargo/config.toml"), it.join(".cargo/config")]) {
        if file.exists() {
            progress(&format!(
                "`{}` is outside of the repository and not used: what refs need of it belongs into \
                 the user's configuration of cargo",
                file.display()
            ));
        }
    }
}

/// Links what was built again. That it cannot be is told and no error: then the executable as it is
/// stands for the build. So is told that it always comes out the same.
pub(super) fn link_again(
    runner: &Runner<'_>,
    built: &Built,
    directory: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<(), CheckoutError> {
    let linked = match &built.linking {
        None => Err("rustc does not say how".to_owned()),
        Some(linking) => {
            let linked = linking.link_again(runner, directory);
            linking.clean_up();
            linked?
        }
    };
    match linked {
        Err(message) => {
            progress(&format!("cannot link it with its parts in another order: {message}"));
        }
        Ok(layouts) if layouts < LAYOUTS_MIN => progress(&format!(
            "linked with its parts in other orders it has {layouts} layouts, and {LAYOUTS_MIN} are needed: \
             changes are decided as those of executables that are given"
        )),
        Ok(_) => {}
    }
    Ok(())
}

/// Builds the harness target of the working tree where it is; nothing is copied, linked again or kept.
///
/// # Errors
///
/// [`CheckoutError`].
pub fn build_here(
    project: &Project<'_>,
    stop: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(&str),
) -> Result<Side, CheckoutError> {
    let runner = Runner { stop, lock: None };
    let reference = Reference::WorkingTree;
    let not_built = |message| CheckoutError::NotBuilt { reference: reference.to_string(), message };
    let directory = project.repository.canonicalize().map_err(at(project.repository))?;
    let metadata = Metadata::read(&runner, &directory)?.map_err(not_built)?;
    let harness =
        metadata.harness(project.harness, &directory).ok_or_else(|| CheckoutError::NoHarness {
            reference: reference.to_string(),
            harness: project.harness.to_owned(),
        })?;
    let executable = cargo::build_here(&runner, &harness, progress)?.map_err(not_built)?;
    Ok(Side {
        label: reference.to_string(),
        executable,
        relinked: Vec::new(),
        arguments: Vec::new(),
        environment: vec![("CARGO_MANIFEST_DIR".into(), harness.directory.clone().into())],
        kept_cache: None,
        files: project.contract.parent().unwrap_or(Path::new(".")).to_owned(),
        directory: harness.directory,
        contract: fs::read_to_string(project.contract).map_err(at(project.contract))?,
    })
}

/// The best common ancestor of two commits: what a branch started from.
///
/// # Errors
///
/// When either is unknown, or they have none.
pub fn merge_base(repository: &Path, a: &str, b: &str) -> Result<String, CheckoutError> {
    let runner = Runner { stop: &|| false, lock: None };
    Repository::around(repository, &runner)?.merge_base(a, b)
}

/// What an executable depends on, as the name of its copy.
fn key(
    runner: &Runner<'_>,
    (tree, outside): (&str, &[u8]),
    contract: &Path,
    harness: &Harness,
) -> Result<String, CheckoutError> {
    let compiler = cargo::compiler(runner, &harness.directory)?;
    let variables = cargo::variables();
    let configuration = cargo::configuration(&harness.directory);
    let count = (variables.len() as u64).to_le_bytes();
    let mut parts = vec![
        tree.as_bytes(),
        outside,
        compiler.as_slice(),
        harness.features.as_bytes(),
        b"release",
        cargo::PLACES.as_bytes(),
        harness.kind.name().as_bytes(),
        harness.name.as_bytes(),
        contract.as_os_str().as_bytes(),
        harness.lent_lock.as_slice(),
        &count,
    ];
    for (name, value) in &variables {
        parts.extend([name.as_bytes(), value.as_bytes()]);
    }
    parts.extend(configuration.iter().map(Vec::as_slice));
    Ok(cache::key(parts))
}
