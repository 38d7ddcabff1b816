//! A worker that does what a test tells it: work, answer, and misbehave.

use std::{
    env, fs,
    hint::black_box,
    io::Write,
    path::Path,
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, routing::get};
use perf_passport::harness::Harness;
use perf_passport_test_support::work::hash_rounds;

/// The variable that says how the worker behaves, as `name=value` with spaces between.
pub(crate) const MANNER: &str = "PASSPORT_WORKERS_MANNER";

/// What the worker does.
#[derive(Debug, Clone, Default)]
struct Manner {
    /// Rounds of work for a request.
    rounds: u64,
    /// The number of the request to `/work` from which on it does so.
    dies: Option<u64>,
    hangs: Option<u64>,
    panics: Option<u64>,
    changes: Option<u64>,
    /// Answers each request otherwise.
    varies: bool,
    /// Dies at the first request to `/other`.
    other_dies: bool,
    /// A file where it writes its process and that of what it starts.
    starts: String,
    /// Fills the disk that its temporary directory is on.
    fills: bool,
}

impl Manner {
    #[expect(clippy::disallowed_methods, reason = "a worker is told its part by a variable")]
    fn read() -> Self {
        let mut manner = Self::default();
        for word in env::var(MANNER).unwrap_or_default().split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || value.parse::<u64>().ok();
            match name {
                "rounds" => manner.rounds = number().unwrap(),
                "dies" => manner.dies = number(),
                "hangs" => manner.hangs = number(),
                "panics" => manner.panics = number(),
                "changes" => manner.changes = number(),
                "varies" => manner.varies = true,
                "other-dies" => manner.other_dies = true,
                "starts" => manner.starts = value.into(),
                "fills" => manner.fills = true,
                _ => panic!("unknown manner {word}"),
            }
        }
        manner
    }
}

/// Is a worker until it is ended.
pub(crate) fn serve() -> ExitCode {
    let manner = Manner::read();
    if manner.fills {
        fill(&env::temp_dir());
    }
    let harness = Harness::new("", move |_| {
        if !manner.starts.is_empty() {
            start_another(&manner.starts);
        }
        let router = router(manner.clone());
        async move { Ok::<_, String>(router) }
    });
    harness.run()
}

fn router(manner: Manner) -> Router {
    let other_dies = manner.other_dies;
    let asked = Arc::new(AtomicU64::new(0));
    let work = move || {
        let (manner, asked) = (manner.clone(), Arc::clone(&asked));
        async move {
            let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
            let from = |first: Option<u64>| first.is_some_and(|first| number >= first);
            if from(manner.dies) {
                die();
            }
            assert!(!from(manner.panics), "out of order");
            if from(manner.hangs) {
                std::future::pending::<()>().await;
            }
            black_box(hash_rounds(manner.rounds));
            match () {
                () if manner.varies => format!("done {number}"),
                () if from(manner.changes) => "something else".to_owned(),
                () => "done".to_owned(),
            }
        }
    };
    let other = move || async move {
        if other_dies {
            die();
        }
        "other"
    };
    Router::new().route("/work", get(work)).route("/other", get(other))
}

#[expect(clippy::print_stderr, reason = "these are the last words that a test looks for")]
fn die() {
    eprintln!("last words of hunter2");
    let id = std::process::id().to_string();
    Command::new("kill").args(["-KILL", &id]).status().unwrap();
}

/// Starts a process that does not end by itself and has no parent, and writes down who it is.
fn start_another(file: &str) {
    let script = "sleep 600 > /dev/null 2>&1 & echo $!";
    let started = Command::new("sh").args(["-c", script]).output().unwrap();
    let started = String::from_utf8(started.stdout).unwrap();
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(file).unwrap();
    let both = format!("{} {}\n", std::process::id(), started.trim());
    file.write_all(both.as_bytes()).unwrap();
}

fn fill(directory: &Path) {
    let mut file = fs::File::create(directory.join("filling")).unwrap();
    while file.write_all(&[0; 4_096]).is_ok() {}
}
