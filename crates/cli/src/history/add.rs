//! `passport history add`: keep passports.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::Args;

use super::place::{Place, repository, tell};
use crate::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport::{
    passport::{Passport, ProbeKind, verify},
    store::{self, StoreError},
    text::escaped,
};
use perf_passport_history::{
    HistoryError,
    git::{NamedCommit, Repository},
    history::{follow, must_belong, records},
    index::Index,
    record::{Record, SaidPlacement},
    store::{Kept, Store},
};

/// The largest passport that is read from standard input.
const INPUT_MAX: u64 = 512 * 1024 * 1024;

/// Verify passports and keep them.
#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The passports; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    passports: Vec<PathBuf>,
    /// The commit that a service over HTTP was built from: kept as said
    #[arg(long, value_name = "REF")]
    commit: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// What is the same for all passports of one command.
struct Adding<'a> {
    store: Store,
    root: Option<String>,
    said: Option<(&'a str, NamedCommit)>,
}

pub(super) fn run(arguments: &AddArguments) -> Result<ExitCode, Failure> {
    let keeper = arguments.place.keeper()?;
    let index = arguments.place.index(&keeper.store)?;
    let found = Repository::around(repository())?;
    let said = match &arguments.commit {
        Some(reference) => {
            Some((reference.as_str(), Repository::needed(repository())?.named(reference)?))
        }
        None => None,
    };
    let root = found.as_ref().and_then(Repository::root);
    let adding = Adding { store: keeper.store.clone(), root, said };
    let mut code = Code::Pass;
    let mut any = false;
    for path in &arguments.passports {
        match adding.add(path) {
            Ok(line) => {
                any = true;
                terminal::print(&line)?;
            }
            Err(failure) => {
                terminal::error(&failure);
                // A passport that was edited outweighs one that cannot be read.
                if code != Code::Failed {
                    code = failure.code;
                }
            }
        }
    }
    if any {
        keeper.publish("add passports")?;
        // What is kept is kept: an index that is not to be had follows later.
        let followed = Index::open(&index).and_then(|mut it| follow(&adding.store, &mut it));
        match followed {
            Ok(followed) => tell(&followed),
            Err(error @ HistoryError::ForeignIndex { .. }) => return Err(error.into()),
            Err(error) => terminal::note(&format!(
                "kept, and the index follows later: {}",
                escaped(&crate::exit::sentence(&error))
            )),
        }
    }
    Ok(code.into())
}

impl Adding<'_> {
    fn add(&self, path: &Path) -> Result<String, Failure> {
        let passport = read(path)?;
        let name = path.to_string_lossy();
        must_belong(&passport, &name, self.root.as_deref())?;
        let record = self.record(&passport, &name)?;
        let kept = self.store.keep(&passport)?;
        if let Some(record) = record {
            self.store.keep_record(&record)?;
        }
        let word = match kept {
            Kept::New => "kept",
            Kept::Already => "there already",
        };
        Ok(format!("{word}  {}  {}\n", passport.evidence_hash, terminal::path(path)))
    }

    /// What was said of it, where that makes sense.
    fn record(&self, passport: &Passport, name: &str) -> Result<Option<Record>, Failure> {
        let Some((reference, named)) = &self.said else { return Ok(None) };
        let refused =
            |why: &str| Failure::usage(anyhow!("passport `{}` is not kept: {why}", escaped(name)));
        if !matches!(passport.provenance.probe, ProbeKind::Http | ProbeKind::Production) {
            return Err(refused("its tree is known, and --commit is for services over HTTP alone"));
        }
        if let Some(said) = &passport.provenance.said_commit
            && said.commit != named.commit
        {
            return Err(refused("it says already that it is of another commit"));
        }
        let (_, placements) = records(&self.store)?;
        let mut of_it = placements.iter().filter(|it| it.passport == passport.evidence_hash);
        if let Some(said) = of_it.find(|it| it.commit != named.commit) {
            let (record, _) = Record::Placement(said.clone()).to_bytes();
            return Err(refused(&format!(
                "record `{record}` says already that it is of commit {}; remove that where it is wrong",
                escaped(&said.commit)
            )));
        }
        Ok(Some(Record::Placement(SaidPlacement {
            schema_version: SaidPlacement::SCHEMA_VERSION,
            passport: passport.evidence_hash.clone(),
            reference: escaped(reference),
            commit: named.commit.clone(),
            tree: named.tree.clone(),
        })))
    }
}

fn read(path: &Path) -> Result<Passport, Failure> {
    if path != Path::new("-") {
        return Ok(store::read(path)?);
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(INPUT_MAX + 1).read_to_end(&mut bytes);
    let failed = |source| StoreError::Read { path: path.to_owned(), source };
    read.map_err(failed)?;
    if bytes.len() as u64 > INPUT_MAX {
        return Err(StoreError::TooLarge { path: path.to_owned() }.into());
    }
    let unsound = |source| StoreError::Unsound { path: path.to_owned(), source };
    Ok(verify(&bytes).map_err(unsound)?)
}
