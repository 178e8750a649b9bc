//! SHA-256 of the short texts of a draw, of which there are some for each ticket.
//!
//! The library hashes; what is left out is its buffer for texts that come bit by bit, which costs
//! as much as the hashing of a text of one block.

use sha2::block_api::compress256;

/// Bytes of a block.
const BLOCK: usize = 64;
/// What follows a text in its last block, at least: a mark, and the length of the text.
const PADDING: usize = 9;
/// The state before anything is hashed (FIPS 180-4, section 5.3.3).
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// SHA-256 of a text that fits into so many blocks and not into fewer.
pub(super) fn sha256<const BLOCKS: usize, const LEN: usize>(text: [u8; LEN]) -> [u8; 32] {
    const { assert!((LEN + PADDING).div_ceil(BLOCK) == BLOCKS) };
    let mut blocks = [[0; BLOCK]; BLOCKS];
    let bytes = blocks.as_flattened_mut();
    bytes[..LEN].copy_from_slice(&text);
    bytes[LEN] = 0x80;
    let (_, length) = bytes
        .split_last_chunk_mut()
        .expect("a block is longer than a length");
    *length = (LEN as u64 * 8).to_be_bytes();

    let mut state = START;
    compress256(&mut state, &blocks);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn agree<const BLOCKS: usize, const LEN: usize>() {
        let text = std::array::from_fn(|at| at as u8 ^ 0xa5);
        let expected: [u8; 32] = Sha256::digest(text).into();
        assert_eq!(sha256::<BLOCKS, LEN>(text), expected, "{LEN} bytes");
    }

    #[test]
    fn it_is_the_hash_of_the_library() {
        agree::<1, 0>();
        agree::<1, 24>();
        agree::<1, 33>();
        agree::<1, 40>();
        agree::<1, 55>();
        agree::<2, 56>();
        agree::<2, 65>();
        agree::<2, 119>();
        agree::<3, 120>();
    }
}
