//! What goes into a hash, and what comes out.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::blowfish::Words;

/// The lowest cost.
pub const MIN_COST: u32 = 4;
/// The highest cost. A hash takes days.
pub const MAX_COST: u32 = 31;

/// As many bytes of a password count.
const MAX_PASSWORD: usize = 72;

/// Why there is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The cost is not between [`MIN_COST`] and [`MAX_COST`].
    Cost(u32),
    /// The text is not a hash in the form of [`crate::Hash`].
    Malformed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cost(cost) => write!(f, "{cost} is no cost of bcrypt, which are {MIN_COST} to {MAX_COST}"),
            Self::Malformed => f.write_str("not a bcrypt hash such as $2b$12$..., with 60 characters"),
        }
    }
}

impl std::error::Error for Error {}

/// A password with the salt and the cost of its hash.
#[derive(Clone)]
pub struct Input {
    pub(crate) key: Words,
    pub(crate) salt: [u32; 4],
    pub(crate) cost: u32,
}

impl Input {
    /// The password is cut off at 72 bytes. `cost` is the logarithm of the number of rounds to base 2.
    ///
    /// # Errors
    /// [`Error::Cost`] if the cost is out of bounds.
    pub fn new(password: &[u8], cost: u32, salt: [u8; 16]) -> Result<Self, Error> {
        if !(MIN_COST..=MAX_COST).contains(&cost) {
            return Err(Error::Cost(cost));
        }
        Ok(Self::within_bounds(password, cost, salt))
    }

    /// `cost` is from [`MIN_COST`] to [`MAX_COST`].
    pub(crate) fn within_bounds(password: &[u8], cost: u32, salt: [u8; 16]) -> Self {
        // A final NUL belongs to the password unless it is too long for one. All of that is repeated.
        let mut bytes = password.iter().chain(&[0]).take(MAX_PASSWORD).cycle();
        Self { key: words(&mut bytes), salt: words(&mut salt.iter().cycle()), cost }
    }

    /// How many rounds the hash has.
    #[must_use]
    pub const fn rounds(&self) -> u32 {
        1 << self.cost
    }
}

/// Big-endian words of endless bytes.
fn words<'a, const N: usize>(bytes: &mut impl Iterator<Item = &'a u8>) -> [u32; N] {
    std::array::from_fn(|_| bytes.by_ref().take(4).fold(0, |word, byte| word << 8 | u32::from(*byte)))
}

impl Drop for Input {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// The result of a hash. Two of them are compared in constant time.
#[derive(Clone)]
pub struct Digest(pub(crate) [u8; 23]);

impl Digest {
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 23] {
        &self.0
    }
}

impl From<[u8; 23]> for Digest {
    fn from(bytes: [u8; 23]) -> Self {
        Self(bytes)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl Drop for Digest {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}
