//! Who may: ordered entries, each of which says yes or nothing. Without a yes the answer is no.

use super::RoomName;
use super::rule::{RoomAction, RoomQuestion, Rule};
use super::standing::End;
use crate::domain::{RoleName, Roles, UserId};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub user: UserId,
    pub roles: &'a Roles,
    /// This session has joined the room.
    pub joined: bool,
    /// The user is a member of the room, up to then.
    pub member: Option<End>,
}

/// What a policy grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    pub until: End,
    /// Only because the user is a member.
    pub by_member: bool,
}

/// What says yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Every signed-in user.
    Anyone,
    /// Users with this role.
    Role(RoleName),
    /// The user whose id the room's name ends with, as its last part between colons.
    Own,
    /// Users who are members of the room.
    Member,
    /// Sessions that have joined the room. For sending.
    Joined,
    /// The application's backend, which is no session: to sessions it says nothing.
    App,
}

impl Entry {
    /// As it is configured.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "anyone" => Self::Anyone,
            "own" => Self::Own,
            "member" => Self::Member,
            "joined" => Self::Joined,
            "app" => Self::App,
            _ => {
                return RoleName::parse(text.strip_prefix("role:")?).ok().map(Self::Role);
            }
        })
    }

    fn allows(&self, room: &RoomName, caller: &Caller<'_>) -> bool {
        match self {
            Self::Anyone => true,
            Self::Role(role) => caller.roles.has(role.as_str()),
            Self::Own => room.rest().rsplit(':').next() == Some(&*caller.user.to_string()),
            Self::Member => caller.member.is_some(),
            Self::Joined => caller.joined,
            Self::App => false,
        }
    }
}

/// Who may join the rooms of a kind, or send to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(Vec<Entry>, Option<(RoomAction, Rule)>);

impl Policy {
    #[must_use]
    pub const fn new(entries: Vec<Entry>) -> Self {
        Self(entries, None)
    }

    /// With an application's rule, which is asked before the entries.
    pub(super) fn with_rule(&self, action: RoomAction, rule: &Rule) -> Self {
        Self(self.0.clone(), Some((action, rule.clone())))
    }

    #[must_use]
    pub fn allows(&self, room: &RoomName, caller: &Caller<'_>) -> bool {
        let said = self.rule_says(room, caller);
        said.unwrap_or_else(|| self.0.iter().any(|entry| entry.allows(room, caller)))
    }

    /// None if the entries decide.
    fn rule_says(&self, room: &RoomName, caller: &Caller<'_>) -> Option<bool> {
        let (action, rule) = self.1.as_ref()?;
        rule.ask(RoomQuestion {
            action: *action,
            room: room.as_str(),
            rest: room.rest(),
            user: caller.user,
            roles: caller.roles,
            joined: caller.joined,
        })
    }

    /// The same, with how long it lasts: a membership may end by itself, and counts only if nothing else says yes.
    #[must_use]
    pub fn right(&self, room: &RoomName, caller: &Caller<'_>) -> Option<Right> {
        if let Some(said) = self.rule_says(room, caller) {
            return said.then_some(Right { until: None, by_member: false });
        }
        let mut allowing = self.0.iter().filter(|entry| entry.allows(room, caller)).peekable();
        allowing.peek()?;
        if allowing.all(|entry| *entry == Entry::Member) {
            return Some(Right { until: caller.member.flatten(), by_member: true });
        }
        Some(Right { until: None, by_member: false })
    }

    /// Whether it depends on who is a member.
    #[must_use]
    pub fn asks_for_members(&self) -> bool {
        self.0.contains(&Entry::Member)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::rule::RoomVerdict;
    use super::*;

    fn roles(names: &[&str]) -> Roles {
        Roles::parse(names).unwrap()
    }

    fn allows(entries: &str, room: &str, user: u128, has: &[&str], joined: bool) -> bool {
        let entries = entries.split(',').filter(|entry| !entry.is_empty());
        let policy = Policy::new(entries.map(|entry| Entry::parse(entry).unwrap()).collect());
        let roles = roles(has);
        let caller = Caller { user: UserId(Uuid::from_u128(user)), roles: &roles, joined, member: None };
        policy.allows(&RoomName::parse(room).unwrap(), &caller)
    }

    #[test]
    fn the_default_is_no() {
        assert!(!allows("", "chat:x", 1, &["admin"], true));
        assert!(!allows("app", "chat:x", 1, &["admin"], true));
        assert!(allows("anyone", "chat:x", 1, &[], false));
        assert!(allows("role:editor,role:admin", "chat:x", 1, &["admin"], false));
        assert!(!allows("role:editor", "chat:x", 1, &["admin"], false));
        assert!(allows("joined", "chat:x", 1, &[], true));
        assert!(!allows("joined", "chat:x", 1, &[], false));
    }

    #[test]
    fn a_rule_that_panics_says_no() {
        let anyone = Policy::new(vec![Entry::parse("anyone").unwrap()]);
        let roles = roles(&[]);
        let caller = Caller { user: UserId(Uuid::nil()), roles: &roles, joined: true, member: None };
        let panics = Rule::new(|question| match question.rest {
            "panic" => panic!("as an application may"),
            _ => RoomVerdict::AsConfigured,
        });
        let policy = anyone.with_rule(RoomAction::Join, &panics);
        assert!(!policy.allows(&RoomName::parse("chat:panic").unwrap(), &caller));
        assert!(policy.allows(&RoomName::parse("chat:calm").unwrap(), &caller));
    }

    #[test]
    fn an_own_room_ends_with_the_users_id_and_with_no_more_of_it() {
        let user = 0xabcd_ef01;
        let id = Uuid::from_u128(user).to_string();
        for (rest, own) in [
            (id.clone(), true),
            (format!("a:{id}"), true),
            (format!("a{id}"), false),
            (format!("{id}:a"), false),
        ] {
            assert_eq!(allows("own", &format!("inbox:{rest}"), user, &[], false), own, "{rest}");
            assert!(!allows("own", &format!("inbox:{rest}"), 2, &[], false));
        }
        let upper = id.to_uppercase();
        assert!(!allows("own", &format!("inbox:{upper}"), user, &[], false));
    }

    #[test]
    fn what_is_misspelt_is_no_entry() {
        for text in ["", "anybody", "role:", "role:a b", "members", "Anyone", "own "] {
            assert_eq!(Entry::parse(text), None, "{text}");
        }
    }

    fn end_after(seconds: i64) -> crate::time::Timestamp {
        crate::time::Timestamp::default() + chrono::TimeDelta::seconds(seconds)
    }

    fn entry() -> impl Strategy<Value = Entry> {
        prop_oneof![
            Just(Entry::Anyone),
            Just(Entry::Own),
            Just(Entry::Joined),
            Just(Entry::App),
            Just(Entry::Member),
            "[a-c]".prop_map(|name| Entry::Role(RoleName::parse(&name).unwrap())),
        ]
    }

    proptest! {
        /// More entries never take a right away, and their order does not matter.
        #[test]
        fn entries_only_add(
            entries in prop::collection::vec(entry(), 0..6), more in entry(), joined: bool, has in "[a-d]", is_member: bool,
        ) {
            let roles = roles(&[&has]);
            let member = is_member.then_some(None);
            let caller = Caller { user: UserId(Uuid::nil()), roles: &roles, joined, member };
            let room = RoomName::parse("chat:x").unwrap();
            let before = Policy::new(entries.clone()).allows(&room, &caller);
            let mut reversed = entries.clone();
            reversed.reverse();
            prop_assert_eq!(Policy::new(reversed).allows(&room, &caller), before);
            let after = Policy::new([entries, vec![more]].concat()).allows(&room, &caller);
            prop_assert!(after || !before);
        }

        /// A right is there exactly if it is allowed, and ends with the membership only if nothing else grants it.
        #[test]
        fn a_right_ends_with_the_membership_alone(
            entries in prop::collection::vec(entry(), 0..6), joined: bool, has in "[a-d]", member: Option<Option<u16>>,
            verdict in prop::option::of(prop::sample::select(
                vec![RoomVerdict::Yes, RoomVerdict::No, RoomVerdict::AsConfigured],
            )),
        ) {
            let roles = roles(&[&has]);
            let member = member.map(|end| end.map(|after| end_after(after.into())));
            let caller = Caller { user: UserId(Uuid::nil()), roles: &roles, joined, member };
            let room = RoomName::parse("chat:x").unwrap();
            let mut policy = Policy::new(entries);
            if let Some(verdict) = verdict {
                policy = policy.with_rule(RoomAction::Join, &Rule::new(move |_| verdict));
            }
            let otherwise = policy.allows(&room, &Caller { member: None, ..caller });
            let right = policy.right(&room, &caller);
            prop_assert_eq!(right.is_some(), policy.allows(&room, &caller));
            if let Some(Right { until, by_member }) = right {
                prop_assert_eq!(by_member, !otherwise);
                prop_assert_eq!(until, member.flatten().filter(|_| !otherwise));
            }
        }
    }
}
