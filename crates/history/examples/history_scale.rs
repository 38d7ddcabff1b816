//! How long questions take on an index of many points, and how large pages are.
//!
//! `cargo run --release -p perf-passport-history --example history_scale -- SERIES COMMITS [postgres://...]`

#![expect(
    clippy::disallowed_methods,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement ends where it cannot go on, and prints"
)]

use std::{fs, io::Write, path::Path, process::Command, time::Instant};

use perf_passport_history::{
    History,
    curve::Curve,
    figures::{Figure, Kind, Value},
    gathered::Gathered,
    history::{Opening, follow},
    index::{Entry, Index, IndexLocation, Place, Standing},
    log::render,
    site::{pages, single_page},
    store::Store,
    trend,
};
use perf_passport_test_support::made::{Made, MadeSubject};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|it| it.parse().ok()).unwrap_or(200_u64);
    let (series, commits) = (number(), number());
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("repository");
    let trees = import(&repository, commits);
    let store = Store::at(&directory.path().join("history"));
    let index = match arguments.next() {
        Some(address) => IndexLocation::Postgres(address),
        None => IndexLocation::Own(store.index()),
    };
    timed("to fill the index", || {
        let mut index = Index::open_empty(&index).unwrap();
        for (place, batch) in trees.chunks(50).enumerate() {
            let at = |it: usize| u64::try_from(place * 50 + it).unwrap();
            let entries: Vec<Entry> =
                batch.iter().enumerate().map(|(it, tree)| entry(at(it), tree, series)).collect();
            for it in &entries {
                // The index has it, so that nobody reads it.
                let path = store.passport_path(&it.hash);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            index.add(&entries).unwrap();
        }
    });
    // The newest is read, for its budgets.
    let source = perf_passport::environment::Source {
        commit_tree: trees.last().cloned(),
        dirty: Some(false),
        ..Default::default()
    };
    store.keep(&Made::new(source, 0, subjects()).passport()).unwrap();
    let opening =
        Opening { store: store.clone(), index, repository, branch: "main".into(), rebuild: false };
    for _ in 0..3 {
        timed("open, warm", || drop(History::open(&opening).unwrap()));
        timed("trend of one subject", || {
            let (mut history, _) = History::open(&opening).unwrap();
            let found = history.series_of(|it| it.subject == "subject-7/default").unwrap();
            let events = history.events(&found);
            let texts = found.iter().map(|it| trend::text(&Curve::of(it, &events), history.line()));
            assert!(!texts.collect::<String>().is_empty());
        });
        timed("log", || {
            let (mut history, _) = History::open(&opening).unwrap();
            let all = history.series().unwrap();
            let events = history.events(&all);
            let words = history.words(&events).unwrap();
            let text = render(&events, history.line(), &words);
            println!("    {} events, {} bytes", events.len(), text.len());
        });
        timed("report", || {
            let (mut history, _) = History::open(&opening).unwrap();
            let gathered = Gathered::of(&mut history).unwrap();
            let content = gathered.content(None);
            let files = pages(&content);
            let bytes: usize = files.iter().map(|it| it.bytes.len()).sum();
            let site = std::env::temp_dir().join("history_scale");
            for file in &files {
                let path = site.join(&file.path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &file.bytes).unwrap();
            }
            let one = single_page(&content);
            println!("    {bytes} bytes in pages, {} in one", one.len());
            fs::write(site.join("one.html"), one).unwrap();
        });
    }
    let mut made = Made::new(perf_passport::environment::Source::default(), commits, subjects());
    for run in 0..3 {
        made.run += run;
        let passport = made.passport();
        timed("add of one", || {
            store.keep(&passport).unwrap();
            let mut index = Index::open(&opening.index).unwrap();
            assert_eq!(follow(&store, &mut index).unwrap().added, 1);
        });
    }
}

fn timed(what: &str, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    println!("{what}: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
}

fn subjects() -> Vec<MadeSubject> {
    let subject = |it| MadeSubject {
        name: format!("subject-{it}"),
        allocations: 9,
        ns: 50_000,
        body: Some(1),
    };
    (0..20).map(subject).collect()
}

/// A repository of so many commits; their trees.
fn import(directory: &Path, commits: u64) -> Vec<String> {
    fs::create_dir_all(directory).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(directory).args(arguments);
        command
    };
    assert!(git(&["init", "--quiet", "--initial-branch=main"]).status().unwrap().success());
    let mut stream = String::new();
    for commit in 0..commits {
        let (at, text) = (1_600_000_000 + commit * 86_400, commit.to_string());
        stream += &format!(
            "commit refs/heads/main\ncommitter a <a@b> {at} +0000\ndata {}\ncommit {text}\nM 644 inline f\ndata {}\n{text}\n",
            text.len() + 8,
            text.len() + 1
        );
    }
    let mut import =
        git(&["fast-import", "--quiet"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    let trees = git(&["log", "--reverse", "--format=%T", "main"]).output().unwrap().stdout;
    String::from_utf8(trees).unwrap().lines().map(str::to_owned).collect()
}

/// A passport of so many series: of each five, four exact ones and a time.
fn entry(place: u64, tree: &str, series: u64) -> Entry {
    let figure = |it: u64| {
        let kind = [
            Kind::Allocations,
            Kind::AllocatedBytes,
            Kind::HeapPeak,
            Kind::Response,
            Kind::Latency,
        ];
        let kind = kind[usize::try_from(it % 5).unwrap()];
        // Each exact figure changes every hundred commits or so, each at another one.
        let step = i64::try_from((place + it * 37) / 100).unwrap();
        let noise = i64::try_from((place * 2_654_435_761 + it * 40_503) % 2_000).unwrap();
        let value = match kind {
            Kind::Response => Value::Word(format!("200 100 B {it:08x}{step:08x}")),
            Kind::Latency => Value::exact(50_000_000 + noise * 1_000),
            _ => Value::exact(1_000 + step),
        };
        let (subject, track) =
            (format!("subject-{}/default", it / 5), "in-process; rustc".to_owned());
        Figure { subject, kind, track, value }
    };
    Entry {
        hash: format!("{:064x}", place + 1),
        contract: "shop".to_owned(),
        measured_at: format!("{:04}-01-01T00:00:00.000Z", 1000 + place % 1000),
        status: "PASS".to_owned(),
        place: Place { standing: Standing::Placed, commit: None, tree: Some(tree.to_owned()) },
        environment: "processor".to_owned(),
        baseline: None,
        settings: None,
        figures: (0..series).map(figure).collect(),
    }
}
