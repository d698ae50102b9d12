//! A room that a session has joined: by which right, and until when.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{Caller, Cause, End, Kind, Member, Right, RoomName, RoomToken, Standing, TokenCheck, TokenState};
use crate::time::Timestamp;

/// How long before the end of a right its session is told; of a token that is valid for less than twice this, halfway.
const NOTICE: TimeDelta = TimeDelta::seconds(60);

/// A room that a session has joined, and by which right.
#[derive(Debug)]
pub(super) struct Stay {
    pub kind: Arc<Kind>,
    pub grant: Grant,
    /// The last token that was brought for it. None once it has ended.
    pub token: Option<Arc<RoomToken>>,
    /// The session was told that its right ends soon.
    pub told: bool,
}

/// By what right a session is in a room.
#[derive(Debug, Clone, Copy)]
pub(super) enum Grant {
    /// By its kind's policy, which is asked again whenever what the user may do has changed.
    Policy(Right),
    /// The application has joined it, whatever the policy says.
    App,
}

impl Grant {
    pub const fn until(self) -> End {
        match self {
            Self::Policy(right) => right.until,
            Self::App => None,
        }
    }
}

/// What a token may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Join,
    Send,
    Presence,
}

impl Use {
    /// Until when a token allows it; none if it does not, or not any more.
    pub fn allowed_by(self, token: Option<&RoomToken>, who: Member<'_>) -> Option<Timestamp> {
        let token = token.filter(|token| who.tokens.state(token) == TokenState::Good)?;
        token.allows(self).then_some(token.expires_at)
    }
}

impl RoomToken {
    const fn allows(&self, use_: Use) -> bool {
        match use_ {
            Use::Join => true,
            Use::Send => self.ops.send,
            Use::Presence => self.ops.presence,
        }
    }
}

impl Stay {
    /// When something ends that the session can do there: to be there, or what a token allows besides.
    pub fn ends(&self) -> End {
        let besides = self.token.as_ref().filter(|token| {
            token.allows(Use::Send) && self.kind.send.takes_tokens()
                || token.allows(Use::Presence) && self.kind.see_presence.takes_tokens()
        });
        self.grant.until().into_iter().chain(besides.map(|token| token.expires_at)).min()
    }

    /// When to tell the session that this is near.
    pub fn notice(&self) -> End {
        let until = self.ends()?;
        let token = self.token.as_ref().filter(|token| token.expires_at == until);
        let half = token.map(|token| ((until - token.issued_at) / 2).max(TimeDelta::zero()));
        Some(until - half.map_or(NOTICE, |half| half.min(NOTICE)))
    }

    /// Why the session may not stay, if it may not; otherwise up to when it may.
    pub fn reevaluate(&mut self, room: &RoomName, who: Member<'_>, now: Timestamp) -> Option<Cause> {
        let standing = (who.standing)(room);
        if let Some(cause) = standing.ends() {
            return Some(cause);
        }
        let (ended, state) = (self.ends(), self.token_state(who.tokens));
        self.token = self.token.take().filter(|_| state == TokenState::Good);
        if let Grant::Policy(before) = self.grant {
            let by_token = Use::Join.allowed_by(self.token.as_deref(), who);
            let caller = caller(who, &standing, false, by_token);
            let Some(right) = self.kind.join.right(room, &caller) else {
                return Some(why_lost(before, state, &standing, now));
            };
            self.grant = Grant::Policy(right);
        }
        self.told &= ended == self.ends();
        None
    }

    /// Without a token there is none that has ended.
    fn token_state(&self, tokens: &dyn TokenCheck) -> TokenState {
        self.token.as_ref().map_or(TokenState::Good, |token| tokens.state(token))
    }
}

/// Why there is no right any more where there was one before.
fn why_lost(before: Right, token: TokenState, standing: &Standing, now: Timestamp) -> Cause {
    match token {
        TokenState::Revoked if before.by_token => Cause::TokenRevoked,
        TokenState::Expired if before.by_token => Cause::TokenExpired,
        _ if before.until.is_some_and(|until| until <= now) => Cause::Expired,
        _ if before.by_member && standing.member.is_none() => Cause::Removed,
        _ => Cause::Policy,
    }
}

pub(super) const fn caller<'a>(
    who: Member<'a>,
    standing: &Standing,
    joined: bool,
    token: Option<Timestamp>,
) -> Caller<'a> {
    Caller { user: who.user, roles: who.roles, joined, member: standing.member, token }
}
