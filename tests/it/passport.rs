//! Passports on disk and in strangers' hands: hashing, verifying, storing, importing.

use std::{fs, sync::LazyLock};

use perf_passport::{
    passport::{Gate, ImportError, VerifyError, import, verify},
    report::{self, Format, Report, Scope, Style},
    store,
};
use proptest::prelude::*;

use crate::fake::{CONTRACT, good, measure, measure_some, measure_with};

pub(crate) static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let before = measure(|_, n| Ok(good(n)), None);
    measure(|_, n| Ok(good(n)), Some(&before)).to_bytes().unwrap()
});

#[test]
fn what_was_written_verifies_and_is_written_the_same_again() {
    let passport = verify(&SOUND).unwrap();
    assert_eq!(passport.to_bytes().unwrap(), *SOUND);
    assert_eq!(passport.gate(), Gate::Pass);
}

#[test]
fn foreign_truncated_and_empty_documents_are_told_apart() {
    let message = |bytes: &[u8]| verify(bytes).unwrap_err().to_string();
    assert!(message(&SOUND[..SOUND.len() / 2]).contains("it ends early"));
    assert!(message(b"").contains("it ends early"));
    assert!(message(b"<html>").contains("not JSON"));
    assert!(message(b"{}").contains("not a passport"));
    assert_eq!(
        message(br#"{"schema_version":99}"#),
        "made by a newer version: schema 99, this one reads up to 1: update it"
    );
    assert!(message(br#"{"schema_version":0}"#).contains("schema_version is 0, the first is 1"));
    assert!(message(br#"{"test_results":[]}"#).contains("passport import"));
    assert!(message(b"[1]").starts_with("not a passport"));
}

#[test]
fn an_integer_that_no_hash_covers_is_refused() {
    let text = String::from_utf8(SOUND.clone()).unwrap();
    let huge = text.replacen("\"warmup_samples\": ", "\"warmup_samples\": 9007199254740993", 1);
    let line = huge[..huge.find("9007199254740993").unwrap()].matches('\n').count() + 1;
    let refused = verify(huge.as_bytes()).unwrap_err();
    assert!(matches!(refused, VerifyError::Integer { line: it } if it == line), "{refused}");
    // Written otherwise than a passport is, it is no less refused.
    let blanks = huge.replace(",\n", " ,\n");
    assert!(verify(blanks.as_bytes()).unwrap_err().is_edited());
}

/// The digits of a fraction or an exponent are no integer, however many they are.
#[test]
fn a_fraction_of_many_digits_is_no_integer() {
    for budget in ["0.30000000000000004", "1e-6", "123.45678901234567"] {
        let contract = format!("{CONTRACT}[budgets]\nlatency_ms_max = {budget}\n");
        let passport = measure_with(&contract, |_, n| Ok(good(n)), None, &|| false);
        let bytes = passport.to_bytes().unwrap();
        assert!(str::from_utf8(&bytes).unwrap().contains(budget));
        assert_eq!(verify(&bytes).unwrap(), passport);
    }
}

proptest! {
    #[test]
    fn any_changed_byte_is_found(position in any::<prop::sample::Index>(), change in 1_u8..=255) {
        let mut bytes = SOUND.clone();
        let at = position.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(verify(&bytes).is_err(), "byte {} of {}", at, bytes.len());
    }

    #[test]
    fn any_cut_or_added_byte_is_found(position in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let at = position.index(SOUND.len());
        prop_assert!(verify(&SOUND[..at]).is_err());
        let mut longer = SOUND.clone();
        longer.insert(at, byte);
        prop_assert!(verify(&longer).is_err());
    }

    #[test]
    fn rubbish_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(verify(&bytes).is_err());
        prop_assert!(import(&bytes).is_err());
    }
}

#[test]
fn a_passport_is_replaced_whole_and_the_link_follows() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("artifacts/performance");
    let first = measure(|_, n| Ok(good(n)), None);
    let second = measure(|_, n| Ok(good(n)), None);
    let one = store::keep(&root, &first).unwrap();
    let two = store::keep(&root, &second).unwrap();
    assert_ne!(one, two, "two runs within a second have names of their own");
    assert_eq!(store::read(&root.join(store::LATEST)).unwrap(), second);
    assert_eq!(store::read(&one).unwrap(), first);
    store::write(&one, &second).unwrap();
    assert_eq!(store::read(&one).unwrap(), second);
    let names: Vec<_> = fs::read_dir(&root).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "no temporary file is left: {names:?}");
}

#[test]
fn a_passport_that_leaves_checks_out_is_filed_and_is_not_the_latest() {
    let directory = tempfile::tempdir().unwrap();
    let part = measure_some(CONTRACT, None, &|check| check.variant == "one");
    let path = store::keep(directory.path(), &part).unwrap();
    assert_eq!(store::read(&path).unwrap(), part);
    assert!(!directory.path().join(store::LATEST).exists());
    let whole = measure(|_, n| Ok(good(n)), None);
    store::keep(directory.path(), &whole).unwrap();
    store::keep(directory.path(), &part).unwrap();
    assert_eq!(store::read(&directory.path().join(store::LATEST)).unwrap(), whole);
}

#[test]
fn what_cannot_be_written_leaves_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("file/passport.json");
    fs::write(directory.path().join("file"), "not a directory").unwrap();
    let passport = measure(|_, n| Ok(good(n)), None);
    let message = store::write(&blocked, &passport).unwrap_err().to_string();
    assert!(message.contains("what was there is unchanged"), "{message}");
    assert_eq!(fs::read_to_string(directory.path().join("file")).unwrap(), "not a directory");
}

/// The shape of the original generator's output, with figures of our own.
pub(crate) const ORIGINAL: &str = r#"{
  "cartographer": "Original", "run_id": "perf-1", "session_id": "s", "timestamp": "2025-10-02T03:52:19.880524",
  "anime_energy": {"one_piece": "log pose"},
  "performance_guarantee": "Even in sandbox mode, we never regress by more than 5%",
  "endpoints_profiled": ["metrics"],
  "test_results": [
    {"endpoint": "metrics", "test_name": "metrics_variant_0", "latency_ms": 0.05, "memory_mb": -0.12,
     "objects": -417, "status": "PASS", "regression": false, "deterministic": true,
     "timestamp": "2025-10-02T03:52:20.002868", "chakra_flow": "Perfect Harmony"}
  ],
  "summary": {"total_tests": 1, "overall_status": "PASS"},
  "thresholds": {"max_latency_threshold_ms": 10.0, "max_objects_threshold": 1000},
  "system_info": {"platform": "nt", "cpu_count": 20, "memory_total_gb": 15.72}
}"#;

#[test]
fn an_original_passport_is_imported_and_claims_nothing() {
    let imported = import(ORIGINAL.as_bytes()).unwrap();
    assert_eq!(imported.gate(), Gate::NotMeasured);
    let result = &imported.test_results[0];
    assert_eq!((result.latency_ms, result.memory_mb, result.objects), (Some(0.05), None, None));
    assert_eq!(imported.annotations["original.overall_status"], "PASS");
    assert_eq!(imported.annotations["original.anime_energy.one_piece"], "log pose");
    assert!(imported.annotations["import.unknown.2"].contains("client's resident memory"));
    let again = verify(&imported.to_bytes().unwrap()).unwrap();
    assert_eq!(again, imported);
}

#[test]
fn the_older_original_shape_is_imported_too() {
    let older = r#"{"performance_guarantee": {"latency": 5.0}, "run_id": 20250930, "test_results":
        [{"test_name": "metrics", "latency_ms": 0.123456789, "status": "PASS"}]}"#;
    let imported = import(older.as_bytes()).unwrap();
    assert_eq!((imported.run_id.as_str(), imported.test_results.len()), ("20250930", 1));
}

/// The digest was computed with Python's `json.dumps(document, sort_keys=True, separators=(",", ":"))`.
#[test]
fn the_hash_of_an_original_baseline_is_checked() {
    let hash = "1ee7ad3e3165de1cbd8db8dff2764af61ee91a7c78b8913b5bb4857ed5960dcb";
    let baseline = format!(
        r#"{{"test_results": [{{"test_name": "m", "latency_ms": 5e-05}}], "note": "é", "passport_hash": "{hash}"}}"#
    );
    assert!(import(baseline.as_bytes()).is_ok());
    let edited = baseline.replace("5e-05", "6e-05");
    assert!(matches!(import(edited.as_bytes()), Err(ImportError::Hash)));
    assert!(matches!(import(&SOUND), Err(ImportError::Own | ImportError::Hash)));
}

/// Whoever makes a passport chooses its texts, and may hash them.
#[test]
fn a_report_prints_what_a_stranger_wrote_as_plain_lines() {
    let sound = verify(&SOUND).unwrap();
    for hostile in ["\u{1b}[2J\u{e9}\n".to_owned(), "n".repeat(70_000)] {
        let mut passport = sound.clone();
        passport.test_results[0].test_name.clone_from(&hostile);
        passport.test_results[1].evidence.first_failure = Some(hostile.clone());
        let response = &mut passport.test_results[1].evidence.behaviour.as_mut().unwrap().response;
        response.body_sha256.clone_from(&hostile);
        let baseline = passport.baseline.as_mut().unwrap();
        baseline.passport_hash.clone_from(&hostile);
        baseline.checks_gone = vec![hostile];
        let reports = [
            Report::of_passport(&passport, Scope::Whole),
            Report::of_differences(&sound, &passport),
        ];
        for report in reports {
            for format in [Format::Text, Format::Markdown] {
                let shown = report::render(&report, format, Style::Plain).unwrap();
                let plain = |c: char| c == '\n' || c == ' ' || c.is_ascii_graphic();
                assert!(shown.chars().all(plain), "{shown}");
                assert!(!shown.contains("\n\n\n"), "{shown}");
                assert!(shown.lines().all(|line| line.len() < 2_000), "{shown}");
            }
        }
    }
}
