use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::super::presence::PresenceOptions;
use super::super::token::NoTokens;
use super::super::{Entry, KindName, Policy};
use super::*;
use crate::domain::{Roles, UserId};

const ANN: UserId = UserId(Uuid::from_u128(0xa1));

fn policy(entries: &[&str]) -> Policy {
    Policy::new(entries.iter().map(|entry| Entry::parse(entry).unwrap()).collect())
}

fn kind(join: &[&str], send: &[&str]) -> Kind {
    Kind {
        join: policy(join),
        send: policy(send),
        max_joined: 10,
        max_data: 100,
        pace: None,
        lossy: false,
        presence: PresenceOptions::default(),
        see_presence: policy(join),
    }
}

fn kinds() -> Kinds {
    let kinds = [
        ("chat", kind(&["anyone"], &["joined"])),
        ("staff", kind(&["role:staff"], &["role:chief"])),
        ("inbox", kind(&["own"], &["app"])),
        ("user", kind(&["anyone"], &["anyone"])),
        ("club", kind(&["member", "role:staff"], &["member"])),
    ];
    Kinds::new(kinds.map(|(name, kind)| (KindName::parse(name).unwrap(), kind)))
}

fn who(roles: &Roles) -> Member<'_> {
    Member { user: ANN, roles, standing: &|_| Standing::default(), tokens: &NoTokens }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::default() + TimeDelta::seconds(seconds)
}

fn roles(names: &[&str]) -> Roles {
    Roles::parse(names).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "any moment will do")]
fn origin() -> Instant {
    Instant::now()
}

#[test]
fn a_room_is_joined_by_its_kinds_policy() {
    let (kinds, now, staff, none) = (kinds(), origin(), roles(&["staff"]), roles(&[]));
    let mut joined = Joined::default();
    let mut join = |room: &str, roles| {
        let outcome = joined.join(&kinds, (room, None), who(roles), now);
        outcome.map(|entered| (entered.can, entered.is_new)).map_err(|refusal| refusal.code)
    };
    assert_eq!(join("chat:a", &none), Ok((&["send"][..], true)));
    assert_eq!(join("chat:a", &none), Ok((&["send"][..], false)), "once more");
    assert_eq!(join("staff:a", &none), Err("forbidden"));
    assert_eq!(join("staff:a", &staff), Ok((&[][..], true)));
    assert_eq!(join(&format!("inbox:{ANN}"), &none), Ok((&[][..], true)));
    assert_eq!(join("inbox:other", &none), Err("forbidden"));
    assert_eq!(join(&format!("user:{ANN}"), &none), Err("forbidden"));
    assert_eq!(join("order:1", &none), Err("unknown_room"));
    assert_eq!(join("chat", &none), Err("bad_room"));
    let names: Vec<_> = joined.rooms().map(RoomName::as_str).collect();
    assert_eq!(names, ["chat:a", &*format!("inbox:{ANN}"), "staff:a"]);
    assert_eq!(
        joined.leave("chat:a").map_err(|refusal| refusal.code),
        Ok(RoomName::parse("chat:a").unwrap())
    );
    assert_eq!(joined.leave("chat:a").unwrap_err().code, "not_joined");
}

#[test]
fn a_session_has_a_bounded_number_of_rooms_and_joins() {
    let (kinds, now, none) = (kinds(), origin(), roles(&[]));
    let mut joined = Joined::default();
    let who = who(&none);
    for number in 0..MAX_JOINED {
        joined.join(&kinds, (&format!("chat:{number}"), None), who, now).unwrap();
    }
    let refusal = joined.join(&kinds, ("chat:more", None), who, now).unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after), ("too_many_requests", Some(JOINS.interval)));
    let later = now + JOINS.interval;
    assert_eq!(joined.join(&kinds, ("chat:more", None), who, later).unwrap_err().code, "too_many_rooms");
    joined.leave("chat:0").unwrap();
    assert!(joined.join(&kinds, ("chat:more", None), who, later + JOINS.interval).is_ok());
    assert_eq!(joined.leave_all().len(), MAX_JOINED);
    assert_eq!(joined.rooms().count(), 0);
    let refusal = joined.join(&kinds, ("chat:0", None), who, later + JOINS.interval).unwrap_err();
    assert_eq!(refusal.code, "too_many_requests", "leaving gives no joins back");
}

#[test]
fn sending_needs_a_right_and_has_bounds() {
    let (kinds, now, none) = (kinds(), origin(), roles(&[]));
    let mut joined = Joined::default();
    let who = who(&none);
    let send = |joined: &Joined, room: &str, bytes| {
        joined.send(&kinds, room, bytes, who).map(|_| ()).map_err(|refusal| refusal.code)
    };
    assert_eq!(send(&joined, "chat:a", 1), Err("forbidden"), "not joined");
    joined.join(&kinds, ("chat:a", None), who, now).unwrap();
    assert_eq!(send(&joined, "chat:a", 100), Ok(()));
    assert_eq!(send(&joined, "chat:a", 101), Err("too_large"));
    assert_eq!(send(&joined, "chat:b", 1), Err("forbidden"));
    assert_eq!(send(&joined, &format!("user:{ANN}"), 1), Ok(()));
    assert_eq!(send(&joined, "user:ann", 1), Err("bad_room"));
    assert_eq!(send(&joined, "none:b", 1), Err("unknown_room"));
}

proptest! {
    /// Whatever was asked before: after each change of roles a session is in no room that it could not join.
    #[test]
    fn no_room_outlives_its_right(steps in prop::collection::vec((0..5_usize, 0..3_usize, any::<bool>()), 0..60)) {
        let (kinds, now) = (kinds(), origin());
        let all = [roles(&[]), roles(&["staff"]), roles(&["chief"])];
        let own = format!("inbox:{ANN}");
        let names = ["chat:a", "staff:a", "staff:b", &own, "order:1"];
        let mut joined = Joined::default();
        let mut has = 0;
        for (name, now_has, leaves) in steps {
            if leaves {
                let _ = joined.leave(names[name]);
            } else {
                let _ = joined.join(&kinds, (names[name], None), who(&all[has]), now);
            }
            has = now_has;
            let who = who(&all[has]);
            let lost = joined.reevaluate(who, at(0));
            prop_assert!(lost.iter().all(|lost| lost.cause == Cause::Policy && !joined.has(&lost.room)));
            let rooms: Vec<_> = joined.rooms().cloned().collect();
            for room in rooms {
                let mut fresh = Joined::default();
                prop_assert!(fresh.join(&kinds, (room.as_str(), None), who, now).is_ok(), "{room}");
            }
        }
    }
}

/// What the rows say of one user and every room.
#[derive(Debug, Clone, Copy, Default)]
struct Rows {
    member: Option<End>,
    ban: Option<End>,
}

fn standing(rows: Rows, now: i64) -> impl Fn(&RoomName) -> Standing {
    move |_| Standing::at(at(now), rows.member, rows.ban)
}

#[test]
fn a_member_joins_and_sends_until_the_membership_ends() {
    let (kinds, now, none) = (kinds(), origin(), roles(&[]));
    let mut joined = Joined::default();
    let rows = Rows { member: Some(Some(at(100))), ban: None };
    let room = RoomName::parse("club:a").unwrap();
    let at_zero = standing(rows, 0);
    let who = Member { user: ANN, roles: &none, standing: &at_zero, tokens: &NoTokens };
    let entered = joined.join(&kinds, ("club:a", None), who, now).unwrap();
    assert_eq!((entered.can, entered.until), (&["send"][..], Some(at(100))));
    assert!(joined.send(&kinds, "club:b", 1, who).is_ok(), "sending needs no joining");
    assert_eq!(joined.deadline(), Some(at(40)));
    assert_eq!(joined.expiring(at(39)), []);
    assert_eq!(joined.expiring(at(40)), [(room.clone(), at(100))]);
    assert_eq!((joined.expiring(at(41)), joined.deadline()), (vec![], Some(at(100))), "told once");
    assert_eq!(joined.reevaluate(who, at(41)), []);
    assert_eq!(joined.deadline(), Some(at(100)), "nothing has changed");

    // It is made longer, and is told of anew.
    let longer = standing(Rows { member: Some(Some(at(500))), ban: None }, 90);
    assert_eq!(joined.reevaluate(Member { standing: &longer, ..who }, at(90)), []);
    assert_eq!((joined.until(&room), joined.deadline()), (Some(at(500)), Some(at(440))));
    let over = standing(Rows { member: Some(Some(at(500))), ban: None }, 500);
    let who = Member { standing: &over, ..who };
    assert_eq!(joined.reevaluate(who, at(500)), [Lost { room: room.clone(), cause: Cause::Expired }]);
    assert_eq!(joined.join(&kinds, ("club:a", None), who, now).unwrap_err().code, "forbidden");
    assert_eq!(joined.send(&kinds, "club:a", 1, who).unwrap_err().code, "forbidden");
}

#[test]
fn what_else_grants_a_right_outlives_the_membership() {
    let (kinds, now, none, staff) = (kinds(), origin(), roles(&[]), roles(&["staff"]));
    let mut joined = Joined::default();
    let member = standing(Rows { member: Some(None), ban: None }, 0);
    let by_both = Member { user: ANN, roles: &staff, standing: &member, tokens: &NoTokens };
    joined.join(&kinds, ("club:a", None), by_both, now).unwrap();
    assert_eq!(joined.reevaluate(who(&staff), at(0)), [], "the role remains");
    assert_eq!(joined.reevaluate(Member { roles: &none, ..by_both }, at(0)), [], "the membership remains");
    let lost = joined.reevaluate(who(&none), at(0));
    assert_eq!(lost.iter().map(|lost| lost.cause).collect::<Vec<_>>(), [Cause::Removed]);
}

#[test]
fn a_ban_comes_before_every_policy() {
    let (kinds, now, none) = (kinds(), origin(), roles(&[]));
    let mut joined = Joined::default();
    joined.join(&kinds, ("chat:a", None), who(&none), now).unwrap();
    let rows = Rows { member: Some(None), ban: Some(Some(at(10))) };
    let banned = standing(rows, 0);
    let who = Member { standing: &banned, ..who(&none) };
    let own = format!("user:{ANN}");
    for room in ["chat:a", "club:a", &own] {
        assert_eq!(joined.send(&kinds, room, 1, who).unwrap_err().code, "banned", "{room}");
    }
    assert_eq!(joined.join(&kinds, ("chat:b", None), who, now).unwrap_err().code, "banned");
    let lost = joined.reevaluate(who, at(0));
    assert_eq!(lost.iter().map(|lost| lost.cause).collect::<Vec<_>>(), [Cause::Banned]);
    let over = standing(rows, 10);
    assert!(joined.join(&kinds, ("chat:a", None), Member { standing: &over, ..who }, now).is_ok());
}

proptest! {
    /// Whatever the rows said before: after a look a session is in no room that it could not join, knows when its right
    /// ends, and was told of it beforehand exactly once, unless that changed.
    #[test]
    fn no_room_outlives_its_rows(
        steps in prop::collection::vec((0..3_usize, prop::option::of(prop::option::of(0..900_i64)), 0..9_u8, any::<bool>()), 1..40),
    ) {
        let (kinds, now) = (kinds(), origin());
        let all = [roles(&[]), roles(&["staff"]), roles(&["chief"])];
        let names = ["chat:a", "staff:a", "club:a"];
        let mut joined = Joined::default();
        for (time, (role, member, kind, joins)) in (0_i64..).step_by(25).zip(steps) {
            let rows = Rows { member: member.map(|end| end.map(at)), ban: (kind == 0).then_some(None) };
            let says = standing(rows, time);
            let who = Member { user: ANN, roles: &all[role], standing: &says, tokens: &NoTokens };
            let before: Vec<_> = joined.rooms().cloned().collect();
            let lost = joined.reevaluate(who, at(time));
            for room in before {
                let may = Joined::default().join(&kinds, (room.as_str(), None), who, now).is_ok();
                prop_assert_eq!(may, joined.has(&room), "{}", room);
                prop_assert_eq!(!may, lost.iter().any(|lost| lost.room == room));
            }
            if joins {
                let _ = joined.join(&kinds, (names[usize::from(kind) % 3], None), who, now);
            }
            for (room, until) in joined.expiring(at(time)) {
                prop_assert!(joined.until(&room) == Some(until) && at(time) < until && until <= at(time + 60));
            }
            prop_assert_eq!(joined.expiring(at(time)), vec![]);
            prop_assert!(joined.deadline().is_none_or(|deadline| deadline > at(time)));
        }
    }
}
