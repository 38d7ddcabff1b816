//! Rules on the documents: links that lead somewhere, and limits that keep pages readable.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const README_WORDS_MAX: usize = 900;
const ARCHITECTURE_BYTES_MAX: usize = 12_000;

/// Pages are documentation or repositories; a registry's page of a package is neither.
const REGISTRIES: &[&str] = &["crates.io", "lib.rs/", "npmjs.com", "pypi.org"];

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut violations = Vec::new();
    for page in pages() {
        let text = prose(&fs::read_to_string(&page).unwrap());
        for target in targets(&text) {
            if let Err(problem) = follow(&page, &target) {
                violations.push(format!("{}: `{target}`: {problem}", page.display()));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn every_document_is_linked_from_the_readme() {
    let mut reached = BTreeSet::new();
    let mut next = vec![root().join("README.md")];
    while let Some(page) = next.pop() {
        if page.extension().is_some_and(|it| it == "md") && reached.insert(page.clone()) {
            let text = prose(&fs::read_to_string(&page).unwrap());
            next.extend(targets(&text).iter().filter_map(|it| file_of(&page, it)));
        }
    }
    let lost: Vec<PathBuf> = pages().into_iter().filter(|it| !reached.contains(it)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn the_entrance_stays_small() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let words = readme.split_whitespace().count();
    assert!(words <= README_WORDS_MAX, "README.md has {words} words, at most {README_WORDS_MAX}");
    let bytes = fs::read(root().join("ARCHITECTURE.md")).unwrap().len();
    assert!(bytes <= ARCHITECTURE_BYTES_MAX, "ARCHITECTURE.md has {bytes} bytes");
}

/// `examples/own_service` is compiled and run, so what pages show of it works.
#[test]
fn pages_show_the_example_as_it_is() {
    let example = root().join("examples/own_service");
    let contract = fs::read_to_string(example.join("passport.toml")).unwrap();
    let program = fs::read_to_string(example.join("main.rs")).unwrap();
    let (program, _) = program.split_once("/// The service under contract.").unwrap();
    let program = without_space(&program.replace("examples/own_service/", ""));
    for page in ["README.md", "docs/how-to/axum.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let blocks: Vec<&str> = text.split("```").skip(1).step_by(2).collect();
        assert!(blocks.contains(&format!("toml\n{contract}").as_str()), "{page}: passport.toml");
        let shown = blocks.iter().filter_map(|block| block.strip_prefix("rust"));
        let is_shown = shown.map(without_space).any(|it| program.ends_with(&it));
        assert!(is_shown, "{page}: main.rs");
    }
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
#[cfg(unix)]
fn sentences_are_short() {
    let output = Command::new("bash").arg(root().join(".ci/prose")).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("  README.md\n"), "README.md was not counted:\n{printed}");
}

/// The counter itself, in both directions.
#[test]
#[cfg(unix)]
fn long_sentences_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let count = |text: &str| {
        let page = directory.path().join("page.md");
        fs::write(&page, text).unwrap();
        let output = Command::new("bash").arg(root().join(".ci/prose")).arg(page).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let fine = "# A heading of words\n\n- One two. Three `of code here` four five: six seven.\n\
                - Note: eight nine.\n\n| a table | of words |\n\n```sh\nmuch that is no prose\n```\n";
    let (code, printed) = count(fine);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("4 sentences") && printed.contains("11 words"), "{printed}");

    let (code, printed) = count(&format!("{}last.\n", "word ".repeat(25)));
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("26 words: word"), "{printed}");
    // A mean above 16 without any sentence above 25.
    let (code, printed) = count(&format!("{}last.\n", "word ".repeat(16)));
    assert_eq!(code, Some(1), "{printed}");
    // A semicolon does not make two sentences of one.
    let (code, printed) = count(&format!("{}; {}last.\n", "word ".repeat(13), "word ".repeat(13)));
    assert_eq!(code, Some(1), "{printed}");
}

#[test]
fn every_key_of_a_contract_is_described() {
    let mut keys = BTreeSet::new();
    collect(&schema("contract"), "properties", &mut keys);
    assert!(keys.contains("allocations_max"), "{keys:?}");
    let page = fs::read_to_string(root().join("docs/reference/contract.md")).unwrap();
    // A table is named in brackets, perhaps below another.
    let is_described = |key: &str| {
        [format!("`{key}`"), format!("[{key}]"), format!(".{key}]")]
            .iter()
            .any(|it| page.contains(it))
    };
    let missing: Vec<String> = keys.into_iter().filter(|key| !is_described(key)).collect();
    assert!(missing.is_empty(), "docs/reference/contract.md lacks {missing:?}");
}

#[test]
fn every_claim_and_reason_is_described() {
    let definitions = schema("passport")["$defs"].clone();
    for (kind, page) in [("ClaimKind", "contract.md"), ("Reason", "troubleshooting.md")] {
        let page = root().join("docs/reference").join(page);
        let text = fs::read_to_string(&page).unwrap();
        let variants = definitions[kind]["oneOf"].as_array().unwrap();
        let names: BTreeSet<&str> =
            variants.iter().map(|it| it["const"].as_str().unwrap()).collect();
        assert!(names.len() > 10, "{kind}: {names:?}");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
        let rows: Vec<&str> = rows.collect();
        let has_row = |name: &str| rows.iter().any(|row| row.contains(&format!("`{name}`")));
        let missing: Vec<&str> = names.into_iter().filter(|name| !has_row(name)).collect();
        assert!(missing.is_empty(), "{} lacks {missing:?}", page.display());
    }
}

fn schema(name: &str) -> Value {
    let file = root().join(format!("schemas/{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The keys of every object that is named `name`, at any depth.
fn collect(value: &Value, name: &str, keys: &mut BTreeSet<String>) {
    if let Some(object) = value.get(name).and_then(Value::as_object) {
        keys.extend(object.keys().cloned());
    }
    match value {
        Value::Object(object) => object.values().for_each(|it| collect(it, name, keys)),
        Value::Array(items) => items.iter().for_each(|it| collect(it, name, keys)),
        _ => {}
    }
}

#[test]
fn targets_and_anchors_are_found() {
    let text = prose("[a](b.md#c)\n```text\n[d](e)\n```\n`[f](g)` [h](https://i)\n");
    assert_eq!(targets(&text), ["b.md#c", "https://i"]);
    let page = "# What *is* `kept`, and how?\n\n```sh\n# no heading\n```\n## Again\n## Again\n";
    let expected = ["again", "again-1", "what-is-kept-and-how"].map(str::to_owned);
    assert_eq!(anchors(page), BTreeSet::from(expected));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All documents of the project, those of its crates included.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut next = vec![root().to_owned()];
    while let Some(directory) = next.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && !name.starts_with('.') && !is_made(&name) {
                next.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn is_made(directory: &str) -> bool {
    ["target", "artifacts", "fixtures"].contains(&directory)
}

/// A page without its code.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let mut text = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // Every other piece between backquotes is code; a link's text may be code, its target not.
            let spans: Vec<&str> = line.split('`').collect();
            let spans: Vec<&str> = spans.into_iter().step_by(2).collect();
            text.push_str(&spans.concat());
            text.push('\n');
        }
    }
    text
}

/// Where the links of a text lead.
fn targets(text: &str) -> Vec<String> {
    let rest = text.split("](").skip(1);
    rest.filter_map(|it| Some(it.split_once(')')?.0.to_owned())).collect()
}

fn file_of(page: &Path, target: &str) -> Option<PathBuf> {
    let file = target.split('#').next()?;
    if file.is_empty() || target.contains("://") {
        return None;
    }
    page.parent()?.join(file).canonicalize().ok()
}

fn follow(page: &Path, target: &str) -> Result<(), String> {
    if target.contains("://") {
        let registry = REGISTRIES.iter().find(|it| target.contains(*it));
        return registry.map_or(Ok(()), |it| Err(format!("leads to the registry {it}")));
    }
    let file = match target.split_once('#') {
        Some(("", _)) => page.to_owned(),
        _ => file_of(page, target).ok_or("no such file")?,
    };
    let Some((_, anchor)) = target.split_once('#') else { return Ok(()) };
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    if anchors(&text).contains(anchor) { Ok(()) } else { Err("no such heading".to_owned()) }
}

/// The names that GitHub gives to the headings of a page.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in page.lines() {
        fenced ^= line.starts_with("```");
        let title = line.trim_start_matches('#');
        if fenced || title == line || !title.starts_with(' ') {
            continue;
        }
        let name: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || ['-', '_', ' '].contains(c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut unique = name.clone();
        let mut again = 0;
        while !found.insert(unique) {
            again += 1;
            unique = format!("{name}-{again}");
        }
    }
    found
}
