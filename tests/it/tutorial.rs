//! What docs/tutorial.md says, done: its files are written, its commands run, their ends compared.
//!
//! The page is the test's only input. A block of code in `sh` is commands, one a line, and `# exits N`
//! behind one says how it ends. A block in `text` is lines of what the command before it printed. Any
//! other block is a file, whose name stands at the end of the paragraph before it.

use std::{fs, path::Path, process::Command};

/// Where the page has the clone of this repository.
const CLONE: &str = "../perf-passport";

#[derive(Debug)]
enum Step {
    File { name: String, text: String },
    Run { command: String, exit_code: i32 },
    Printed { lines: Vec<String> },
}

#[test]
fn every_command_of_the_tutorial_ends_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let steps = steps(&fs::read_to_string(root.join("docs/tutorial.md")).unwrap());
    let caught = steps.iter().filter(|it| matches!(it, Step::Run { exit_code: 101, .. })).count();
    assert!(caught >= 2, "the tutorial shows no regression that is caught: {steps:?}");

    let beside = tempfile::tempdir().unwrap();
    let mut directory = beside.path().to_owned();
    let mut printed = String::new();
    for step in steps {
        match step {
            Step::Run { command, .. } if command.starts_with("cd ") => {
                directory.push(command.trim_start_matches("cd "));
            }
            Step::Run { command, exit_code } => {
                let ended = run(&command, &directory);
                printed = ended.1;
                assert_eq!(ended.0, Some(exit_code), "`{command}` printed:\n{printed}");
            }
            Step::File { name, text } => write(&directory.join(name), &text, root),
            Step::Printed { lines } => {
                for line in lines {
                    assert!(printed.contains(&line), "`{line}` is not in:\n{printed}");
                }
            }
        }
    }
}

/// Runs a command as a reader does, without a network: its exit code, and all that it printed.
fn run(command: &str, directory: &Path) -> (Option<i32>, String) {
    // This workspace's own directory and debug information: what was compiled for it is used again.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TERM_COLOR", "never")
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
}

/// Writes a file of the page. A manifest names this repository where the page names its clone, and has
/// the versions of this repository beside it, which are all that is known without a network.
fn write(path: &Path, text: &str, root: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if path.ends_with("Cargo.toml") {
        assert!(text.contains(CLONE), "{text}");
        let text = text.replace(CLONE, root.to_str().unwrap());
        fs::write(path, text).unwrap();
        fs::copy(root.join("Cargo.lock"), path.with_file_name("Cargo.lock")).unwrap();
    } else {
        fs::write(path, text).unwrap();
    }
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut before = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                before = line;
            }
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match language {
            "sh" => steps.extend(block.iter().map(|line| command(line))),
            "text" => steps.push(Step::Printed {
                lines: block.iter().map(|line| (*line).to_owned()).collect(),
            }),
            _ => steps.push(Step::File { name: file_name(before), text: block.join("\n") + "\n" }),
        }
    }
    steps
}

fn command(line: &str) -> Step {
    let (command, exit_code) = match line.split_once("# exits ") {
        Some((command, exit_code)) => (command, exit_code.trim().parse().unwrap()),
        None => (line, 0),
    };
    Step::Run { command: command.trim().to_owned(), exit_code }
}

/// The name in "... `NAME`:".
fn file_name(line: &str) -> String {
    let name = line.strip_suffix("`:").and_then(|line| line.rsplit_once('`'));
    name.unwrap_or_else(|| panic!("no name of a file before a block: {line}")).1.to_owned()
}

#[test]
fn steps_of_a_page_are_found() {
    let page = "Text.\n\n```sh\na b    # exits 3\nc\n```\n\n```text\nx\n```\nWrite `d/e.rs`:\n\n```rust\nf\n```\n";
    let found = format!("{:?}", steps(page));
    let expected = r#"[Run { command: "a b", exit_code: 3 }, Run { command: "c", exit_code: 0 }, Printed { lines: ["x"] }, File { name: "d/e.rs", text: "f\n" }]"#;
    assert_eq!(found, expected);
}
