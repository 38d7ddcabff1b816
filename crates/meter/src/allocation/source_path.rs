//! Whose a source file is, and what it is called without the places of one machine.

/// Whose code is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The program's own packages.
    Program,
    /// A package from a registry or a repository.
    Package,
    /// The standard library.
    Standard,
}

/// Directories of a package in which its sources are.
const SOURCES: [&str; 4] = ["src", "tests", "benches", "examples"];

/// The directory in which `passport compare` checks refs out, up to the number of directories that are
/// around the repository there.
const CHECKED_OUT: &str = "/perf-passport-source-";

/// Whose the file at this path is, as the compiler wrote the path down, and its name.
pub(super) fn owner(path: &str) -> (Owner, String) {
    let path = path.replace('\\', "/");
    let behind = |mark: &str| path.split_once(mark).map(|(_, rest)| rest);
    // `/rustc/HASH/library/alloc/src/string.rs`, or where rustup keeps the same.
    let standard = behind("/rustc/").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
    if let Some(rest) = standard.or_else(|| behind("/rustlib/src/rust/")) {
        return (Owner::Standard, rest.to_owned());
    }
    // `.cargo/registry/src/INDEX-HASH/axum-0.8.9/src/json.rs`.
    if let Some((_, rest)) = behind("/registry/src/").and_then(|rest| rest.split_once('/')) {
        return (Owner::Package, rest.to_owned());
    }
    // `.cargo/git/checkouts/axum-HASH/REVISION/axum/src/json.rs`.
    let git = behind("/git/checkouts/").and_then(|rest| {
        let (name, rest) = rest.split_once('/')?;
        let (_, rest) = rest.split_once('/')?;
        Some(format!("{}/{rest}", name.rsplit_once('-').map_or(name, |(name, _)| name)))
    });
    if let Some(rest) = git {
        return (Owner::Package, rest);
    }
    (Owner::Program, below_package(&path))
}

/// The path below the repository where that is known, else below the package: from the first
/// directory of the innermost package's sources on. What a build script wrote has only its name.
fn below_package(path: &str) -> String {
    if let Some(rest) = below_checkout(path) {
        return rest.to_owned();
    }
    if !path.starts_with('/') {
        return path.to_owned();
    }
    let parts: Vec<&str> = path.split('/').collect();
    let sources = parts.iter().rposition(|part| SOURCES.contains(part));
    let from = sources.unwrap_or(parts.len() - 1);
    parts[from..].join("/")
}

/// The path below a repository that was checked out.
fn below_checkout(path: &str) -> Option<&str> {
    let (levels, rest) = path.split_once(CHECKED_OUT)?.1.split_once('/')?;
    let levels: usize = levels.parse().ok()?;
    rest.splitn(levels.checked_add(1)?, '/').nth(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_file_holds_a_place_of_this_machine() {
        let cases = [
            ("/home/me/shop/src/orders.rs", Owner::Program, "src/orders.rs"),
            ("/home/me/src/shop/src/orders/list.rs", Owner::Program, "src/orders/list.rs"),
            ("/home/me/shop/tests/perf/main.rs", Owner::Program, "tests/perf/main.rs"),
            ("src/orders.rs", Owner::Program, "src/orders.rs"),
            ("/t/build/shop-0f/out/made.rs", Owner::Program, "made.rs"),
            (
                "/c/perf-passport/shop-1f/perf-passport-source-3/home/me/shop/crates/a/src/b.rs",
                Owner::Program,
                "crates/a/src/b.rs",
            ),
            ("/c/perf-passport-source-x/me/shop/src/a.rs", Owner::Program, "src/a.rs"),
            ("/c/perf-passport-source-9/me/shop/src/a.rs", Owner::Program, "src/a.rs"),
            (
                "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/axum-0.8.9/src/a.rs",
                Owner::Package,
                "axum-0.8.9/src/a.rs",
            ),
            (
                "/c/git/checkouts/tokio-util-83ab/1f2e3d/tokio/src/a.rs",
                Owner::Package,
                "tokio-util/tokio/src/a.rs",
            ),
            (
                "/rustc/29483883eed69d5fb4db01964cdf2af4d86e9cb2/library/alloc/src/string.rs",
                Owner::Standard,
                "library/alloc/src/string.rs",
            ),
            (
                "/r/toolchains/x/lib/rustlib/src/rust/library/core/src/fmt/mod.rs",
                Owner::Standard,
                "library/core/src/fmt/mod.rs",
            ),
        ];
        for (path, owner, name) in cases {
            assert_eq!(super::owner(path), (owner, name.to_owned()), "{path}");
        }
    }
}
