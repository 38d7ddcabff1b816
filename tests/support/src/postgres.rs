//! A PostgreSQL server of a test's own.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A cluster that was started here, and is stopped and removed when dropped.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    programs: PathBuf,
    directory: TempDir,
    user: Option<&'static str>,
}

impl Cluster {
    /// One that runs; `None`, with a line that starts with `MISSING:`, where there is no PostgreSQL.
    #[expect(clippy::print_stdout, reason = "what is missing is part of the result of a test")]
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!("MISSING: postgresql (initdb not found)");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        // PostgreSQL refuses to run as root.
        let user = (fs::metadata(directory.path()).unwrap().uid() == 0).then(|| {
            ["postgres", "nobody"]
                .into_iter()
                .find(|user| succeeds(Command::new("chown").arg(user).arg(directory.path())))
                .expect("a user other than root to run PostgreSQL as")
        });
        let mut cluster = Self { url: String::new(), programs, directory, user };
        let options = ["-A", "trust", "-U", "tester", "-E", "UTF8", "--locale=C", "--no-sync"];
        assert!(succeeds(cluster.program("initdb").args(options)), "initdb failed");
        // Another process may take the free port before the server does.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
            let port = port.port();
            let sockets = cluster.directory.path().display();
            let options =
                format!("-p {port} -k {sockets} -c listen_addresses=127.0.0.1 -c fsync=off");
            let log = cluster.directory.path().join("log");
            let mut start = cluster.program("pg_ctl");
            if succeeds(start.args(["-w", "-o", &options, "-l"]).arg(log).arg("start")) {
                cluster.url = format!("postgres://tester:s3cret@127.0.0.1:{port}/postgres");
                return Some(cluster);
            }
        }
        let log = fs::read_to_string(cluster.directory.path().join("log"));
        panic!("PostgreSQL did not start: {}", log.unwrap_or_default());
    }

    /// Its address, with a password that nobody may see.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory of its programs.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// Stops it, as a crash would.
    pub fn stop(&self) {
        let mut stop = self.program("pg_ctl");
        assert!(succeeds(stop.args(["-w", "-m", "immediate", "stop"])), "pg_ctl stop failed");
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = match self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(program);
                command
            }
        };
        command.arg("-D").arg(self.directory.path().join("data")).current_dir(Path::new("/"));
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may be stopped already.
        succeeds(self.program("pg_ctl").args(["-w", "-m", "immediate", "stop"]));
    }
}

/// The directory of `initdb` and `pg_ctl`: on the path, or where Debian keeps the newest version.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let kept = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<PathBuf> = kept.flatten().map(|it| it.path().join("bin")).collect();
    versions.sort();
    env::split_paths(&path)
        .chain(versions.into_iter().rev())
        .find(|directory| directory.join("initdb").is_file() && directory.join("pg_ctl").is_file())
}

fn succeeds(command: &mut Command) -> bool {
    // The server inherits these and would keep a pipe open.
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
