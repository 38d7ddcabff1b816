//! Passports as schema version 1 writes them: they must verify for ever.
//!
//! Until the first release the format may change, and then they are renewed, in this directory and
//! with any build of the program:
//!
//! ```sh
//! cd tests/fixtures/schema_v1
//! passport baseline --output baseline.json
//! passport generate --baseline baseline.json --output passport.json
//! passport import original.json --output imported.json
//! import="import cargo-criterion messages.json --contract operations.toml"
//! passport $import --output operations_baseline.json
//! passport $import --baseline operations_baseline.json --output operations.json
//! ```
//!
//! After it they are never touched again: another format has another `SCHEMA_VERSION`, and a
//! directory of its own beside this one.

use perf_passport::{
    claim::Verdict,
    passport::{ProbeKind, diff, verify},
};

const BASELINE: &[u8] = include_bytes!("../fixtures/schema_v1/baseline.json");
const PASSPORT: &[u8] = include_bytes!("../fixtures/schema_v1/passport.json");
const IMPORTED: &[u8] = include_bytes!("../fixtures/schema_v1/imported.json");
const OPERATIONS: &[u8] = include_bytes!("../fixtures/schema_v1/operations.json");

#[test]
fn passports_of_schema_version_1_verify() {
    for (name, bytes) in [
        ("baseline", BASELINE),
        ("passport", PASSPORT),
        ("imported", IMPORTED),
        ("operations", OPERATIONS),
    ] {
        let passport = verify(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(passport.to_bytes().unwrap(), bytes, "{name}");
    }
    let (baseline, passport) = (verify(BASELINE).unwrap(), verify(PASSPORT).unwrap());
    assert_eq!(passport.summary.overall_status, Verdict::Pass);
    assert_eq!(passport.passport_hash, baseline.passport_hash);
    assert_eq!(passport.baseline.as_ref().unwrap().evidence_hash, baseline.evidence_hash);
    assert_eq!(diff(&baseline, &passport), []);
    assert_eq!(verify(IMPORTED).unwrap().provenance.probe, ProbeKind::Imported);
    let operations = verify(OPERATIONS).unwrap();
    assert_eq!(operations.provenance.probe, ProbeKind::Samples);
    let statuses: Vec<Verdict> = operations.operations.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [Verdict::Pass, Verdict::Pass, Verdict::Abstain]);
    assert!(operations.operations[0].growth.is_some());
}
