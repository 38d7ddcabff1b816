//! Whether two builds of refs are the same code, by [`SameCodeRule`] 1. In doubt they are not.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use perf_passport::{passport::SameCode, rules::SameCodeRule, text::printable};

use super::{
    asked::Asked,
    project::{Project, RefBuild},
};
use crate::loaded_code::{loaded_bytes, loaded_sha256};

/// Bytes of a path that are kept.
const PATH_SHOWN: usize = 500;

/// What is known where two builds load the same; `None` also where git cannot tell what changed.
///
/// A build that knows where others are built may run one of those, which is then that of the ref that was
/// built last: so it is never the same code.
pub fn same_code(
    project: &Project<'_>,
    before: &RefBuild,
    after: &RefBuild,
    stop: &dyn Fn() -> bool,
) -> Option<SameCode> {
    (before.outside == after.outside).then_some(())?;
    let executables = [fs::read(&before.side.executable), fs::read(&after.side.executable)];
    let executables = executables.map(Result::ok);
    let loaded = |is_changed: &dyn Fn(&Path) -> bool| -> Option<String> {
        let [before, after] = &executables;
        let before = loaded_sha256(before.as_ref()?, is_changed)?;
        (loaded_sha256(after.as_ref()?, is_changed)? == before).then_some(before)
    };
    // Whatever is looked through, and only then what may be: git has to be asked for that.
    loaded(&|_| true)?;
    let asked = Asked::again(project, after, stop, &mut |_| {}).ok()?;
    let target = asked.store.target();
    let target = target.as_os_str().as_bytes();
    let knows_where = |it: &Vec<u8>| it.windows(target.len()).any(|bytes| bytes == target);
    let [_, Some(executable)] = &executables else { return None };
    (!knows_where(&loaded_bytes(executable)?)).then_some(())?;
    let changed = asked.changed(&before.tree, &after.tree, stop).ok()?;
    // A source is called by a part of its path, or by a path that it is a part of.
    let is_changed =
        |source: &Path| changed.iter().any(|path| path.ends_with(source) || source.ends_with(path));
    let loaded_sha256 = loaded(&is_changed)?;
    let is_read = |path: &&PathBuf| **path != asked.contract && !is_source_or_document(path);
    let read = changed.iter().filter(is_read).take(SameCode::FILES_MAX);
    let shown = |path: &PathBuf| printable(path.as_os_str().as_bytes(), PATH_SHOWN);
    let read_files_changed = read.map(shown).collect();
    Some(SameCode { rule: SameCodeRule::LATEST, loaded_sha256, read_files_changed })
}

/// Whether a file is there to be compiled or to be read by people: a source where cargo has sources, a
/// manifest, a document at the top or below `docs`, a licence, and what is for git or for GitHub. What
/// says how git writes files (`.gitattributes`) is none.
fn is_source_or_document(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    let parents = || path.parent().into_iter().flat_map(Path::components);
    let is_below = |directory: &str| parents().any(|it| it.as_os_str() == directory);
    let is_at_top = parents().next().is_none();
    let is_document = ["md", "rst", "adoc"].contains(&extension);
    let is_licence = name.starts_with("LICENSE") && ["", "md", "txt"].contains(&extension);
    let manifests = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "rust-toolchain"];
    let for_git = [".gitignore", ".mailmap", "CODEOWNERS"];
    (extension == "rs" && (is_below("src") || name == "build.rs"))
        || (is_document && (is_at_top || path.starts_with("docs")))
        || is_licence
        || manifests.contains(&name)
        || for_git.contains(&name)
        || path.starts_with(".github")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_may_read_is_no_source_and_no_document() {
        for path in [
            "src/main.rs",
            "crates/a/src/b/c.rs",
            "crates/a/build.rs",
            "README.md",
            "docs/a/b.md",
            "Cargo.toml",
            "crates/a/Cargo.toml",
            "Cargo.lock",
            "LICENSE",
            "LICENSE-MIT",
            ".gitignore",
            ".github/workflows/a.yml",
        ] {
            assert!(is_source_or_document(Path::new(path)), "{path}");
        }
        for path in [
            "corpus/big.md",
            "tests/data/a.rs",
            "benches/inputs/lexer.rs",
            "LICENSE_PLATES.csv",
            ".gitattributes",
            "config.toml",
            "templates/index.html",
            "src/page.html",
            "data.txt",
            ".cargo/config.toml",
            "docs/table.csv",
        ] {
            assert!(!is_source_or_document(Path::new(path)), "{path}");
        }
    }
}
