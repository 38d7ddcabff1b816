//! Where a test target files its passport.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use crate::{
    passport::Passport,
    store::{self, StoreError},
};

/// The directory beside the executables of a profile, such as `target/debug/perf-passport`.
const DIRECTORY: &str = "perf-passport";

/// The variable in which cargo names the package of the target that it runs. Targets of several packages may
/// have one name, and share the directory.
const PACKAGE: &str = "CARGO_PKG_NAME";

/// Writes a passport to the place of this program, which it names. One that leaves out a part of the
/// contract, as a filter makes it, does not replace a whole one.
pub(super) fn file(passport: &Passport) -> Result<PathBuf, StoreError> {
    let whole = passport.checks_left_out.is_empty() && passport.operations_left_out.is_empty();
    let executable = env::current_exe()
        .map_err(|source| StoreError::Read { path: PathBuf::from("this program"), source })?;
    let path = place(&executable, env::var_os(PACKAGE), whole);
    store::write(&path, passport)?;
    Ok(path)
}

/// The place for an executable as cargo names it: `target/debug/deps/passport-0123456789abcdef`.
fn place(executable: &Path, package: Option<OsString>, whole: bool) -> PathBuf {
    let name = executable.file_stem().unwrap_or_default().to_string_lossy();
    let is_hash = |it: &str| it.len() == 16 && it.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = match name.rsplit_once('-') {
        Some((target, hash)) if is_hash(hash) => target,
        _ => &name,
    };
    let parent = executable.parent().unwrap_or(Path::new("."));
    let profile = if parent.ends_with("deps") { parent.parent().unwrap_or(parent) } else { parent };
    let end = if whole { "json" } else { "part.json" };
    let directory = profile.join(DIRECTORY);
    // Whoever else sets the variable leads to no other directory.
    let package = package.filter(|it| Path::new(it).file_name() == Some(OsStr::new(it)));
    let directory = package.map_or_else(|| directory.clone(), |it| directory.join(it));
    directory.join(format!("{name}.{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_one_place_and_its_parts_another() {
        let place = |executable: &str, package: &str, whole| {
            let package = Some(package.into()).filter(|it: &OsString| !it.is_empty());
            place(Path::new(executable), package, whole)
        };
        let cargo = "/w/target/debug/deps/passport-0123456789abcdef";
        let shop = Path::new("/w/target/debug/perf-passport/shop");
        assert_eq!(place(cargo, "shop", true), shop.join("passport.json"));
        assert_eq!(place(cargo, "shop", false), shop.join("passport.part.json"));
        let nowhere_else = Path::new("/bin/perf-passport/my-tests.json");
        for package in ["", "..", "a/../../b", "/etc", "a/"] {
            assert_eq!(place("/bin/my-tests", package, true), nowhere_else, "{package}");
        }
    }
}
