//! Records that no processor's caches hold, and six ways to come to one.
//!
//! A record fills one line of a cache, and all structures are made of the same records: an array
//! sorted by key, a hash table by id with open addressing, a list, a search tree, and a graph. Where
//! a record lies in each of them follows from its number by functions that can be inverted, so that
//! records are written one after the other and nothing is inserted or sorted: 64 MiB are made in some
//! tens of milliseconds, anew in each process and at other physical addresses.
//!
//! What belongs together is in one page of memory, as databases cluster their rows. With each record in
//! a page of its own, where the system had put the pages made one process up to 20 % faster than the
//! next (sessions of equal executables differed by 8.7 %, one standard deviation; like this, by 1.2 %):
//! 5 % could not have been decided with the 96 sessions that there are.

/// Bits of a record's number.
const BITS: u32 = 20;

/// Records, of 64 bytes each.
pub(crate) const RECORDS: u32 = 1 << BITS;

const MASK: u32 = RECORDS - 1;

/// Bits of a record's place in its page of memory.
const PAGE_BITS: u32 = 6;

/// The last line of a page.
const LINES: u32 = (1 << PAGE_BITS) - 1;

/// No record.
const NONE: u32 = u32::MAX;

/// The id of an empty slot.
const EMPTY: u64 = 0;

/// Keys are so far apart, so that one can be looked for that is not there.
const KEY_STEP: u64 = 16;

/// Fibonacci's multiplier, odd, with its bits spread evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The other way round.
const GATHER: u64 = inverse(SPREAD);

/// Multipliers of the graph's edges, odd: two lead to records of the same page, and two anywhere.
const NEAR: [u32; 2] = [5, 13];
const FAR: [u32; 2] = [0x2_9b4d, 0xb_3e65];

/// A record. Its number is its place in the array, and its slot in the hash table.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Record {
    /// What the hash table knows it by.
    pub(crate) id: u64,
    /// Rises with the number.
    pub(crate) key: u64,
    /// What it says.
    pub(crate) amount: u64,
    /// Its place in the list, and what the search tree knows it by.
    pub(crate) rank: u32,
    next: u32,
    left: u32,
    right: u32,
    neighbours: [u32; 4],
}

impl Record {
    fn new(number: u32) -> Self {
        let rank = rank_of(number);
        // The tree of Fenwick (1994): the rank's lowest bit is its height above the leaves.
        let half = (rank & rank.wrapping_neg()) >> 1;
        let child = |rank: u32| if half == 0 { NONE } else { number_of(rank) };
        Self {
            id: if is_empty(number) { EMPTY } else { id_of(number, true) },
            key: key_of(number, true),
            amount: u64::from(number).wrapping_mul(SPREAD) >> 24,
            rank,
            next: number_of((rank + 1) & MASK),
            left: child(rank.wrapping_sub(half)),
            right: child(rank.wrapping_add(half)),
            neighbours: neighbours(rank),
        }
    }
}

/// All records.
#[derive(Debug)]
pub(crate) struct Tables {
    records: Vec<Record>,
}

impl Tables {
    /// Writes them.
    pub(crate) fn new() -> Self {
        Self { records: (0..RECORDS).map(Record::new).collect() }
    }

    /// The record of this number; numbers beyond the last begin again.
    pub(crate) fn by_number(&self, number: u32) -> &Record {
        &self.records[(number & MASK) as usize]
    }

    /// Probes one slot after the other until the id or an empty one is found.
    pub(crate) fn by_id(&self, id: u64) -> Option<&Record> {
        let mut slot = home_of(id);
        loop {
            let record = self.by_number(slot);
            match record.id {
                EMPTY => return None,
                it if it == id => return Some(record),
                _ => slot += 1,
            }
        }
    }

    /// Halves the sorted array until the key is found.
    pub(crate) fn by_key(&self, key: u64) -> Option<&Record> {
        let found = self.records.binary_search_by_key(&key, |it| it.key);
        found.ok().map(|index| &self.records[index])
    }

    /// Descends the search tree from its root; a rank of 0 is not in it.
    pub(crate) fn by_rank(&self, rank: u32) -> Option<&Record> {
        let mut at = number_of(RECORDS / 2);
        while at != NONE {
            let record = self.by_number(at);
            at = match rank.cmp(&record.rank) {
                std::cmp::Ordering::Equal => return Some(record),
                std::cmp::Ordering::Less => record.left,
                std::cmp::Ordering::Greater => record.right,
            };
        }
        None
    }

    /// The record of this number and those that follow it in the list, round and round.
    pub(crate) fn in_order(&self, number: u32) -> impl Iterator<Item = &Record> {
        let first = self.by_number(number);
        std::iter::successors(Some(first), move |it| Some(self.by_number(it.next)))
    }

    /// The record of this number, its neighbours, and theirs, those nearest first and each as often
    /// as there are ways to it; at most so many.
    pub(crate) fn around(&self, number: u32, count: usize) -> impl Iterator<Item = &Record> {
        let mut queue = Vec::with_capacity(count.max(1));
        queue.push(number);
        (0..count).map(move |index| {
            let record = self.by_number(queue[index]);
            let room = count.saturating_sub(queue.len());
            queue.extend(record.neighbours.iter().take(room));
            record
        })
    }
}

/// The id of the record in this slot, or, where that is empty, of the one before it; or an id that is
/// looked for in the same place and is not there.
pub(crate) fn id_of(number: u32, exists: bool) -> u64 {
    let slot = if is_empty(number) { number - 1 } else { number };
    // Two of four slots are those that their ids ask for first; what asks for a taken one is in the
    // next.
    let home = if slot % 4 == 1 { slot - 1 } else { slot };
    let low = (u64::from(slot).wrapping_mul(SPREAD) >> BITS) & !1;
    let hash = (u64::from(home) << (u64::BITS - BITS)) | low | u64::from(exists);
    hash.wrapping_mul(GATHER)
}

/// The key of the record of this number, or one beside it that is not there.
pub(crate) fn key_of(number: u32, exists: bool) -> u64 {
    u64::from(number & MASK) * KEY_STEP + u64::from(!exists)
}

/// The slot that an id asks for first.
fn home_of(id: u64) -> u32 {
    (id.wrapping_mul(SPREAD) >> (u64::BITS - BITS)) as u32
}

/// One slot in four, so that probing ends.
fn is_empty(slot: u32) -> bool {
    slot % 4 == 3
}

/// The numbers of a rank's neighbours in the graph.
fn neighbours(rank: u32) -> [u32; 4] {
    let step = |edge: u32| rank.wrapping_mul(edge).wrapping_add(edge | 2);
    let near = |edge: u32| number_of((rank & !LINES) | (step(edge) & LINES));
    let far = |edge: u32| number_of(step(edge) & MASK);
    [near(NEAR[0]), near(NEAR[1]), far(FAR[0]), far(FAR[1])]
}

const MIX: [u64; 2] = [0x1_e375, 0x2_b8c3];

const UNMIX: [u64; 2] = [inverse(MIX[1]), inverse(MIX[0])];

/// Where the record of this rank lies: in the page of those of the ranks around it, as databases
/// cluster them, at another line of it; and the page anywhere.
fn number_of(rank: u32) -> u32 {
    let page = MIX.iter().fold(folded(rank >> PAGE_BITS), |it, mix| folded(multiplied(it, *mix)));
    (page << PAGE_BITS) | (line_of(rank) ^ (page & LINES))
}

/// The other way round.
fn rank_of(number: u32) -> u32 {
    let page = number >> PAGE_BITS;
    let rank = UNMIX.iter().fold(folded(page), |it, mix| folded(multiplied(it, *mix)));
    (rank << PAGE_BITS) | rank_in_page((number ^ page) & LINES)
}

/// Lines of a page in an order that no prefetcher foresees.
fn line_of(rank: u32) -> u32 {
    let line = (rank & LINES).wrapping_mul(37) & LINES;
    line ^ (line >> (PAGE_BITS / 2))
}

/// The other way round: 37 times 45 is 1 in the bits of a line.
fn rank_in_page(line: u32) -> u32 {
    (line ^ (line >> (PAGE_BITS / 2))).wrapping_mul(45) & LINES
}

/// The product, begun again beyond the last page.
fn multiplied(page: u32, mix: u64) -> u32 {
    let product = u64::from(page).wrapping_mul(mix) & u64::from(MASK >> PAGE_BITS);
    u32::try_from(product).unwrap_or_default()
}

/// The upper half added to the lower one; twice is nothing.
fn folded(page: u32) -> u32 {
    page ^ (page >> ((BITS - PAGE_BITS) / 2))
}

/// What an odd number must be multiplied by to give 1. Each step of Newton's doubles the bits that
/// are right, of which the number itself has three.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut bits = 3;
    while bits < u64::BITS {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        bits *= 2;
    }
    inverse
}
