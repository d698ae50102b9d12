//! bcrypt's base64: an alphabet of its own, without padding.

const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Writes `bytes` as text.
pub(crate) fn encode(bytes: &[u8], text: &mut String) {
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * digit) & 63) as usize]));
        }
    }
}

/// Reads exactly `N` bytes. `None` if the text has another length, another character, or bits left over that
/// are not zero, so that no two texts mean the same.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    for (text, bytes) in text.chunks(4).zip(bytes.chunks_mut(3)) {
        let mut word = 0;
        for character in text {
            let digit = ALPHABET.iter().position(|known| known == character)?;
            word = word << 6 | u32::try_from(digit).ok()?;
        }
        word <<= 6 * (4 - text.len());
        let [_, decoded @ ..] = word.to_be_bytes();
        let (used, rest) = decoded.split_at(bytes.len());
        bytes.copy_from_slice(used);
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
    }
    Some(bytes)
}
