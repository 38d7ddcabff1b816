//! `passport report`: static pages of a history, of a directory of passports, or of one passport.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::Args;

use super::{
    document::{is_standard_output, write},
    exit::{Code, Failure},
    history::{Place, tell_unsound},
    terminal,
};
use perf_passport::{passport::Passport, store, text::counted};
use perf_passport_history::{
    gathered::Gathered,
    site::{SitePicture, evidence_path, pages, single_page},
};

/// Files of a directory that are looked at.
const FILES_MAX: usize = 100_000;

/// Write static pages: what changed, budgets, and every figure over commits.
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// One passport, instead of a history
    #[arg(value_name = "FILE", conflicts_with = "input_dir")]
    passport: Option<PathBuf>,
    /// The passports of this directory, by their time, instead of a history
    #[arg(long, value_name = "DIR")]
    input_dir: Option<PathBuf>,
    /// The directory of the pages; a name that ends in `.html` is one page
    #[arg(short, long, value_name = "PATH", default_value = "site")]
    output: PathBuf,
    /// All in one page
    #[arg(long)]
    single_file: bool,
    /// Put passports and flame graphs beside the pages, and link them
    #[arg(long)]
    with_evidence: bool,
    /// Where `compare` and `profile` filed the flame graphs; that of --input-dir where one is given
    #[arg(long, value_name = "DIR", default_value = "artifacts/performance")]
    artifacts_dir: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// What is shown, and where its passports are.
struct Shown {
    gathered: Gathered,
    /// The file of the passport with this hash.
    path_of: Box<dyn Fn(&str) -> PathBuf>,
    code: Code,
}

impl ReportArguments {
    /// Whether the output is a page, and no directory.
    fn names_a_page(&self) -> bool {
        self.output.extension().is_some_and(|it| it == "html" || it == "htm")
            || is_standard_output(&self.output)
    }

    /// Where the one page goes.
    fn page(&self) -> PathBuf {
        if self.names_a_page() { self.output.clone() } else { self.output.join("index.html") }
    }

    /// The flame graphs that are there.
    #[cfg(target_os = "linux")]
    fn graphs(&self, gathered: &Gathered) -> Vec<SitePicture> {
        let directory = self.input_dir.as_ref().unwrap_or(&self.artifacts_dir);
        super::kept_graphs::graphs_in(directory, gathered)
    }

    /// Builds are compared and profiled on Linux alone.
    #[cfg(not(target_os = "linux"))]
    fn graphs(&self, _: &Gathered) -> Vec<SitePicture> {
        Vec::new()
    }

    fn shown(&self) -> Result<Shown, Failure> {
        let code = Code::Pass;
        if let Some(directory) = &self.input_dir {
            let (paths, passports): (Vec<PathBuf>, Vec<Passport>) =
                passports_in(directory)?.into_iter().unzip();
            let hashes = passports.iter().map(|it| it.evidence_hash.clone());
            let paths: BTreeMap<String, PathBuf> = hashes.zip(paths).collect();
            let path_of = move |hash: &str| paths.get(hash).cloned().unwrap_or_default();
            let gathered = Gathered::of_passports(passports)?;
            return Ok(Shown { gathered, path_of: Box::new(path_of), code });
        }
        let (mut history, followed) = self.place.open(false)?;
        let gathered = Gathered::of(&mut history)?;
        let store = history.store.clone();
        let path_of = move |hash: &str| store.passport_path(hash);
        let code = tell_unsound(followed).unwrap_or(code);
        Ok(Shown { gathered, path_of: Box::new(path_of), code })
    }
}

pub(super) fn run(arguments: &ReportArguments) -> Result<ExitCode, Failure> {
    if let Some(file) = &arguments.passport {
        return one(arguments, file);
    }
    let single = arguments.single_file || arguments.names_a_page();
    if single && arguments.with_evidence {
        return Err(Failure::usage(anyhow!(
            "--with-evidence puts files beside the pages: name a directory, without --single-file"
        )));
    }
    let Shown { gathered, path_of, code } = arguments.shown()?;
    if gathered.is_empty() {
        return Err(Failure::usage(anyhow!(
            "there is nothing to show: no passport is on this line of commits; `passport history index` \
             tells why"
        )));
    }
    if single {
        let path = arguments.page();
        write(&path, &single_page(&gathered.content(None)))?;
        told(&path, "report")?;
        return Ok(code.into());
    }
    let graphs = arguments.with_evidence.then(|| arguments.graphs(&gathered));
    let content = gathered.content(graphs);
    for graph in &content.graphs {
        store::write_bytes(&arguments.output.join(&graph.path), &graph.svg)?;
    }
    for (_, passport) in &content.evidence {
        let bytes = store::read_bytes(&path_of(&passport.hash))?;
        store::write_bytes(&arguments.output.join(evidence_path(passport)), &bytes)?;
    }
    // The front page last: it is there once all that it leads to is.
    for file in pages(&content).iter().rev() {
        store::write_bytes(&arguments.output.join(&file.path), &file.bytes)?;
    }
    told(&arguments.output.join("index.html"), "report")?;
    Ok(code.into())
}

/// The page of one passport: what needs a look, and all that was measured.
fn one(arguments: &ReportArguments, file: &Path) -> Result<ExitCode, Failure> {
    let passport = store::read(file)?;
    let path = arguments.page();
    if arguments.with_evidence {
        return Err(Failure::usage(anyhow!(
            "--with-evidence is of histories: this is one passport"
        )));
    }
    write(&path, perf_passport::report::page(&passport).as_bytes())?;
    told(&path, "report")?;
    Ok(Code::Pass.into())
}

fn told(path: &Path, what: &str) -> Result<(), Failure> {
    if !is_standard_output(path) {
        terminal::print(&format!("{what} {}\n", terminal::path(path)))?;
    }
    Ok(())
}

/// The passports of a directory. What is no passport is told and left out; there must be one.
fn passports_in(directory: &Path) -> Result<Vec<(PathBuf, Passport)>, Failure> {
    let unread = |error| anyhow!("cannot read `{}`: {error}", directory.display());
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        // A link to a passport of the directory would be that again, and a FIFO has no end.
        let is_file = fs::symlink_metadata(&path).is_ok_and(|it| it.is_file());
        if is_file && path.extension().is_some_and(|it| it == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.len() > FILES_MAX {
        let many = counted(paths.len() as u64, "file");
        return Err(Failure::usage(anyhow!(
            "{many} are more than {FILES_MAX}: keep them in a history"
        )));
    }
    let mut found = Vec::new();
    for path in paths {
        match store::read(&path) {
            Ok(passport) => found.push((path, passport)),
            Err(error) => terminal::note(&format!("left out: {}", Failure::from(error))),
        }
    }
    if found.is_empty() {
        let name = directory.display();
        return Err(Failure::usage(anyhow!("there is no passport in `{name}`")));
    }
    Ok(found)
}
