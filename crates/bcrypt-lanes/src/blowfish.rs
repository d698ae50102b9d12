//! The key schedule of bcrypt ("Eksblowfish") on several states at once.
//!
//! Each lookup in an S-box depends on the one before it, so a single state leaves the processor waiting for
//! its cache most of the time. Lookups of different states do not depend on each other. With the states side
//! by side in one array, a single register addresses all of them.

use zeroize::Zeroize;

use crate::pi;

/// The words of a key or salt that a state's subkeys are combined with, repeated to their number.
pub(crate) type Words = [u32; 18];

/// What is encrypted in the end: `OrpheanBeholderScryDoubt`.
const TEXT: [u32; 6] = [0x4f72_7068, 0x6561_6e42, 0x6568_6f6c, 0x6465_7253, 0x6372_7944, 0x6f75_6274];

/// Subkeys and S-boxes of one Blowfish cipher.
#[derive(Clone)]
pub(crate) struct State {
    boxes: [[u32; 256]; 4],
    subkeys: Words,
}

impl State {
    pub(crate) const INITIAL: Self = Self { boxes: pi::S, subkeys: pi::P };

    /// Starts a hash: `ExpandKey` with the salt and the key.
    pub(crate) fn start(&mut self, key: &Words, salt: [u32; 4]) {
        *self = Self::INITIAL;
        mix(&mut self.subkeys, key);
        let mut block = ([0], [0]);
        // The salt has two blocks, which take turns.
        let mut first = true;
        let mut next = |state: &Self| {
            let at = if first { 0 } else { 2 };
            first = !first;
            block.0[0] ^= salt[at];
            block.1[0] ^= salt[at + 1];
            encrypt(std::array::from_ref(state), &mut block.0, &mut block.1);
            (block.0[0], block.1[0])
        };
        for at in (0..18).step_by(2) {
            (self.subkeys[at], self.subkeys[at + 1]) = next(self);
        }
        for table in 0..4 {
            for at in (0..256).step_by(2) {
                (self.boxes[table][at], self.boxes[table][at + 1]) = next(self);
            }
        }
    }

    /// Finishes a hash: encrypts the text 64 times. Of the 24 bytes, bcrypt uses 23.
    pub(crate) fn finish(&self) -> [u8; 23] {
        let mut bytes = [0; 24];
        for (words, bytes) in TEXT.chunks_exact(2).zip(bytes.chunks_exact_mut(8)) {
            let (mut left, mut right) = ([words[0]], [words[1]]);
            for _ in 0..64 {
                encrypt(std::array::from_ref(self), &mut left, &mut right);
            }
            bytes[..4].copy_from_slice(&left[0].to_be_bytes());
            bytes[4..].copy_from_slice(&right[0].to_be_bytes());
        }
        let mut digest = [0; 23];
        digest.copy_from_slice(&bytes[..23]);
        bytes.zeroize();
        digest
    }
}

#[cfg(test)]
impl State {
    pub(crate) fn is_wiped(&self) -> bool {
        self.boxes.as_flattened().iter().chain(&self.subkeys).all(|word| *word == 0)
    }
}

impl Zeroize for State {
    fn zeroize(&mut self) {
        self.boxes.zeroize();
        self.subkeys.zeroize();
    }
}

/// Runs `count` rounds of bcrypt's key schedule on each state: `ExpandKey` with the key, then with the salt.
pub(crate) fn rounds<const N: usize>(
    states: &mut [State; N],
    keys: &[Words; N],
    salts: &[Words; N],
    count: u32,
) {
    for _ in 0..count {
        expand(states, keys);
        expand(states, salts);
    }
}

/// Blowfish's own key schedule.
#[inline(never)]
fn expand<const N: usize>(states: &mut [State; N], words: &[Words; N]) {
    for (state, words) in states.iter_mut().zip(words) {
        mix(&mut state.subkeys, words);
    }
    let (mut left, mut right) = ([0; N], [0; N]);
    for at in (0..18).step_by(2) {
        encrypt(states, &mut left, &mut right);
        for lane in 0..N {
            states[lane].subkeys[at] = left[lane];
            states[lane].subkeys[at + 1] = right[lane];
        }
    }
    for table in 0..4 {
        for at in (0..256).step_by(2) {
            encrypt(states, &mut left, &mut right);
            for lane in 0..N {
                states[lane].boxes[table][at] = left[lane];
                states[lane].boxes[table][at + 1] = right[lane];
            }
        }
    }
}

fn mix(subkeys: &mut Words, words: &Words) {
    for (subkey, word) in subkeys.iter_mut().zip(words) {
        *subkey ^= word;
    }
}

/// Encrypts one block with each state.
// The blocks stay in registers from one call to the next.
#[inline(always)]
fn encrypt<const N: usize>(states: &[State; N], left: &mut [u32; N], right: &mut [u32; N]) {
    macro_rules! round {
        ($subkey:literal, $from:ident, $to:ident) => {
            for lane in 0..N {
                let state = &states[lane];
                $from[lane] ^= state.subkeys[$subkey];
                $to[lane] ^= scramble(state, $from[lane]);
            }
        };
    }
    macro_rules! two_rounds {
        ($($first:literal $second:literal),*) => {
            $(round!($first, left, right); round!($second, right, left);)*
        };
    }
    two_rounds!(0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15);
    for lane in 0..N {
        let (l, r) = (left[lane], right[lane]);
        left[lane] = r ^ states[lane].subkeys[17];
        right[lane] = l ^ states[lane].subkeys[16];
    }
}

/// Blowfish's function F.
#[expect(clippy::inline_always, reason = "called 16 times a block and lane")]
#[inline(always)]
fn scramble(state: &State, word: u32) -> u32 {
    let [a, b, c, d] = &state.boxes;
    // Shifts: `to_be_bytes` makes LLVM swap the bytes first.
    let sum = a[(word >> 24) as usize].wrapping_add(b[(word >> 16 & 0xff) as usize]);
    (sum ^ c[(word >> 8 & 0xff) as usize]).wrapping_add(d[(word & 0xff) as usize])
}
