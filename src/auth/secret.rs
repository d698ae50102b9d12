//! Random secrets and the form in which they are stored.

use std::cell::RefCell;

use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Fills `bytes` from the system's generator.
///
/// # Panics
/// If the system's random generator fails: the server must not go on without it.
pub fn fill(bytes: &mut [u8]) {
    if bytes.len() > BLOCK / 4 {
        return draw(bytes);
    }
    BLOCKS.with_borrow_mut(|block| {
        if block.left < bytes.len() {
            draw(&mut block.bytes);
            block.left = BLOCK;
        }
        let taken = &mut block.bytes[block.left - bytes.len()..block.left];
        bytes.copy_from_slice(taken);
        // What was handed out is kept nowhere.
        taken.fill(0);
        block.left -= bytes.len();
    });
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn draw(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the system's random generator answers");
}

/// Bytes that are drawn at once: a draw of 12 costs as much as one of hundreds.
const BLOCK: usize = 512;

/// Random bytes of this thread that were not handed out yet.
struct Block {
    bytes: [u8; BLOCK],
    left: usize,
}

thread_local! {
    static BLOCKS: RefCell<Block> = const { RefCell::new(Block { bytes: [0; BLOCK], left: 0 }) };
}

/// 256 random bits in base64url, for links, refresh tokens and cookies.
#[must_use]
pub fn random_token() -> String {
    let mut bytes = [0; 32];
    fill(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// SHA-256 in base64url, the form in which a token is stored. A random token needs no slow hash.
#[must_use]
pub fn hash_token(token: &str) -> String {
    hash_bytes(token.as_bytes())
}

/// The same of any bytes.
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes))
}

/// The length of a [`random_token`] in characters.
const LENGTH: usize = 43;

/// Extracts the token from what was pasted, or from what a mail program turned into a link: brackets, quotes
/// and full stops around a link easily become part of it.
#[must_use]
pub fn trim_token(text: &str) -> &str {
    let of_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let text = text.trim_start_matches(|c| !of_token(c));
    let token = text.find(|c| !of_token(c)).map_or(text, |end| text.get(..end).unwrap_or(text));
    // Underscores and hyphens, as around emphasized text, may belong to a token, but not to a longer one.
    match token.split_at_checked(LENGTH) {
        Some((token, rest)) if rest.bytes().all(|byte| b"-_".contains(&byte)) => token,
        _ => token,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_bytes_are_handed_out_twice() {
        let mut drawn = std::collections::HashSet::new();
        for length in (8..=BLOCK).cycle().take(2000) {
            let mut bytes = vec![0; length];
            fill(&mut bytes);
            for part in bytes.chunks_exact(8) {
                assert!(part != [0; 8] && drawn.insert(part.to_vec()), "{length}");
            }
        }
        BLOCKS.with_borrow(|block| assert!(block.bytes[block.left..].iter().all(|byte| *byte == 0)));
    }

    #[test]
    fn a_token_is_extracted_from_its_surroundings() {
        let token = random_token();
        assert_eq!(token.len(), LENGTH);
        for (before, after) in [
            ("", ""),
            ("", "."),
            ("", ")"),
            ("", ">"),
            ("<", ">"),
            ("", ","),
            ("", "="),
            ("", "=3D"),
            ("", "%3E"),
            (" ", " "),
            ("", "\r\n"),
            ("\"", "\""),
            ("\u{201c}", "\u{201d}"),
            ("", "\u{200b}"),
            ("", "&quot;"),
            ("", "]("),
            ("", "_"),
            ("", "*"),
            ("", "?utm_source=mail"),
        ] {
            assert_eq!(trim_token(&format!("{before}{token}{after}")), token, "{before:?} {after:?}");
        }
        assert_eq!(trim_token(""), "");
        assert_eq!(trim_token("...short."), "short");
        let longer = format!("{token}x");
        assert_eq!(trim_token(&longer), longer, "it is another token");
    }

    proptest! {
        #[test]
        fn trimming_never_panics_and_trims_once(text in "\\PC{0,80}") {
            let token = trim_token(&text);
            prop_assert_eq!(trim_token(token), token);
            prop_assert!(token.is_ascii());
        }
    }
}
