//! One hash over all tickets of a room, and short proofs that a ticket is among them.
//!
//! The tree is that of RFC 9162, section 2.1: a leaf's hash is SHA-256(0x00 ‖ leaf), a node's is
//! SHA-256(0x01 ‖ left ‖ right), and the left side of a node has the largest power of two of leaves
//! that is smaller than all of them. So a list has one tree, and no leaf passes for a node.
//!
//! ```text
//!                  root                         kept: nodes over 256 leaves each and all above
//!             ┌─────┴─────┐                     them, and the frontier: what is complete on the
//!         ┌───┴───┐    ┌──┴──┐                  right side. Leaves are not; their owner makes
//!        256     256  256   …frontier           them again.
//! ```

use super::hash::sha256;

/// Levels that are not kept, except for the frontier.
const GROUP_LEVELS: usize = 8;
/// Leaves that are made again for one proof, at most.
const GROUP: u32 = 1 << GROUP_LEVELS;

/// Elements of a proof, at most: one for each level above the leaves.
pub const PROOF_LEN_MAX: usize = u32::BITS as usize;

/// The tree over a list of leaves that grows at its end.
///
/// A million leaves take 250 KB, and each of them costs the hash of a leaf and of about one node.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    len: u32,
    /// Complete nodes that have no complete sibling yet, below those of groups; the nearest to the
    /// leaves last.
    frontier: Vec<[u8; 32]>,
    /// All complete nodes over 2⁸, 2⁹, 2¹⁰ … leaves, from left to right.
    upper: Vec<Vec<[u8; 32]>>,
}

impl Tree {
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Number of leaves.
    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory that its nodes take, in bytes.
    pub fn bytes(&self) -> usize {
        let upper: usize = self.upper.iter().map(Vec::len).sum();
        (self.frontier.len() + upper) * size_of::<[u8; 32]>()
    }

    /// Adds a leaf behind the others.
    ///
    /// # Panics
    /// When there are 2³² − 1 already: rooms are full long before.
    pub fn push(&mut self, leaf: [u8; 32]) {
        let mut node = leaf_hash(leaf);
        // Each complete node on the right is the left sibling of what has just become complete.
        for _ in 0..(self.len % GROUP).trailing_ones() {
            let left = self.frontier.pop();
            node = node_hash(
                left.expect("a bit of the length is a node of the frontier"),
                node,
            );
        }
        self.len = self.len.checked_add(1).expect("rooms are full long before");
        if self.len.is_multiple_of(GROUP) {
            self.push_group(node);
        } else {
            self.frontier.push(node);
        }
    }

    fn push_group(&mut self, mut node: [u8; 32]) {
        for level in 0.. {
            if level == self.upper.len() {
                self.upper.push(Vec::new());
            }
            let nodes = &mut self.upper[level];
            let left = nodes.last().copied();
            nodes.push(node);
            match left {
                Some(left) if nodes.len().is_multiple_of(2) => node = node_hash(left, node),
                _ => return,
            }
        }
    }

    /// The hash over all leaves.
    pub fn root(&self) -> [u8; 32] {
        let levels = GROUP_LEVELS + self.upper.len();
        self.rest(levels).unwrap_or_else(|| sha256::<1, _>([]))
    }

    /// The node over the leaves to the right of all complete nodes of a level; none if there are
    /// no such leaves. The level is at least that of groups.
    fn rest(&self, level: usize) -> Option<[u8; 32]> {
        let join = |right: Option<[u8; 32]>, left: &[u8; 32]| {
            Some(right.map_or(*left, |right| node_hash(*left, right)))
        };
        let below_groups = self.frontier.iter().rev().fold(None, join);
        let below_level = self.upper.iter().take(level - GROUP_LEVELS);
        // Of an even number of nodes each has its sibling, and they are part of a higher one.
        let alone = below_level.filter(|nodes| !nodes.len().is_multiple_of(2));
        alone
            .filter_map(|nodes| nodes.last())
            .fold(below_groups, join)
    }

    /// The hashes that lead from a leaf to the root, the nearest to the leaf first. None if there
    /// is no such leaf.
    ///
    /// `leaf` is asked for the leaves around it again, at most 256 of them; it says what was
    /// [pushed](Tree::push), or the proof proves nothing.
    pub fn proof(&self, index: u32, leaf: impl Fn(u32) -> [u8; 32]) -> Option<Vec<[u8; 32]>> {
        if index >= self.len {
            return None;
        }
        let mut proof = Vec::with_capacity(PROOF_LEN_MAX);
        let first = index - index % GROUP;
        let end = self.len.min(first.saturating_add(GROUP));
        let mut nodes: Vec<[u8; 32]> = (first..end).map(|at| leaf_hash(leaf(at))).collect();
        let mut place = (index - first) as usize;
        while nodes.len() > 1 {
            proof.extend(nodes.get(place ^ 1));
            // The last of an odd number has no sibling, and goes up as it is.
            nodes = nodes.chunks(2).map(parent).collect();
            place /= 2;
        }
        let mut place = (index / GROUP) as usize;
        for (level, nodes) in self.upper.iter().enumerate() {
            let sibling = place ^ 1;
            if let Some(node) = nodes.get(sibling) {
                proof.push(*node);
            } else if sibling == nodes.len() {
                proof.extend(self.rest(GROUP_LEVELS + level));
            }
            place /= 2;
        }
        Some(proof)
    }
}

/// Whether the leaf is at this place among so many tickets, if that is their root.
pub fn verify_inclusion(
    root: [u8; 32],
    tickets: u32,
    index: u32,
    leaf: [u8; 32],
    proof: &[[u8; 32]],
) -> bool {
    if index >= tickets {
        return false;
    }
    let (mut place, mut last) = (index, tickets - 1);
    let mut node = leaf_hash(leaf);
    for &sibling in proof {
        if last == 0 {
            return false;
        }
        if place % 2 == 0 && place == last {
            // Nothing is beside the last of an odd number, here and perhaps further up. It is not
            // 0, so one of its bits is set.
            let up = place.trailing_zeros();
            (place, last) = (place >> up, last >> up);
        }
        node = if place % 2 == 0 {
            node_hash(node, sibling)
        } else {
            node_hash(sibling, node)
        };
        (place, last) = (place / 2, last / 2);
    }
    last == 0 && node == root
}

fn leaf_hash(leaf: [u8; 32]) -> [u8; 32] {
    let mut text = [0; 33];
    text[1..].copy_from_slice(&leaf);
    sha256::<1, _>(text)
}

fn node_hash(left: [u8; 32], right: [u8; 32]) -> [u8; 32] {
    let mut text = [1; 65];
    text[1..33].copy_from_slice(&left);
    text[33..].copy_from_slice(&right);
    sha256::<2, _>(text)
}

fn parent(children: &[[u8; 32]]) -> [u8; 32] {
    match *children {
        [left, right] => node_hash(left, right),
        [alone] => alone,
        _ => unreachable!("chunks of two have one or two"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn leaf(index: u32) -> [u8; 32] {
        Sha256::digest(index.to_be_bytes()).into()
    }

    fn tree(len: u32) -> Tree {
        let mut tree = Tree::new();
        (0..len).for_each(|index| tree.push(leaf(index)));
        tree
    }

    /// The definition of the RFC, word by word.
    fn naive_root(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => Sha256::digest(b"").into(),
            [leaf] => leaf_hash(*leaf),
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(naive_root(left), naive_root(right))
            }
        }
    }

    fn naive_proof(index: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let middle = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(middle);
        let (mut proof, beside) = if index < middle {
            (naive_proof(index, left), naive_root(right))
        } else {
            (naive_proof(index - middle, right), naive_root(left))
        };
        proof.push(beside);
        proof
    }

    #[test]
    fn roots_are_those_of_the_definition() {
        let leaves: Vec<[u8; 32]> = (0..600).map(leaf).collect();
        let mut tree = Tree::new();
        for len in 0..=600 {
            assert_eq!(tree.len() as usize, len);
            assert_eq!(tree.root(), naive_root(&leaves[..len]), "of {len} leaves");
            if let Some(leaf) = leaves.get(len) {
                tree.push(*leaf);
            }
        }
    }

    #[test]
    fn proofs_are_those_of_the_definition() {
        let leaves: Vec<[u8; 32]> = (0..600).map(leaf).collect();
        for len in 1..=600 {
            let tree = tree(len);
            let leaves = &leaves[..len as usize];
            // All of them would take a minute; these are both ends, and a walk over the rest.
            let some = (0..len).filter(|index| index % 151 == len % 151);
            for index in some.chain([0, len / 2, len - 1]) {
                let proof = tree.proof(index, leaf).unwrap();
                assert_eq!(
                    proof,
                    naive_proof(index as usize, leaves),
                    "{index} of {len}"
                );
                assert!(verify_inclusion(
                    tree.root(),
                    len,
                    index,
                    leaf(index),
                    &proof
                ));
            }
            assert_eq!(tree.proof(len, leaf), None);
        }
        assert_eq!(Tree::new().proof(0, leaf), None);
    }

    #[test]
    fn leaves_and_nodes_are_told_apart() {
        let empty_root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            data_encoding::HEXLOWER.encode(&Tree::new().root()),
            empty_root
        );
        let tagged: [u8; 32] = Sha256::digest([&[0][..], &[7; 32]].concat()).into();
        assert_eq!(leaf_hash([7; 32]), tagged);
        let tagged: [u8; 32] = Sha256::digest([&[1][..], &[7; 32], &[8; 32]].concat()).into();
        assert_eq!(node_hash([7; 32], [8; 32]), tagged);
    }

    #[test]
    fn large_trees_agree_with_the_definition() {
        for len in [16_384, 65_537] {
            let leaves: Vec<[u8; 32]> = (0..len).map(leaf).collect();
            let tree = tree(len);
            assert_eq!(tree.root(), naive_root(&leaves));
            for index in [0, 255, len / 3, len - 1] {
                let proof = tree.proof(index, leaf).unwrap();
                assert_eq!(
                    proof,
                    naive_proof(index as usize, &leaves),
                    "{index} of {len}"
                );
                assert!(verify_inclusion(
                    tree.root(),
                    len,
                    index,
                    leaf(index),
                    &proof
                ));
            }
        }
    }

    #[test]
    fn a_hundred_thousand_tickets_take_less_than_32_kilobytes() {
        let tree = tree(100_000);
        assert!(tree.bytes() < 32 * 1024);
    }

    proptest! {
        #[test]
        fn whatever_is_changed_proves_nothing(
            len in 1u32..2_000, at: prop::sample::Index, what in 0u8..5, bit in 0usize..256,
        ) {
            let index = at.index(len as usize) as u32;
            let tree = tree(len);
            let (mut root, mut tickets, mut changed) = (tree.root(), len, leaf(index));
            let mut place = index;
            let mut proof = tree.proof(index, leaf).unwrap();
            let flip = |hash: &mut [u8; 32]| hash[bit / 8] ^= 1 << (bit % 8);
            match what {
                0 => flip(&mut root),
                1 => flip(&mut changed),
                2 => match at.index(proof.len() + 1) {
                    end if end == proof.len() => proof.push([0; 32]),
                    within => flip(&mut proof[within]),
                },
                3 => place = (place + 1 + bit as u32 % len.max(2)) % len.max(2),
                // A size says how long a proof is, and sizes with the same proofs exist.
                _ => tickets = index,
            }
            prop_assume!(place != index || what != 3);
            prop_assert!(!verify_inclusion(root, tickets, place, changed, &proof));
        }

        #[test]
        fn a_proof_of_anything_is_refused_without_harm(
            tickets: u32, index: u32, proof in prop::collection::vec(any::<[u8; 32]>(), 0..70),
        ) {
            prop_assert!(!verify_inclusion([9; 32], tickets, index, [8; 32], &proof));
        }
    }
}
