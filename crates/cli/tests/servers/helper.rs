//! A server that does what a test tells it by its arguments: work, answer, and misbehave.

use std::{
    hint::black_box,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use perf_passport::clock::{Clock, SystemClock};
use perf_passport_test_support::work::hash_rounds;

/// The first argument of a helper.
pub(crate) const HELPER: &str = "--be-a-server";

/// What the server does; each is an argument `name=value`.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each argument")]
struct Manner {
    port: u16,
    /// Exits with this code at once, with a last word.
    exits: Option<u8>,
    /// Rounds of work for a request, and of such that is not told of.
    rounds: u64,
    untold: u64,
    /// How it tells its own time: `finely`, `coarsely` or `not`.
    tells: String,
    /// What it answers.
    answer: String,
    /// The number of the request from which on it does so.
    dies: Option<u64>,
    hangs: Option<u64>,
    changes: Option<u64>,
    hushes: Option<u64>,
    breaks: Option<u64>,
    /// Closes the connection after each answer, and answers by HTTP/1.0 without a length.
    closes: bool,
    old: bool,
    /// Answers with the address that it was asked at.
    own: bool,
    /// Answers 503 until it has been asked so often.
    unready: u64,
    /// Rounds of work for the first request, half of them for the second, a third for the third.
    warms: u64,
    /// Tells its time in milliseconds where seconds are meant.
    in_milliseconds: bool,
    /// A file where it writes its process and those of what it starts.
    starts: String,
    /// Does not listen.
    deaf: bool,
}

impl Manner {
    fn read(arguments: impl Iterator<Item = String>) -> Self {
        let mut manner = Self { answer: "done".to_owned(), ..Self::default() };
        for argument in arguments {
            let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
            let number = || value.parse::<u64>().ok();
            match name {
                "port" => manner.port = value.parse().unwrap(),
                "exits" => manner.exits = value.parse().ok(),
                "rounds" => manner.rounds = number().unwrap(),
                "untold" => manner.untold = number().unwrap(),
                "breaks" => manner.breaks = number(),
                "tells" => manner.tells = value.into(),
                "answer" => manner.answer = value.into(),
                "dies" => manner.dies = number(),
                "hangs" => manner.hangs = number(),
                "changes" => manner.changes = number(),
                "hushes" => manner.hushes = number(),
                "closes" => manner.closes = true,
                "old" => manner.old = true,
                "own" => manner.own = true,
                "unready" => manner.unready = number().unwrap(),
                "warms" => manner.warms = number().unwrap(),
                "in-milliseconds" => manner.in_milliseconds = true,
                "starts" => manner.starts = value.into(),
                "deaf" => manner.deaf = true,
                _ => panic!("unknown argument {argument}"),
            }
        }
        manner
    }
}

/// Is a server until it is ended.
#[expect(clippy::print_stderr, reason = "these are the last words that a test looks for")]
pub(crate) fn serve(arguments: impl Iterator<Item = String>) -> ExitCode {
    let manner = Manner::read(arguments);
    if let Some(code) = manner.exits {
        eprintln!("cannot open the caf\u{e9}");
        return ExitCode::from(code);
    }
    if !manner.starts.is_empty() {
        start_others(&manner.starts);
    }
    if manner.deaf {
        thread::sleep(Duration::from_secs(600));
    }
    let listener = match TcpListener::bind(("127.0.0.1", manner.port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("port {}: {error}", manner.port);
            return ExitCode::from(7);
        }
    };
    let asked = Arc::new(AtomicU64::new(0));
    for stream in listener.incoming().map_while(Result::ok) {
        let (manner, asked) = (manner.clone(), Arc::clone(&asked));
        thread::spawn(move || answer_all(stream, &manner, &asked));
    }
    ExitCode::SUCCESS
}

/// Starts a process of the same group, and one with a session of its own that does not end when it is
/// asked to; neither has a parent.
fn start_others(file: &str) {
    let script = "sleep 600 > /dev/null 2>&1 & echo $!
                  trap '' TERM; setsid sleep 600 > /dev/null 2>&1 & echo $!";
    let started = Command::new("sh").args(["-c", script]).output().unwrap();
    let started = String::from_utf8(started.stdout).unwrap().replace('\n', " ");
    let all = format!("{} {}\n", std::process::id(), started.trim());
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(file).unwrap();
    file.write_all(all.as_bytes()).unwrap();
}

fn answer_all(mut stream: TcpStream, manner: &Manner, asked: &AtomicU64) {
    stream.set_nodelay(true).unwrap();
    let clock = SystemClock::start();
    while let Some(head) = read_head(&mut stream) {
        let started = clock.elapsed();
        let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
        let from = |first: Option<u64>| first.is_some_and(|first| number >= first);
        if from(manner.dies) {
            tell("last words of hunter2");
            let id = std::process::id().to_string();
            Command::new("kill").args(["-KILL", &id]).status().unwrap();
        }
        if from(manner.hangs) {
            thread::sleep(Duration::from_secs(600));
        }
        let body = if from(manner.changes) { "something else" } else { &manner.answer };
        let host = head.lines().find(|line| line.to_lowercase().starts_with("host:"));
        let body = if manner.own { host.unwrap_or_default() } else { body };
        black_box(hash_rounds(manner.rounds + manner.warms / number));
        let took = clock.elapsed().saturating_sub(started).get();
        black_box(hash_rounds(manner.untold));
        let whole = took / 1_000_000;
        let tells = if from(manner.hushes) { "not" } else { manner.tells.as_str() };
        let timing = match tells {
            "finely" => format!("Server-Timing: total;dur={whole}.{:06}\r\n", took % 1_000_000),
            "coarsely" => format!("Server-Timing: total;dur={whole}\r\n"),
            _ if manner.in_milliseconds => format!("X-Process-Time: {}\r\n", took / 1_000),
            _ => String::new(),
        };
        let close = if manner.closes { "Connection: close\r\n" } else { "" };
        let status = if number <= manner.unready { "503 Busy" } else { "200 OK" };
        let (version, length) = if manner.old {
            ("1.0", String::new())
        } else {
            ("1.1", format!("Content-Length: {}\r\n", body.len()))
        };
        let answer = format!(
            "HTTP/{version} {status}\r\nContent-Type: text/plain\r\n{length}{timing}{close}\r\n{body}"
        );
        let half = if from(manner.breaks) { answer.len() - 1 } else { answer.len() };
        let written = stream.write_all(&answer.as_bytes()[..half]);
        if written.is_err() || manner.closes || manner.old || half < answer.len() {
            return;
        }
    }
}

#[expect(clippy::print_stderr, reason = "these are the last words that a test looks for")]
fn tell(words: &str) {
    eprintln!("{words}");
}

/// The head of a request; `None` when there is no more.
fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 4_096];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(read @ 1..) => head.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}
