//! Rooms that an application joins for a session, whatever the kind's policy says: it decides about them alone.

use super::joined::{BANNED, FORBIDDEN, Joined};
use super::stay::Grant;
use super::{Entered, Kinds, Member, Refusal};

impl Joined {
    /// Joins a room for the application. The session stays in it when its roles or memberships change; a ban comes before
    /// the application's word too.
    ///
    /// # Errors
    /// [`Refusal`]: there is no such kind, it is a user's own room, the user is banned, or the session has joined too many.
    pub fn join_by_app(&mut self, kinds: &Kinds, room: &str, who: Member<'_>) -> Result<Entered, Refusal> {
        let (room, kind) = kinds.find(room)?;
        if room.is_users() {
            return Err(FORBIDDEN);
        }
        let standing = (who.standing)(&room);
        if standing.banned {
            return Err(BANNED);
        }
        let token = self.token(&room).cloned();
        self.insert((room, kind), who, &standing, (Grant::App, token))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Instant;

    use uuid::Uuid;

    use super::super::presence::PresenceOptions;
    use super::super::token::NoTokens;
    use super::super::{Cause, Entry, Kind, KindName, Lost, Policy, RoomName, Standing};
    use super::*;
    use crate::domain::{Roles, UserId};
    use crate::time::Timestamp;

    const ANN: UserId = UserId(Uuid::from_u128(0xa1));

    fn kinds() -> Kinds {
        let kind = |join| Kind {
            join: Policy::new(join),
            send: Policy::new(vec![Entry::Joined]),
            max_joined: 10,
            max_data: 100,
            pace: None,
            lossy: false,
            presence: PresenceOptions::default(),
            see_presence: Policy::new(Vec::new()),
        };
        Kinds::new([
            (KindName::parse("order").unwrap(), kind(Vec::new())),
            (KindName::parse("club").unwrap(), kind(vec![Entry::Member])),
            (KindName::parse("user").unwrap(), kind(Vec::new())),
        ])
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn the_application_decides_alone() {
        let (kinds, roles, now) = (kinds(), Roles::default(), Timestamp::default());
        let who = Member { user: ANN, roles: &roles, standing: &|_| Standing::default(), tokens: &NoTokens };
        let mut joined = Joined::default();
        assert_eq!(
            joined.join(&kinds, ("order:7", None), who, Instant::now()).unwrap_err().code,
            "forbidden"
        );
        let entered = joined.join_by_app(&kinds, "order:7", who).unwrap();
        assert_eq!((entered.can, entered.is_new), (&["send"][..], true));
        assert!(!joined.join_by_app(&kinds, "order:7", who).unwrap().is_new);
        assert!(joined.reevaluate(who, now).is_empty(), "it stays");
        assert!(joined.send(&kinds, "order:7", 1, who).is_ok());
        for (room, code) in
            [("order", "bad_room"), ("chat:a", "unknown_room"), (&format!("user:{ANN}"), "forbidden")]
        {
            assert_eq!(joined.join_by_app(&kinds, room, who).unwrap_err().code, code);
        }
        let order = RoomName::parse("order:7").unwrap();
        joined.leave("order:7").unwrap();
        assert!(joined.rooms().count() == 0 && !joined.is_by_app(&order));
        joined.join_by_app(&kinds, "order:7", who).unwrap();
        joined.forget(&order);
        assert!(joined.reevaluate(who, now).is_empty() && !joined.is_by_app(&order));
    }

    #[test]
    fn a_ban_a_kick_and_a_close_come_before_the_application() {
        let (kinds, roles, now) = (kinds(), Roles::default(), Timestamp::default());
        let (is, free) = (Cell::new(Standing::default()), Standing::default());
        let standing = |_: &RoomName| is.get();
        let who = Member { user: ANN, roles: &roles, standing: &standing, tokens: &NoTokens };
        let mut joined = Joined::default();
        for (standing, cause) in [
            (Standing { banned: true, ..free }, Cause::Banned),
            (Standing { kicked: true, ..free }, Cause::Kicked),
            (Standing { closed: true, ..free }, Cause::Closed),
        ] {
            is.set(free);
            joined.join_by_app(&kinds, "order:7", who).unwrap();
            is.set(standing);
            let room = RoomName::parse("order:7").unwrap();
            assert_eq!(joined.reevaluate(who, now), [Lost { room, cause }]);
        }
        is.set(Standing { banned: true, ..free });
        assert_eq!(joined.join_by_app(&kinds, "order:7", who).unwrap_err().code, "banned");
    }

    /// Whoever comes first: the client as a member, or the application.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn the_end_of_a_membership_is_not_that_of_what_the_application_has_joined() {
        let (kinds, roles, now) = (kinds(), Roles::default(), Timestamp::default());
        let member =
            Standing { member: Some(Some(now + chrono::TimeDelta::seconds(5))), ..Standing::default() };
        let is = Cell::new(member);
        let standing = |_: &RoomName| is.get();
        let who = Member { user: ANN, roles: &roles, standing: &standing, tokens: &NoTokens };
        for app_first in [true, false] {
            is.set(member);
            let (mut joined, time) = (Joined::default(), Instant::now());
            if !app_first {
                assert!(joined.join(&kinds, ("club:a", None), who, time).unwrap().until.is_some());
            }
            assert_eq!(joined.join_by_app(&kinds, "club:a", who).unwrap().until, None);
            if app_first {
                assert_eq!(joined.join(&kinds, ("club:a", None), who, time).unwrap().until, None);
            }
            assert_eq!(joined.deadline(), None);
            is.set(Standing::default());
            assert!(joined.reevaluate(who, now + chrono::TimeDelta::seconds(9)).is_empty());
        }
    }
}
