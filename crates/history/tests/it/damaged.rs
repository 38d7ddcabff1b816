//! Stores and indexes that are damaged, old, or of somebody else.

use std::fs;

use perf_passport_history::{
    History, HistoryError,
    gathered::Gathered,
    history::must_belong,
    index::{Index, IndexLocation},
    site::single_page,
};

use crate::opened::{Fixture, commit, read};

fn three() -> Fixture {
    let mut fixture = Fixture::new();
    for (text, allocations) in [("1", 10), ("2", 10), ("3", 20)] {
        commit(&fixture.repository, "code", text);
        fixture.keep(allocations, 1);
    }
    fixture
}

#[test]
fn an_index_that_is_made_again_says_the_same() {
    let fixture = three();
    let (mut history, followed) = fixture.open();
    assert_eq!(followed.added, 3);
    let dump = history.index.dump().unwrap();
    assert_eq!(dump.lines().filter(|it| it.contains(" allocations ")).count(), 6, "{dump}");
    let events = crate::opened::events(&mut history);
    drop(history);
    let mut opening = fixture.opening();
    opening.rebuild = true;
    let (mut history, followed) = History::open(&opening).unwrap();
    assert_eq!((followed.added, followed.made_again), (3, true));
    assert_eq!(history.index.dump().unwrap(), dump);
    assert_eq!(crate::opened::events(&mut history), events);
    drop(history);
    // Also where the passports come one at a time, in another order.
    let other = fixture.directory.path().join("other.sqlite");
    let mut index = Index::open(&IndexLocation::File(other)).unwrap();
    for hash in fixture.store().hashes().unwrap().iter().rev() {
        let passport = fixture.store().read(hash).unwrap();
        index.add(&[perf_passport_history::index::Entry::of(&passport)]).unwrap();
    }
    assert_eq!(index.dump().unwrap(), dump);
}

#[test]
fn a_corrupt_an_old_and_a_deleted_index_are_made_again() {
    let fixture = three();
    let events = fixture.events();
    let path = fixture.store().index();
    for damage in
        ["no database at all, and longer than a header of one: ".repeat(40), String::new()]
    {
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", path.display()));
        }
        fs::write(&path, damage).unwrap();
        assert_eq!(fixture.events(), events);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(fixture.events(), events);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE passport_migrations SET digest = 'of another version'", []).unwrap();
    drop(connection);
    let (_, followed) = fixture.open();
    assert!(followed.made_again);
    assert_eq!(fixture.events(), events);
}

#[test]
fn a_file_that_is_no_index_is_refused_and_left_as_it_is() {
    let fixture = three();
    let path = |name: &str| fixture.directory.path().join(name);
    fs::write(path("notes.txt"), "a year of notes\n".repeat(100)).unwrap();
    fs::write(path("short.txt"), "short").unwrap();
    fs::write(path("nothing.sqlite-journal"), "a journal of somebody").unwrap();
    let connection = rusqlite::Connection::open(path("theirs.sqlite")).unwrap();
    connection.execute_batch("CREATE TABLE points (x); INSERT INTO points VALUES (1)").unwrap();
    drop(connection);
    for (name, kept) in [
        ("notes.txt", "notes.txt"),
        ("short.txt", "short.txt"),
        ("theirs.sqlite", "theirs.sqlite"),
        ("nothing.sqlite", "nothing.sqlite-journal"),
    ] {
        let before = read(&path(kept));
        for rebuild in [false, true] {
            let mut opening = fixture.opening();
            (opening.index, opening.rebuild) = (IndexLocation::File(path(name)), rebuild);
            let error = History::open(&opening).unwrap_err();
            assert!(matches!(error, HistoryError::ForeignIndex { .. }), "{name}: {error}");
            assert_eq!(read(&path(kept)), before, "{name}");
            let beside = path(&format!("{name}-wal"));
            assert!(!beside.exists(), "{}", beside.display());
        }
    }
    fs::create_dir(path("directory")).unwrap();
    assert!(Index::open(&IndexLocation::File(path("directory"))).is_err());
    // One of ours may be named, opened again, and made again.
    let mut opening = fixture.opening();
    for (rebuild, added) in [(false, 3), (false, 0), (true, 3)] {
        opening.index = IndexLocation::File(path("ours.sqlite"));
        opening.rebuild = rebuild;
        assert_eq!(History::open(&opening).unwrap().1.added, added);
    }
}

#[test]
fn the_order_in_which_passports_came_decides_nothing() {
    let mut fixture = Fixture::new();
    // At each place two responses of two toolchains.
    for place in 0..2 {
        commit(&fixture.repository, "code", &place.to_string());
        for (body, rustc) in [(1, "rustc 1.90.0"), (2, "rustc 1.89.0"), (3, "rustc 1.90.0")] {
            let mut made = fixture.made(10 + place, body + 10 * place);
            made.rustc = rustc.to_owned();
            fixture.store().keep(&made.passport()).unwrap();
        }
    }
    let hashes = fixture.store().hashes().unwrap();
    let told = |name: &str, hashes: Vec<&String>| {
        let location = IndexLocation::File(fixture.directory.path().join(name));
        let mut index = Index::open(&location).unwrap();
        for hash in hashes {
            let passport = fixture.store().read(hash).unwrap();
            index.add(&[perf_passport_history::index::Entry::of(&passport)]).unwrap();
        }
        drop(index);
        let mut opening = fixture.opening();
        opening.index = location;
        let (mut history, _) = History::open(&opening).unwrap();
        let events = crate::opened::events(&mut history);
        let words = history.words(&events).unwrap();
        let gathered = Gathered::of(&mut history).unwrap();
        let page = single_page(&gathered.content(None));
        (perf_passport_history::log::render(&events, history.line(), &words), page)
    };
    let forwards = told("forwards.sqlite", hashes.iter().collect());
    assert!(forwards.0.contains("response: "), "{}", forwards.0);
    assert!(forwards == told("backwards.sqlite", hashes.iter().rev().collect()));
}

#[test]
fn a_passport_that_was_edited_in_the_store_is_told_and_on_no_series() {
    let fixture = three();
    let hashes = fixture.store().hashes().unwrap();
    for hash in &hashes {
        let path = fixture.store().passport_path(hash);
        let text = String::from_utf8(read(&path)).unwrap();
        if text.contains("\"max\": 20\n") {
            fs::write(&path, text.replace("\"max\": 20\n", "\"max\": 10\n")).unwrap();
        }
    }
    let (mut history, followed) = fixture.open();
    assert_eq!(followed.unsound.len(), 1);
    assert!(perf_passport_history::history::is_edited(&followed.unsound[0].1));
    assert_eq!(crate::opened::events(&mut history), []);
    // Under the name of another one.
    let (first, last) = (hashes.first().unwrap(), hashes.last().unwrap());
    fs::copy(fixture.store().passport_path(first), fixture.store().passport_path(last)).unwrap();
    let error = fixture.store().read(last).unwrap_err().to_string();
    assert!(error.contains("its name is not the hash") || error.contains("edited"), "{error}");
}

#[test]
fn a_passport_of_another_repository_is_refused() {
    let mut fixture = three();
    let root = fixture.repository.source().root_commit.unwrap();
    let passport = fixture.made(1, 1).passport();
    assert!(must_belong(&passport, "a.json", Some(&root)).is_ok());
    let other = must_belong(&passport, "a\n.json", Some(&"0".repeat(40))).unwrap_err().to_string();
    assert!(other.contains("of another repository") && other.contains("a\\n.json"), "{other}");
    // Of a shallow clone the first commit is not known.
    assert!(must_belong(&passport, "a.json", None).is_ok());
}

#[test]
fn an_index_that_another_process_has_is_told_and_so_is_what_is_no_address() {
    for address in ["postgres:/me:secret@host/x", "host=h user=me password=secret", "me@host/x", ""]
    {
        assert!(address.parse::<IndexLocation>().is_err(), "{address}");
    }
    assert!("kept/index.sqlite".parse::<IndexLocation>().is_ok());
    let error = "mysql://me:secret@host/x".parse::<IndexLocation>().unwrap_err();
    assert!(matches!(error, HistoryError::IndexAddress) && !error.to_string().contains("secret"));
    let wrong = IndexLocation::Postgres("postgres://me:secret@host:port/x".to_owned());
    assert!(!format!("{wrong:?}").contains("secret"));
    let error = Index::open(&wrong).unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
    let nobody = IndexLocation::Postgres("postgres://me:secret@127.0.0.1:1/x".to_owned());
    let error = Index::open(&nobody).unwrap_err().to_string();
    assert!(!error.contains("secret") && error.contains("postgresql"), "{error}");
}

#[test]
fn a_directory_without_a_history_and_a_place_outside_of_git_are_told() {
    let fixture = Fixture::new();
    let error = History::open(&fixture.opening()).unwrap_err().to_string();
    assert!(error.contains("passport history add FILE"), "{error}");
    let mut opening = three().opening();
    let fixture = three();
    opening.store = fixture.store();
    opening.repository = "/".into();
    let error = History::open(&opening).unwrap_err().to_string();
    assert!(error.contains("no git repository"), "{error}");
}
