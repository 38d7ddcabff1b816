//! Flame graphs that `compare` and `profile` filed, as far as pages of a history can show them.

use std::{collections::BTreeMap, fs, path::Path};

use super::{compare_causes::CAUSES, exit::Failure, flame_graph, terminal};
use perf_passport::{files, store, text::escaped, units::Bytes};
use perf_passport_history::{gathered::Gathered, site::SitePicture};

/// The largest flame graph that is taken over.
const GRAPH_MAX: Bytes = Bytes::new(16 * 1024 * 1024);

/// The graphs in a directory: of each comparison whose passport is beside them and on the line, and of each
/// subject that was profiled. None where there is no such directory.
///
/// No name is taken of a file: each is made of a run and a subject that are known.
pub(super) fn graphs_in(directory: &Path, gathered: &Gathered) -> Vec<SitePicture> {
    let runs = runs_in(directory, gathered);
    let mut graphs = Vec::new();
    for subject in gathered.subjects() {
        let of_runs = runs
            .iter()
            .map(|(run, place)| (flame_graph::file_of_comparison(subject, run), Some(*place)));
        for (file, place) in of_runs.chain([(flame_graph::file_of_profile(subject), None)]) {
            let Some(svg) = read(&directory.join(&file)) else { continue };
            let path = format!("evidence/{file}");
            graphs.push(SitePicture { subject: subject.to_owned(), path, place, svg });
        }
    }
    graphs
}

/// The runs with causes whose passports are on the line, with their places.
fn runs_in(directory: &Path, gathered: &Gathered) -> BTreeMap<String, usize> {
    let places: BTreeMap<&str, usize> =
        gathered.evidence().into_iter().map(|(place, it)| (it.hash.as_str(), place)).collect();
    let mut runs = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let run = name.to_str().and_then(|it| it.strip_prefix(CAUSES)?.strip_suffix(".json"));
        let is_plain = |it: &&str| it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let Some(run) = run.filter(is_plain) else { continue };
        match store::read(&directory.join(store::name_of_run(run))) {
            Ok(passport) => {
                let place = places.get(passport.evidence_hash.as_str());
                runs.extend(place.map(|place| (run.to_owned(), *place)));
            }
            Err(error) => terminal::note(&format!("left out: {}", Failure::from(error))),
        }
    }
    runs
}

/// A graph, where there is one; what somebody else drew is told and left out.
fn read(path: &Path) -> Option<Vec<u8>> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|it| it.is_file());
    let found = is_file.then(|| files::read(path, GRAPH_MAX))?;
    let why = match found {
        Ok(svg) if flame_graph::is_ours(&svg) => return Some(svg),
        Ok(_) => "no flame graph of this program".to_owned(),
        Err(error) => error.to_string(),
    };
    let path = path.to_string_lossy();
    terminal::note(&format!("left out: `{}`: {}", escaped(&path), escaped(&why)));
    None
}
