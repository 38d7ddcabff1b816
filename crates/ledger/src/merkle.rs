//! Merkle roots of blocks, as RFC 6962 section 2.1 defines the Merkle tree hash.
//!
//! [`MerkleTree`] takes leaves one at a time in logarithmic memory; [`root`] takes them together.
//! Leaves and nodes are hashed with SHA-256 under different first bytes (0 and 1), so that a node
//! cannot pass for a leaf. There are no inclusion proofs here.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Digest32 = [u8; 32];

/// A Merkle tree that is still growing.
#[derive(Debug, Clone, Default)]
pub struct MerkleTree {
    /// Roots of full subtrees, largest first: one for each one bit of `leaves`.
    subtrees: Vec<Digest32>,
    leaves: u64,
}

impl MerkleTree {
    /// Appends one leaf.
    pub fn push(&mut self, leaf: &[u8]) {
        let mut root: Digest32 =
            Sha256::new().chain_update([0]).chain_update(leaf).finalize().into();
        // As in adding one to a binary number, each trailing one is a full tree to merge with.
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                root = node(&left, &root);
            }
        }
        self.subtrees.push(root);
        self.leaves += 1;
    }

    /// The root over the leaves so far; over none, the hash of nothing. Starts a new tree.
    pub fn take_root(&mut self) -> Digest32 {
        self.leaves = 0;
        let merged = self.subtrees.drain(..).rev().reduce(|right, left| node(&left, &right));
        merged.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// The Merkle tree hash of `leaves`, in their order.
pub fn root<Leaf: AsRef<[u8]>>(leaves: impl IntoIterator<Item = Leaf>) -> Digest32 {
    let mut tree = MerkleTree::default();
    for leaf in leaves {
        tree.push(leaf.as_ref());
    }
    tree.take_root()
}

fn node(left: &Digest32, right: &Digest32) -> Digest32 {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

    /// The leaves and roots that the Certificate Transparency implementations test with.
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        for (count, expected) in ROOTS.iter().enumerate() {
            assert_eq!(
                Hash::of_digest(&root(&LEAVES[..count])).as_str(),
                *expected,
                "{count} leaves"
            );
        }
    }

    /// RFC 6962 as it is written: split at the largest power of two below the count.
    fn by_recursion(leaves: &[Vec<u8>]) -> Digest32 {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => Sha256::new().chain_update([0]).chain_update(leaf).finalize().into(),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node(&by_recursion(&leaves[..split]), &by_recursion(&leaves[split..]))
            }
        }
    }

    #[test]
    fn one_leaf_at_a_time_gives_what_the_definition_gives() {
        let leaves: Vec<Vec<u8>> = (0_u8..70).map(|n| vec![n; usize::from(n)]).collect();
        for count in 0..leaves.len() {
            assert_eq!(root(&leaves[..count]), by_recursion(&leaves[..count]), "{count} leaves");
        }
    }

    #[test]
    fn a_tree_starts_anew_after_its_root_was_taken() {
        let mut tree = MerkleTree::default();
        tree.push(b"a");
        tree.push(b"b");
        let first = tree.take_root();
        tree.push(b"a");
        tree.push(b"b");
        assert_eq!(tree.take_root(), first);
    }
}
