//! Puts fragmented messages together (RFC 6455 section 5.4), bounded in bytes and in fragments.

use actix_http::ws::Item;
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use doorward_core::protocol::CloseReason;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    Text(ByteString),
    Binary(Bytes),
}

#[derive(Debug, Default)]
pub struct Fragments {
    /// Boxed: hardly a client fragments.
    current: Option<Box<Current>>,
}

#[derive(Debug)]
struct Current {
    text: bool,
    bytes: BytesMut,
    count: usize,
}

impl Fragments {
    /// A fragment that brings more than `max_bytes` together, or is the `max_count`-th, is too much.
    ///
    /// # Errors
    /// The reason to close with.
    pub fn push(
        &mut self,
        item: Item,
        max_bytes: usize,
        max_count: usize,
    ) -> Result<Option<Whole>, CloseReason> {
        let (bytes, last) = match item {
            Item::FirstText(bytes) | Item::FirstBinary(bytes) if self.current.is_some() => {
                drop(bytes);
                return Err(CloseReason::ProtocolError);
            }
            Item::FirstText(bytes) => {
                self.current = Some(Box::new(Current { text: true, bytes: BytesMut::new(), count: 0 }));
                (bytes, false)
            }
            Item::FirstBinary(bytes) => {
                self.current = Some(Box::new(Current { text: false, bytes: BytesMut::new(), count: 0 }));
                (bytes, false)
            }
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        let Some(current) = &mut self.current else {
            return Err(CloseReason::ProtocolError);
        };
        current.count += 1;
        if current.bytes.len() + bytes.len() > max_bytes || current.count > max_count {
            return Err(CloseReason::TooBig);
        }
        current.bytes.extend_from_slice(&bytes);
        if !last {
            return Ok(None);
        }
        let Some(current) = self.current.take() else { return Ok(None) };
        let bytes = current.bytes.freeze();
        if current.text {
            ByteString::try_from(bytes)
                .map(|text| Some(Whole::Text(text)))
                .map_err(|_| CloseReason::InvalidUtf8)
        } else {
            Ok(Some(Whole::Binary(bytes)))
        }
    }

    /// Is a message begun and not ended?
    #[must_use]
    pub const fn open(&self) -> bool {
        self.current.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_hold() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.push(Item::FirstText(Bytes::from_static(b"abc")), 5, 9), Ok(None));
        assert_eq!(
            fragments.push(Item::Continue(Bytes::from_static(b"def")), 5, 9),
            Err(CloseReason::TooBig)
        );
        let mut fragments = Fragments::default();
        assert_eq!(fragments.push(Item::FirstText(Bytes::new()), 5, 2), Ok(None));
        assert_eq!(fragments.push(Item::Continue(Bytes::new()), 5, 2), Ok(None));
        assert_eq!(fragments.push(Item::Continue(Bytes::new()), 5, 2), Err(CloseReason::TooBig));
        assert_eq!(
            Fragments::default().push(Item::Last(Bytes::new()), 5, 2),
            Err(CloseReason::ProtocolError)
        );
    }

    proptest! {
        #[test]
        fn a_text_cut_anywhere_comes_back(text in ".{0,100}", cuts in prop::collection::vec(0_usize..400, 0..6)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut fragments = Fragments::default();
            let mut begin = 0;
            for (index, cut) in cuts.iter().enumerate() {
                let part = Bytes::copy_from_slice(&bytes[begin..*cut]);
                let item = if index == 0 { Item::FirstText(part) } else { Item::Continue(part) };
                prop_assert_eq!(fragments.push(item, 1000, 10), Ok(None));
                begin = *cut;
            }
            let rest = Bytes::copy_from_slice(&bytes[begin..]);
            if cuts.is_empty() {
                prop_assert_eq!(fragments.push(Item::FirstText(Bytes::new()), 1000, 10), Ok(None));
            }
            prop_assert_eq!(fragments.push(Item::Last(rest), 1000, 10), Ok(Some(Whole::Text(text.into()))));
            prop_assert!(!fragments.open());
        }
    }
}
