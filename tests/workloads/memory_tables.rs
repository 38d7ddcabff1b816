//! Records in memory: each structure comes to every record, and to no other.

use std::sync::LazyLock;

use crate::tables::*;

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);

#[test]
fn a_record_fills_a_line_of_a_cache() {
    assert_eq!((size_of::<Record>(), align_of::<Record>()), (64, 64));
    assert_ne!(TABLES.by_number(1).amount, TABLES.by_number(2).amount);
}

#[test]
fn keys_rise_and_are_found() {
    let mut before = None;
    for number in 0..RECORDS {
        let key = TABLES.by_number(number).key;
        assert!(before < Some(key), "{number}");
        before = Some(key);
        if number % 97 == 0 {
            assert_eq!(TABLES.by_key(key_of(number, true)).unwrap().key, key);
            assert!(TABLES.by_key(key_of(number, false)).is_none(), "{number}");
        }
    }
}

#[test]
fn ids_are_found_where_they_probe_and_strangers_are_not() {
    let mut full = 0;
    for number in 0..RECORDS {
        let id = TABLES.by_number(number).id;
        full += u32::from(id != 0);
        let known = TABLES.by_id(id_of(number, true)).unwrap();
        assert_eq!(known.id, id_of(number, true));
        if id != 0 {
            assert_eq!(known.key, key_of(number, true));
        }
        assert!(TABLES.by_id(id_of(number, false)).is_none(), "{number}");
    }
    assert_eq!(full, RECORDS / 4 * 3);
}

#[test]
fn the_list_goes_through_every_record_before_one_comes_again() {
    let mut seen = vec![false; RECORDS as usize];
    for record in TABLES.in_order(12_345).take(seen.len()) {
        let seen = &mut seen[record.rank as usize];
        assert!(!*seen, "rank {}", record.rank);
        *seen = true;
    }
    assert!(seen.into_iter().all(|it| it));
    // One after the other in the list, a page full of them at a time, and no two side by side.
    let ranks: Vec<u32> = TABLES.in_order(0).map(|it| it.rank).take(6_400).collect();
    assert!(ranks.windows(2).all(|pair| (pair[0] + 1) % RECORDS == pair[1]));
    let line = key_of(1, true);
    let lines: Vec<u64> = TABLES.in_order(0).map(|it| it.key / line).take(6_400).collect();
    let changes = lines.windows(2).filter(|pair| pair[0] / 64 != pair[1] / 64).count();
    assert!((99..=101).contains(&changes), "{changes} changes of the page");
    let beside = lines.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count();
    assert!(beside < 640, "{beside} of 6400 lie beside the one before");
}

#[test]
fn the_tree_finds_every_rank_but_the_first() {
    for rank in 1..RECORDS {
        assert_eq!(TABLES.by_rank(rank).unwrap().rank, rank);
    }
    assert!(TABLES.by_rank(0).is_none());
    assert!(TABLES.by_rank(RECORDS).is_none());
}

#[test]
fn neighbours_are_others_and_there_are_as_many_as_are_asked_for() {
    for count in [0, 1, 2, 5, 6, 1_000] {
        assert_eq!(TABLES.around(7, count).count(), count);
    }
    let mut keys: Vec<u64> = TABLES.around(7, 1_000).map(|it| it.key).collect();
    assert_eq!(keys[0], key_of(7, true));
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() > 700, "{} records", keys.len());
}
