//! Runs the program in a directory of its own and holds what every run must keep.

use std::{
    ffi::OsStr,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

/// The name of the contract that the program reads by itself.
pub const CONTRACT: &str = "passport.toml";
/// The link to the newest passport of `check`.
pub const LATEST: &str = "artifacts/performance/latest_performance_passport.json";

/// Polls, 10 ms apart, after which a run that does not end is ended. Far beyond any run here.
const POLLS_MAX: u32 = 18_000;

/// A directory to run the program in.
#[derive(Debug)]
pub struct Workspace {
    directory: TempDir,
    /// The user's cache, which is never inside of a repository.
    cache: TempDir,
    program: &'static str,
}

impl Workspace {
    /// An empty directory, for the program at this path.
    pub fn new(program: &'static str) -> Self {
        let directory = || tempfile::tempdir().unwrap();
        Self { directory: directory(), cache: directory(), program }
    }

    /// A directory with this contract in it.
    pub fn with_contract(program: &'static str, contract: &str) -> Self {
        let workspace = Self::new(program);
        workspace.write(CONTRACT, contract);
        workspace
    }

    /// The path of a file in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Makes a directory.
    pub fn make(&self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
    }

    /// The text of a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The JSON in a file.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// Every file below the directory, with its text.
    pub fn files(&self) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                    files.push((path, text));
                }
            }
        }
        files
    }

    /// The program with these arguments, not yet started, with no key in its environment.
    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(self.program);
        command.args(arguments).current_dir(self.directory.path());
        command.env_remove("LEDGER_API_KEY").env("NO_COLOR", "1");
        command.env("XDG_CACHE_HOME", self.cache.path());
        command
    }

    /// The directories in which the refs of repositories are built.
    pub fn places(&self) -> Vec<PathBuf> {
        let places = fs::read_dir(self.cache.path().join("perf-passport"));
        places.into_iter().flatten().map(|it| it.unwrap().path()).collect()
    }

    /// The only passport that was filed, which verifies, as it was written.
    pub fn filed_passport(&self) -> String {
        let mut filed = self.files().into_iter().filter(|(path, _)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("performance_passport_") && name.ends_with(".json")
        });
        let (path, text) = filed.next().unwrap();
        assert_eq!(filed.next(), None);
        self.run(&["verify", path.to_str().unwrap()]).exits(0);
        text
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Finished {
        finish(&mut self.command(arguments))
    }
}

/// What a run left.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A shell that runs a script in this directory, with mounts of its own, so that a file system over its
/// directory `tiny` can be full; `None`, with a line that says so, where nothing may be mounted.
#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "what is missing is part of the result of a test")]
pub fn shell_with_mounts(directory: &Path, script: &[&str]) -> Option<Command> {
    let inside = |rights: &[&str], script: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(rights).args(["--mount", "sh", "-c"]).args(script).current_dir(directory);
        command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
        command
    };
    let can = |rights: &&&[&str]| {
        let tried = inside(rights, &["mount -t tmpfs tmpfs tiny"]).output();
        tried.is_ok_and(|it| it.status.success())
    };
    let ways: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];
    let Some(rights) = ways.iter().find(can) else {
        println!("MISSING: the right to mount a file system that can be full");
        return None;
    };
    Some(inside(rights, script))
}

/// Starts a command and waits for its end; both outputs are ASCII and nothing panicked.
pub fn finish(command: &mut Command) -> Finished {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    end(child.spawn().unwrap())
}

/// Waits for the end of a child whose outputs may be piped.
pub fn end(mut child: Child) -> Finished {
    let stdout = child.stdout.take().map(|stream| thread::spawn(|| read(stream)));
    let stderr = child.stderr.take().map(|stream| thread::spawn(|| read(stream)));
    let mut polls = 0;
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        polls += 1;
        if polls > POLLS_MAX {
            child.kill().unwrap();
            panic!("the program does not end");
        }
        thread::sleep(Duration::from_millis(10));
    };
    let text = |reading: Option<thread::JoinHandle<String>>| {
        reading.map(|it| it.join().unwrap()).unwrap_or_default()
    };
    let finished = Finished { code, stdout: text(stdout), stderr: text(stderr) };
    for output in [&finished.stdout, &finished.stderr] {
        let plain = |c: char| c == '\n' || c == ' ' || c.is_ascii_graphic();
        assert!(output.chars().all(plain), "{output:?}");
        assert!(!output.contains("panicked at"), "{output}");
    }
    finished
}

fn read(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

impl Finished {
    /// It ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The run is refused before anything is measured: this code, nothing on standard output, and
    /// one sentence on standard error.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        let finished = self.exits(code);
        assert_eq!(finished.stdout, "", "{finished:#?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:#?}");
        finished.sentence()
    }

    /// The one sentence of error, perhaps after lines of progress.
    #[track_caller]
    pub fn sentence(&self) -> String {
        let mut said = self.stderr.lines().filter_map(|line| line.strip_prefix("passport: "));
        let sentence = said.next().unwrap_or_else(|| panic!("no error is told: {self:#?}"));
        assert_eq!(said.next(), None, "{self:#?}");
        assert!(self.stderr.ends_with(&format!("{sentence}\n")), "{self:#?}");
        sentence.to_owned()
    }

    /// The passport that the last line names.
    #[track_caller]
    pub fn filed(&self) -> &str {
        self.stdout.lines().last().and_then(|it| it.strip_prefix("passport ")).unwrap()
    }

    /// Neither output says any of this.
    #[track_caller]
    pub fn keeps_to_itself(&self, secret: &str) {
        assert!(!self.stdout.contains(secret) && !self.stderr.contains(secret), "{self:#?}");
    }
}

/// The text says this.
#[track_caller]
pub fn assert_says(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}
