//! A history from outside: what is kept, what is refused, and what the exit codes say.

use std::fs;

use perf_passport::passport::SaidCommit;
use perf_passport_test_support::{
    made::{Made, MadeSubject, MadeTraffic},
    program::{Finished, Workspace, assert_says, finish},
    repository::GitRepository,
};

/// A repository in which the program runs.
pub(crate) struct History {
    pub(crate) repository: GitRepository,
    pub(crate) workspace: Workspace,
    runs: u64,
}

impl History {
    pub(crate) fn new() -> Self {
        let (repository, workspace) = (GitRepository::new(), Workspace::new(crate::PASSPORT));
        Self { repository, workspace, runs: 0 }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = self.workspace.command(arguments);
        finish(command.current_dir(self.repository.path()))
    }

    pub(crate) fn commit(&self, text: &str) {
        self.repository.write("code", text);
        self.repository.write(".gitignore", "*.json\nhistory\nsite\n*.html\n*.svg\n");
        self.repository.commit(text);
    }

    /// A passport in a file, of what is checked out.
    pub(crate) fn made(&mut self, file: &str, allocations: u64) -> Made {
        self.runs += 1;
        let subject =
            MadeSubject { name: "cart".to_owned(), allocations, ns: 50_000, body: Some(1) };
        let made = Made::new(self.repository.source(), self.runs, vec![subject]);
        self.write(file, &made);
        made
    }

    /// What a service counted that runs what is checked out, and whether somebody said so.
    fn counted(&mut self, slow: u64, is_said: bool) -> Made {
        self.runs += 1;
        let source = self.repository.source();
        let said = is_said.then(|| SaidCommit {
            reference: "HEAD".to_owned(),
            commit: source.commit.clone().unwrap(),
            commit_tree: source.commit_tree.clone().unwrap(),
        });
        let subject =
            MadeSubject { name: "cart".to_owned(), body: Some(1), ..MadeSubject::default() };
        let production = Some(MadeTraffic { requests: 1_000, errors: 0, slow });
        Made { http: Some(said), production, ..Made::new(source, self.runs, vec![subject]) }
    }

    fn write(&self, file: &str, made: &Made) {
        let bytes = made.passport().to_bytes().unwrap();
        fs::write(self.repository.path().join(file), bytes).unwrap();
    }

    /// Two commits of which the second allocates more.
    pub(crate) fn of_a_change() -> Self {
        let mut history = Self::new();
        for (text, allocations) in [("one", 10), ("two", 14)] {
            history.commit(text);
            history.made("a.json", allocations);
            assert_says(&history.run(&["history", "add", "a.json"]).exits(0).stdout, "kept  ");
        }
        history
    }
}

#[test]
fn a_change_is_open_until_it_is_accepted() {
    let history = History::of_a_change();
    let log = history.run(&["history", "log"]).exits(1);
    assert_says(&log.stdout, " two\n  OPEN      ");
    assert_says(&log.stdout, " shop cart/default allocations: 10 -> 14 (+4)\n");
    assert_says(&log.stdout, "\n2 open events, 0 open suspicions, 0 accepted\n");
    assert_says(&history.run(&["history", "add", "a.json"]).exits(0).stdout, "there already  ");
    assert_eq!(history.run(&["history", "log"]).exits(1).stdout, log.stdout);
    // Since the last commit, nothing changed.
    history.run(&["history", "log", "--since", "HEAD"]).exits(0);
    history.run(&["history", "log", "--since", "HEAD~1"]).exits(1);
    let ids: Vec<&str> =
        log.stdout.lines().filter_map(|it| it.strip_prefix("  OPEN      ")).collect();
    let ids: Vec<&str> = ids.iter().filter_map(|it| it.split(' ').next()).collect();
    assert_eq!(ids.len(), 2);
    assert_says(&history.run(&["history", "accept", ids[0], "--why", " "]).refused(2), "--why");
    let unknown = history.run(&["history", "accept", ids[0], "ffffffff", "--why", "wanted"]);
    assert_says(&unknown.refused(2), "no event `ffffffff`");
    history.run(&["history", "log"]).exits(1);
    let accepted =
        history.run(&["history", "accept", ids[0], ids[1], "--why", "caf\u{e9} wants\nit"]);
    assert_says(&accepted.exits(0).stdout, "accepted ");
    let log = history.run(&["history", "log"]).exits(0);
    assert_says(&log.stdout, "\n0 open events, 0 open suspicions, 2 accepted\n");
    assert_says(&log.stdout, ": caf\\xc3\\xa9 wants\\nit\n");
}

#[test]
fn trends_and_pages_are_written_whole() {
    let history = History::of_a_change();
    let trend = history.run(&["history", "trend", "cart", "--kind", "allocations"]).exits(0);
    assert_says(&trend.stdout, "shop cart/default: allocations\n");
    assert_says(&trend.stdout, "2 of 2 commits measured");
    history.run(&["history", "trend", "cart", "-o", "trend.svg"]).exits(0);
    let svg = fs::read_to_string(history.repository.path().join("trend.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    assert_says(&history.run(&["history", "trend", "nothing"]).refused(2), "no passport");
    assert_says(
        &history.run(&["history", "trend", "cart", "--kind", "x"]).refused(2),
        "the kinds are",
    );

    history.run(&["report", "--with-evidence"]).exits(0);
    let site = history.repository.path().join("site");
    let front = fs::read_to_string(site.join("index.html")).unwrap();
    assert_says(&front, "10 -&gt; 14 (+4)");
    assert_eq!(fs::read_dir(site.join("evidence")).unwrap().count(), 2);
    let mut names = fs::read_dir(site.join("subject")).unwrap();
    assert!(names.next().is_some() && names.next().is_none());
    history.run(&["report", "--single-file", "-o", "one.html"]).exits(0);
    assert_says(
        &history.run(&["report", "--with-evidence", "-o", "one.html"]).refused(2),
        "directory",
    );
    // In no history: a directory, and one passport.
    history.run(&["report", "--input-dir", "site/evidence", "--output", "dashboard.html"]).exits(0);
    history.run(&["report", "a.json", "-o", "passport.html"]).exits(0);
    for file in ["one.html", "dashboard.html", "passport.html"] {
        let page = fs::read_to_string(history.repository.path().join(file)).unwrap();
        assert!(page.to_lowercase().starts_with("<!doctype html>"), "{file}");
        assert!(page.trim_end().ends_with("</html>"), "{file}");
    }
    assert_says(
        &history.run(&["report", "--input-dir", "site/subject"]).refused(2),
        "no passport in",
    );
}

#[test]
fn what_is_not_kept_has_its_sentence_and_code_and_nothing_is_written() {
    let mut history = History::of_a_change();
    let before = history.run(&["history", "index", "--dump"]).exits(0).stdout;
    let path = |file: &str| history.repository.path().join(file);
    let text = fs::read_to_string(path("a.json")).unwrap();
    fs::write(path("edited.json"), text.replace("\"max\": 14\n", "\"max\": 13\n")).unwrap();
    fs::write(path("cut.json"), &text[..text.len() / 2]).unwrap();
    fs::write(path("foreign.json"), "{\"benchmarks\": []}").unwrap();
    let newer = text.replace(
        "\"schema_version\": 1,\n  \"cartographer\"",
        "\"schema_version\": 9,\n  \"cartographer\"",
    );
    fs::write(path("newer.json"), newer).unwrap();
    for (file, code, said) in [
        ("edited.json", 1, "edited"),
        ("cut.json", 2, "ends early"),
        ("foreign.json", 2, "not a passport"),
        ("newer.json", 2, "newer version"),
        ("missing.json", 2, "cannot read"),
    ] {
        assert_says(&history.run(&["history", "add", file]).refused(code), said);
    }
    let mut other = history.made("other.json", 10);
    other.source.root_commit = Some("0".repeat(40));
    history.write("other.json", &other);
    assert_says(&history.run(&["history", "add", "other.json"]).refused(2), "another repository");
    // What is sound is kept beside what is not.
    history.made("more.json", 14);
    let mixed = history.run(&["history", "add", "edited.json", "more.json"]).exits(1);
    assert_says(&mixed.stdout, "kept  ");
    assert_says(&mixed.sentence(), "edited");
    let after = history.run(&["history", "index", "--dump"]).exits(0).stdout;
    assert_eq!(after.lines().count(), before.lines().count() + 1 + 5);

    let said = ["history", "add", "more.json", "--commit", "HEAD"];
    assert_says(&history.run(&said).refused(2), "its tree is known");
    let mut http = history.made("http.json", 14);
    http.http = Some(None);
    history.write("http.json", &http);
    assert_says(
        &history.run(&["history", "add", "http.json", "--commit", "no-such"]).refused(2),
        "no-such",
    );
    history.run(&["history", "add", "http.json"]).exits(0);
    assert_says(
        &history.run(&["history", "index"]).exits(0).stdout,
        "say its commit with --commit REF",
    );
    history.run(&["history", "add", "http.json", "--commit", "HEAD"]).exits(0);
    assert!(!history.run(&["history", "index"]).exits(0).stdout.contains("--commit REF"));
    // Said again it is no other, and said otherwise it is refused.
    history.run(&["history", "add", "http.json", "--commit", "HEAD"]).exits(0);
    assert_says(
        &history.run(&["history", "add", "http.json", "--commit", "HEAD~1"]).refused(2),
        "says already that it is of commit",
    );
}

#[test]
fn places_that_are_none_have_a_sentence() {
    let history = History::new();
    history.commit("one");
    assert_says(&history.run(&["history", "log"]).refused(2), "passport history add FILE");
    let index = ["history", "log", "--index", "mysql://me:s3cret@host/x"];
    let said = history.run(&index).refused(2);
    assert!(!said.contains("s3cret"), "{said}");
    assert_says(&history.run(&["history", "prune"]).refused(2), "--keep N");
    let range = ["history", "log", "--branch", "HEAD..HEAD"];
    fs::create_dir_all(history.repository.path().join("history/passports")).unwrap();
    assert_says(&history.run(&range).refused(2), "no commit is called `HEAD..HEAD`");
    let branch = ["history", "log", "--branch-ref", "main"];
    assert_says(&history.run(&branch).refused(2), "checked out");
    let outside = Workspace::new(crate::PASSPORT);
    outside.make("history");
    outside.make("history/passports");
    assert_says(&outside.run(&["history", "log"]).refused(2), "no git repository");
}

#[test]
fn an_index_that_is_somebody_elses_file_is_left_as_it_is() {
    let history = History::of_a_change();
    let victim = history.repository.path().join("victim.txt");
    fs::write(&victim, "a year of notes\n").unwrap();
    let index = ["--index", "victim.txt"];
    for command in [&["log"][..], &["index", "--rebuild"], &["add", "a.json"]] {
        let refused = history.run(&[&["history"], command, &index].concat());
        assert_says(&refused.exits(2).stderr, "`victim.txt` is no index of a history");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "a year of notes\n");
    }
}

#[test]
fn a_branch_keeps_what_a_directory_does_and_prune_leaves_the_evidence() {
    let mut history = History::new();
    for place in 0..8 {
        history.commit(&place.to_string());
        history.made("a.json", if place < 4 { 10 } else { 14 });
        history.run(&["history", "add", "a.json", "--branch-ref", "perf"]).exits(0);
    }
    assert!(!history.repository.path().join("history").exists());
    let log = history.run(&["history", "log", "--branch-ref", "perf"]).exits(1).stdout;
    let prune = |dry: &[&str]| {
        let arguments = ["history", "prune", "--keep", "1", "--branch-ref", "perf"];
        history.run(&[&arguments, dry].concat()).exits(0).stdout
    };
    assert_says(&prune(&["--dry-run"]), "5 passports would be removed, 3 kept\n");
    assert_says(&prune(&[]), "5 passports removed, 3 kept\n");
    assert_says(&prune(&[]), "0 passports removed, 3 kept\n");
    assert_eq!(history.run(&["history", "log", "--branch-ref", "perf"]).exits(1).stdout, log);
}

/// What a running service counted belongs to a commit where somebody said which one was running.
#[test]
fn what_a_running_service_counted_is_a_series() {
    let mut history = History::new();
    let mut files: Vec<String> = Vec::new();
    for place in 0..40_u64 {
        history.commit(&format!("commit {place}"));
        let slow = place % 3 + if place < 20 { 1 } else { 40 };
        let made = history.counted(slow, true);
        files.push(format!("{place}.json"));
        history.write(files.last().unwrap(), &made);
    }
    let mut add = vec!["history", "add"];
    add.extend(files.iter().map(String::as_str));
    history.run(&add).exits(0);
    let trend = history.run(&["history", "trend", "api"]).exits(0).stdout;
    for kind in ["error-share", "slow-share"] {
        assert_says(&trend, &format!("shop production::api: {kind}\n"));
    }
    assert_says(&trend, "40 of 40 commits measured");
    assert_says(&trend, "4.2000 %");
    history.run(&["history", "trend", "production::api", "--kind", "slow-share"]).exits(0);
    // Another share is a suspicion, as traffic may be another one too.
    let log = history.run(&["history", "log"]).exits(4).stdout;
    assert_says(&log, " shop production::api slow-share: 0.");
    assert_says(&log, " points)\n");
    assert!(!log.contains("error-share"), "{log}");
    history.run(&["report"]).exits(0);
    let site = history.repository.path().join("site");
    assert_says(&fs::read_to_string(site.join("index.html")).unwrap(), "slow-share");
    // Nobody said which commit was running.
    let made = history.counted(1, false);
    history.write("unsaid.json", &made);
    history.run(&["history", "add", "unsaid.json"]).exits(0);
    let index = history.run(&["history", "index"]).exits(0).stdout;
    assert_says(&index, "it is of a running service: say its commit with --commit REF");
}
