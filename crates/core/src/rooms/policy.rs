//! Who may: ordered entries, each of which says yes or nothing. Without a yes the answer is no.

use super::RoomName;
use super::rule::{RoomAction, RoomQuestion, Rule};
use super::standing::End;
use crate::domain::{RoleName, Roles, UserId};
use crate::time::Timestamp;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub user: UserId,
    pub roles: &'a Roles,
    /// This session has joined the room.
    pub joined: bool,
    /// The user is a member of the room, up to then.
    pub member: Option<End>,
    /// A room token of this session allows what is asked, up to then.
    pub token: Option<Timestamp>,
}

/// What a policy grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    pub until: End,
    /// Because the user is a member, and by nothing that has no end.
    pub by_member: bool,
    /// The same by a room token. It may be both.
    pub by_token: bool,
}

impl Right {
    /// One that neither a membership nor a token grants.
    const WITHOUT_END: Self = Self { until: None, by_member: false, by_token: false };
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
    /// Sessions that have brought a room token for it.
    Token,
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
            "token" => Self::Token,
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
            Self::Token => caller.token.is_some(),
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

    /// The same, with how long it lasts: a membership or a token ends by itself, and counts only if nothing else says yes.
    #[must_use]
    pub fn right(&self, room: &RoomName, caller: &Caller<'_>) -> Option<Right> {
        if let Some(said) = self.rule_says(room, caller) {
            return said.then_some(Right::WITHOUT_END);
        }
        let mut right = None;
        for entry in self.0.iter().filter(|entry| entry.allows(room, caller)) {
            let one = match entry {
                Entry::Member => {
                    Right { until: caller.member.flatten(), by_member: true, ..Right::WITHOUT_END }
                }
                Entry::Token => Right { until: caller.token, by_token: true, ..Right::WITHOUT_END },
                _ => return Some(Right::WITHOUT_END),
            };
            right = Some(right.map_or(one, |other: Right| Right {
                // The later one; none has no end.
                until: other.until.zip(one.until).map(|(other, one)| other.max(one)),
                by_member: other.by_member || one.by_member,
                by_token: other.by_token || one.by_token,
            }));
        }
        right
    }

    /// Whether it depends on who is a member.
    #[must_use]
    pub fn asks_for_members(&self) -> bool {
        self.0.contains(&Entry::Member)
    }

    /// Whether a room token can allow it.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        self.0.contains(&Entry::Token)
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
        let caller =
            Caller { user: UserId(Uuid::from_u128(user)), roles: &roles, joined, member: None, token: None };
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
        let caller =
            Caller { user: UserId(Uuid::nil()), roles: &roles, joined: true, member: None, token: None };
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

    fn end_after(seconds: i64) -> Timestamp {
        Timestamp::default() + chrono::TimeDelta::seconds(seconds)
    }

    fn entry() -> impl Strategy<Value = Entry> {
        prop_oneof![
            Just(Entry::Anyone),
            Just(Entry::Own),
            Just(Entry::Joined),
            Just(Entry::App),
            Just(Entry::Member),
            Just(Entry::Token),
            "[a-c]".prop_map(|name| Entry::Role(RoleName::parse(&name).unwrap())),
        ]
    }

    proptest! {
        /// More entries never take a right away, and their order does not matter.
        #[test]
        fn entries_only_add(
            entries in prop::collection::vec(entry(), 0..6), more in entry(), joined: bool, has in "[a-d]", is_member: bool,
            token: Option<u16>,
        ) {
            let roles = roles(&[&has]);
            let (member, token) = (is_member.then_some(None), token.map(|after| end_after(after.into())));
            let caller = Caller { user: UserId(Uuid::nil()), roles: &roles, joined, member, token };
            let room = RoomName::parse("chat:x").unwrap();
            let before = Policy::new(entries.clone()).allows(&room, &caller);
            let mut reversed = entries.clone();
            reversed.reverse();
            prop_assert_eq!(Policy::new(reversed).allows(&room, &caller), before);
            let after = Policy::new([entries, vec![more]].concat()).allows(&room, &caller);
            prop_assert!(after || !before);
        }

        /// A right is there exactly if it is allowed. It ends with the membership and the token, whichever is later, if
        /// nothing else grants it.
        #[test]
        fn a_right_ends_with_the_membership_and_the_token_alone(
            entries in prop::collection::vec(entry(), 0..6), joined: bool, has in "[a-d]", member: Option<Option<u16>>,
            token: Option<u16>,
            verdict in prop::option::of(prop::sample::select(
                vec![RoomVerdict::Yes, RoomVerdict::No, RoomVerdict::AsConfigured],
            )),
        ) {
            let roles = roles(&[&has]);
            let member = member.map(|end| end.map(|after| end_after(after.into())));
            let token = token.map(|after| end_after(after.into()));
            let caller = Caller { user: UserId(Uuid::nil()), roles: &roles, joined, member, token };
            let room = RoomName::parse("chat:x").unwrap();
            let mut policy = Policy::new(entries);
            if let Some(verdict) = verdict {
                policy = policy.with_rule(RoomAction::Join, &Rule::new(move |_| verdict));
            }
            let otherwise = policy.allows(&room, &Caller { member: None, token: None, ..caller });
            let by_member = !otherwise && policy.allows(&room, &Caller { token: None, ..caller });
            let by_token = !otherwise && policy.allows(&room, &Caller { member: None, ..caller });
            let right = policy.right(&room, &caller);
            prop_assert_eq!(right.is_some(), policy.allows(&room, &caller));
            if let Some(right) = right {
                prop_assert_eq!((right.by_member, right.by_token), (by_member, by_token));
                // At its end, and not before, what grants it has ended.
                let at = |now| {
                    let member = member.filter(|end| end.is_none_or(|end| now < end));
                    policy.allows(&room, &Caller { member, token: token.filter(|end| now < *end), ..caller })
                };
                match right.until {
                    Some(until) => prop_assert!(!at(until) && at(until - chrono::TimeDelta::seconds(1))),
                    None => prop_assert!(at(end_after(100_000))),
                }
            }
        }
    }
}
