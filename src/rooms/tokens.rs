//! Room tokens: whose are taken, and which still count.

use std::sync::Arc;

use doorward_core::rooms::{NO_TOKEN, Refusal, RoomToken, TokenCheck, TokenState, TokenText};

use super::Rooms;
use crate::auth::room_tokens::RoomTokenKeys;
use crate::clock::Timestamp;
use crate::metrics::{Registry, count};

impl Rooms {
    /// Takes the tokens that an application's backend signs with these keys. Once, before a session joins any room.
    pub fn take_tokens(&self, keys: RoomTokenKeys) {
        // A second time would be a mistake of the caller, and the first goes on.
        let _ = self.0.token_keys.set(keys);
    }

    /// Adds what is counted here.
    pub(super) fn register_token_metrics(&self, registry: &mut Registry) {
        let revocations = Arc::clone(&self.0.revocations);
        registry.reading(
            "doorward_room_token_revocations",
            "Revocations of room tokens that this node holds: of single tokens, of users, and of all.",
            move || count(revocations.room_tokens().len()),
        );
    }

    /// What is known of tokens at this moment.
    #[must_use]
    pub const fn tokens_at(&self, now: Timestamp) -> TokensAt<'_> {
        TokensAt { rooms: self, now }
    }

    /// Changes whenever tokens are revoked.
    #[must_use]
    pub fn revoked_tokens_version(&self) -> u64 {
        self.0.revocations.room_tokens().version()
    }
}

/// See [`Rooms::tokens_at`].
#[derive(Clone, Copy)]
pub struct TokensAt<'a> {
    rooms: &'a Rooms,
    now: Timestamp,
}

impl TokenCheck for TokensAt<'_> {
    fn verify(&self, token: TokenText<'_>) -> Result<RoomToken, Refusal> {
        // Without keys no kind takes tokens, and none is read.
        self.rooms.0.token_keys.get().ok_or(NO_TOKEN)?.verify(token, self.now)
    }

    fn state(&self, token: &RoomToken) -> TokenState {
        if self.now >= token.expires_at {
            TokenState::Expired
        } else if self.rooms.0.revocations.room_tokens().contain(token) {
            TokenState::Revoked
        } else {
            TokenState::Good
        }
    }
}
