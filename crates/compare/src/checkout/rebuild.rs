//! Builds made again with one function more that nothing calls: the same code as a change elsewhere in
//! the program leaves it.

use std::{fs, path::Path};

use super::{
    asked::{Asked, CheckedOut},
    build::link_again,
    cargo,
    command::Runner,
    error::{CheckoutError, at},
    project::{Project, RefBuild},
    relink,
};
use crate::side::Side;

/// What a build is made again by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds<'a> {
    /// One for each time.
    pub seeds: &'a [u64],
    /// Where the executables are put.
    pub directory: &'a Path,
}

/// Makes a build again, once for each seed, with one function more that nothing calls: the same code
/// as a change elsewhere in the program leaves it.
///
/// Executables are put into `directory`; the sides are in the order of the seeds. The source is that
/// of the build, whatever became of the working tree; only the test target itself is compiled again.
///
/// # Errors
///
/// [`CheckoutError`].
pub fn rebuild(
    project: &Project<'_>,
    build: &RefBuild,
    Seeds { seeds, directory }: Seeds<'_>,
    stop: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Side>, CheckoutError> {
    let asked = Asked::again(project, build, stop, &mut *progress)?;
    let runner = Runner { stop, lock: Some(&asked.store.lock) };
    let CheckedOut { source, outside, harness, .. } = asked.check_out(&runner)?;
    // In the source, which the next checkout puts right.
    let original = fs::read_to_string(&harness.main).map_err(at(&harness.main))?;
    let one = |seed: &u64| {
        let text = format!("{original}\n{}", irrelevant(*seed));
        fs::write(&harness.main, text).map_err(at(&harness.main))?;
        let made = cargo::build(&runner, &harness, &asked.store.target(), &mut *progress)?;
        let made = made.map_err(|message| asked.not_built(&message, &source, &outside))?;
        let place = directory.join(format!("rebuilt-{seed}"));
        fs::create_dir(&place).map_err(at(&place))?;
        let executable = place.join("executable");
        fs::copy(&made.executable, &executable).map_err(at(&executable))?;
        link_again(&runner, &made, &place, &mut *progress)?;
        let relinked = relink::relinked_in(&place).map_err(at(&place))?;
        Ok(Side { executable, relinked, kept_cache: None, ..build.side.clone() })
    };
    let sides = seeds.iter().map(one).collect();
    fs::write(&harness.main, original).map_err(at(&harness.main))?;
    sides
}

/// A function of a size that the seed gives, kept in the executable though nothing calls it.
fn irrelevant(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut steps = String::new();
    for _ in 0..=state % 61 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (left, other) = (state >> 58, state >> 8);
        steps += &format!("x = ::std::hint::black_box(x.rotate_left({left}) ^ {other});");
    }
    format!(
        "#[used]\nstatic PERF_PASSPORT_IRRELEVANT: fn(u64) -> u64 = {{\n    #[inline(never)]\n    \
         fn irrelevant(mut x: u64) -> u64 {{ {steps} x }}\n    irrelevant\n}};\n"
    )
}
