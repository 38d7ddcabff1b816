//! Where the refs of a repository are checked out and built: in a directory of the user's cache.
//!
//! Cargo and rustup look for their files in all directories above a source. So the directory is never
//! inside of the repository: no file of the working tree reaches a build.

use std::{
    ffi::OsString,
    fs,
    os::unix::{
        ffi::OsStringExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use super::{
    CheckoutError,
    cache::{REPOSITORY, key, lock_of_nobody},
};

/// What the directory is called that holds those of all repositories.
const NAME: &str = "perf-passport";

/// The directory for the repository whose working tree is at `top`: in `cache` when it is given, else
/// in the user's cache, else among the temporary files.
///
/// # Errors
///
/// When all of these are inside of the repository, or cannot be written.
pub(super) fn directory(top: &Path, cache: Option<&Path>) -> Result<PathBuf, CheckoutError> {
    let mut refused = Vec::new();
    for all in candidates(cache) {
        match usable(&all, top) {
            Ok(all) => {
                sweep(&all);
                return Ok(all.join(name_of(top)));
            }
            Err(why) => refused.push(format!("`{}` {why}", all.display())),
        }
    }
    Err(CheckoutError::NoPlace { refused: refused.join(", ") })
}

fn candidates(cache: Option<&Path>) -> Vec<PathBuf> {
    if let Some(cache) = cache {
        return vec![cache.join(NAME)];
    }
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute);
    let home = || Some(std::env::home_dir().and_then(absolute)?.join(".cache"));
    let users = named.or_else(home).map(|it| it.join(NAME));
    // Of this user alone: what is built there is run.
    let temporary = std::env::temp_dir().join(format!("{NAME}-{}", geteuid().as_raw()));
    users.into_iter().chain([temporary]).collect()
}

/// The directory without symbolic links, made if needed; else why it cannot be used.
fn usable(directory: &Path, top: &Path) -> Result<PathBuf, String> {
    if resolved(directory).starts_with(top) {
        return Err("is inside of the repository".to_owned());
    }
    let failed = |error: std::io::Error| format!("cannot be used: {error}");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let directory = directory.canonicalize().map_err(failed)?;
    let metadata = fs::metadata(&directory).map_err(failed)?;
    if metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err("can be written by another user".to_owned());
    }
    tempfile::tempfile_in(&directory).map_err(failed)?;
    Ok(directory)
}

/// The path without symbolic links, also where the last parts of it are not there yet.
fn resolved(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let Ok(resolved) = there.canonicalize() {
            return path.strip_prefix(there).map_or(resolved.clone(), |rest| resolved.join(rest));
        }
    }
    path.to_owned()
}

/// The name of the directory of one repository, which people recognise.
fn name_of(top: &Path) -> String {
    let name = top.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().take(40).map(plain).collect();
    format!("{name}-{}", &key([top.as_os_str().as_encoded_bytes()])[..16])
}

/// Removes the directories of repositories that are gone, unless somebody builds there.
fn sweep(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let directory = entry.path();
        let Ok(top) = fs::read(directory.join(REPOSITORY)) else { continue };
        let top = PathBuf::from(OsString::from_vec(top));
        let is_gone = matches!(top.try_exists(), Ok(false));
        if is_gone && let Some(_lock) = lock_of_nobody(&directory) {
            let _ = fs::remove_dir_all(&directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_outside_of_the_repository_and_its_own() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        let (one, two) = (base.join("one/caf\u{e9} x"), base.join("two/caf\u{e9} x"));
        let cache = base.join("cache");
        let place = |top: &Path| directory(top, Some(&cache)).unwrap();
        assert_eq!(place(&one), place(&one));
        assert_ne!(place(&one), place(&two));
        let name = place(&one).file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name.starts_with("caf__x-"), "{name}");

        // Also where a symbolic link leads into it, and nothing is made there.
        std::os::unix::fs::symlink(&base, base.join("link")).unwrap();
        for inside in [cache.clone(), base.join("link/other/cache")] {
            let refused = directory(&base, Some(&inside)).unwrap_err().to_string();
            assert!(refused.contains("is inside of the repository"), "{refused}");
            assert!(refused.contains("XDG_CACHE_HOME"), "{refused}");
        }
        assert!(!base.join("other").exists());
    }

    #[test]
    fn what_another_may_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let base = tempfile::tempdir().unwrap();
        let shared = base.path().join(NAME);
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        let refused = directory(Path::new("/no/repository"), Some(base.path())).unwrap_err();
        assert!(refused.to_string().contains("another user"), "{refused}");
    }

    #[test]
    fn places_of_repositories_that_are_gone_are_removed() {
        let base = tempfile::tempdir().unwrap();
        let (here, gone) = (base.path().join("here"), base.path().join("gone"));
        fs::create_dir(&here).unwrap();
        let place = |top: &Path| {
            let place = directory(top, Some(base.path())).unwrap();
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(REPOSITORY), top.as_os_str().as_encoded_bytes()).unwrap();
            place
        };
        let (stays, goes) = (place(&here), place(&gone));
        assert!(goes.exists());
        directory(&here, Some(base.path())).unwrap();
        assert!(stays.exists() && !goes.exists());
    }
}
