//! The kinds of rooms, `rooms.KIND.OPTION`, and the keys of the tokens for them.

use std::time::Duration;

use doorward_core::rooms::presence::{PresenceLevel, PresenceOptions};
use doorward_core::rooms::{Entry, Kind, KindName, Kinds, Pace, Policy};

use super::RoomTokenFile;
use super::error::ConfigError;
use super::keys::ROOMS;
use super::parse_value::{Parse, from_str};
use super::rate::Rate;
use super::tables;
use super::value::Values;

/// Kinds that there may be.
const MOST: usize = 100;

const TOKEN_JWKS: &str = "rooms.token_jwks";
const TOKEN_KEY: &str = "rooms.token_key";

const MIB: u64 = 1024 * 1024;
const MINUTE: Duration = Duration::from_mins(1);

/// Where the public keys for room tokens are; at most one of the two settings names a file.
pub(super) fn token_file(values: &Values) -> Result<Option<RoomTokenFile>, ConfigError> {
    match (values.path(TOKEN_JWKS)?, values.path(TOKEN_KEY)?) {
        (None, None) => Ok(None),
        (Some(set), None) => Ok(Some(RoomTokenFile::Jwks(set))),
        (None, Some(key)) => Ok(Some(RoomTokenFile::Pem(key))),
        (Some(_), Some(_)) => values
            .parse_or_why(TOKEN_KEY, |_| Err(format!("{TOKEN_JWKS} is set as well: remove one of them"))),
    }
}

pub(super) fn kinds(values: &Values) -> Result<Kinds, ConfigError> {
    let names = tables::sections(ROOMS, values);
    let too_many = names.len() > MOST;
    let has_keys = token_file(values)?.is_some();
    let mut kinds = Vec::new();
    for name in names {
        let key = |option: &str| format!("{ROOMS}.{name}.{option}");
        if too_many {
            values.parse_or_why::<()>(&key("join"), |_| Err(format!("there are more than {MOST} kinds")))?;
        }
        // Only names that are valid become keys.
        let Some(kind_name) = KindName::parse(name) else { continue };
        let burst = values.number(&key("burst"), 1..=1_000_000)?;
        let rate = values.parse(&key("rate"), Rate::parse_or_off)?;
        // A session brings a token when it joins, and users' own rooms are not joined.
        let tokens = match (has_keys, name) {
            (_, "user") => Err("clients do not join users' own rooms, so they bring no token".to_owned()),
            (false, _) => Err(format!("`token` needs a key: set {TOKEN_JWKS} or {TOKEN_KEY}")),
            (true, _) => Ok(()),
        };
        let policy = |text: &str, sends| policy(text, sends, &tokens);
        let join = values.parse_or_why(&key("join"), |text| policy(text, false))?;
        let see_presence = values.parse_or_why(&key("see_presence"), |text| match text {
            // Also those that an application has joined, or its rule has let in.
            "join" => Ok(Policy::new(vec![Entry::Joined])),
            text => policy(text, true),
        })?;
        let level = values.parse_or_why(&key("presence"), |text| presence(text, name))?;
        let grace = values.duration(&key("grace"), Duration::ZERO..=5 * MINUTE)?;
        let kind = Kind {
            join,
            send: values.parse_or_why(&key("send"), |text| policy(text, true))?,
            max_joined: values.number(&key("max_joined"), 1..=10_000_000)?,
            max_data: values.size(&key("max_data"), 16..=MIB)?,
            pace: rate.map(|rate: Rate| Pace::new(rate.count.get(), rate.per, burst)),
            lossy: values.parse(&key("lossy"), from_str)?,
            presence: PresenceOptions { level, grace },
            see_presence,
        };
        kinds.push((kind_name, kind));
    }
    Ok(Kinds::new(kinds))
}

/// What is told of who is there. Clients join no rooms of users, and see nothing of them.
fn presence(text: &str, kind: &str) -> Result<PresenceLevel, String> {
    match text.parse() {
        Ok(PresenceLevel::Off) => Ok(PresenceLevel::Off),
        Ok(_) if kind == "user" => Err("clients do not join users' own rooms".to_owned()),
        Ok(level) => Ok(level),
        Err(()) => Err(String::new()),
    }
}

/// `sends` is whether it says who may send, and `tokens` why there are no tokens, if so.
fn policy(text: &str, sends: bool, tokens: &Result<(), String>) -> Result<Policy, String> {
    let entries = text.split(',').map(|entry| {
        let entry = entry.trim();
        match Entry::parse(entry) {
            Some(Entry::Joined) if !sends => Err("`joined` cannot be in `join`".to_owned()),
            Some(Entry::Token) => tokens.clone().map(|()| Entry::Token),
            Some(read) => Ok(read),
            None if matches!(entry, "guest" | "ask") => {
                Err(format!("this version does not know {entry} yet"))
            }
            None => Err(String::new()),
        }
    });
    entries.collect::<Result<_, _>>().map(Policy::new)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doorward_core::rooms::presence::{PresenceLevel, PresenceOptions};
    use doorward_core::rooms::{Entry, Policy, RoomName};

    use super::super::{Config, RoomTokenFile};

    #[test]
    fn a_kind_is_there_as_soon_as_one_of_its_options_is_set() {
        let none = Config::from_pairs::<String, String>([]).unwrap();
        assert!(none.rooms.is_empty());
        let config = Config::from_pairs([
            ("rooms.chat.join", "role:staff, anyone"),
            ("rooms.chat.rate", "off"),
            ("rooms.order-2.max_data", "1KiB"),
            ("rooms.chat.presence", "users"),
            ("rooms.chat.grace", "0s"),
            ("rooms.order-2.see_presence", "role:staff"),
        ])
        .unwrap();
        let kind = |room: &str| config.rooms.of(&RoomName::parse(room).unwrap());
        let chat = kind("chat:a").unwrap();
        let staff = Entry::parse("role:staff").unwrap();
        assert_eq!(chat.join, Policy::new(vec![staff, Entry::Anyone]));
        assert!(chat.pace.is_none() && !chat.lossy);
        assert_eq!((chat.max_data, chat.max_joined), (16 * 1024, 100_000));
        let order = kind("order-2:7").unwrap();
        assert_eq!((&order.join, order.pace.is_some()), (&Policy::new(vec![Entry::App]), true));
        assert_eq!(order.max_data, 1024);
        let presence = |level, seconds| PresenceOptions { level, grace: Duration::from_secs(seconds) };
        assert_eq!(chat.presence, presence(PresenceLevel::Users, 0));
        assert_eq!(chat.see_presence, Policy::new(vec![Entry::Joined]));
        assert_eq!(order.presence, presence(PresenceLevel::Off, 5));
        assert_eq!(order.see_presence, Policy::new(vec![Entry::parse("role:staff").unwrap()]));
        assert!(kind("other:a").is_none());
    }

    #[test]
    fn one_file_has_the_keys_of_tokens() {
        let load = |pairs: &[(&str, &str)]| Config::from_pairs(pairs.iter().copied());
        let (set, key) = (("rooms.token_jwks", "/keys.json"), ("rooms.token_key", "/key.pem"));
        let join = ("rooms.order.join", "token, role:staff");
        assert_eq!(load(&[]).unwrap().room_tokens, None);
        let config = load(&[set, join]).unwrap();
        assert_eq!(config.room_tokens, Some(RoomTokenFile::Jwks("/keys.json".into())));
        let kind = config.rooms.of(&RoomName::parse("order:7").unwrap()).unwrap();
        assert!(kind.takes_tokens() && kind.join.takes_tokens());
        // It is no section: a kind may have this name.
        assert!(load(&[set]).unwrap().rooms.is_empty());
        assert_eq!(load(&[key, join]).unwrap().room_tokens, Some(RoomTokenFile::Pem("/key.pem".into())));
        let error = load(&[set, key]).unwrap_err().to_string();
        assert!(
            error.contains("rooms.token_key") && error.contains("rooms.token_jwks is set as well"),
            "{error}"
        );
    }

    #[test]
    fn what_is_wrong_names_its_key() {
        for (key, value, words) in [
            ("rooms.chat.join", "anybody", "rooms.chat.join cannot be anybody"),
            ("rooms.chat.join", "joined", "cannot be in `join`"),
            ("rooms.chat.send", "ask", "does not know ask yet"),
            ("rooms.chat.join", "anyone,token", "set rooms.token_jwks or rooms.token_key"),
            ("rooms.chat.send", "token", "set rooms.token_jwks or rooms.token_key"),
            ("rooms.chat.see_presence", "token", "set rooms.token_jwks or rooms.token_key"),
            ("rooms.user.send", "token", "do not join users' own rooms"),
            ("rooms.token_keys", "x", "did you mean rooms.token_key"),
            ("rooms.chat.rate", "10", "a count from 1"),
            ("rooms.chat.max_data", "2MiB", "to 1MiB"),
            ("rooms.chat.burst", "0", "from 1"),
            ("rooms.chat.presence", "on", "off, count, users or sessions"),
            ("rooms.user.presence", "count", "do not join users' own rooms"),
            ("rooms.chat.grace", "1h", "0s to 5m"),
            ("rooms.chat.see_presence", "app,all", "join, or who may"),
            ("rooms.chat.wrong", "x", "unknown key rooms.chat.wrong"),
            ("rooms.Chat.join", "anyone", "unknown key rooms.Chat.join"),
            ("rooms.chat", "x", "unknown key rooms.chat"),
            ("rooms.chat.join.more", "x", "unknown key"),
        ] {
            let error = Config::from_pairs([(key, value)]).unwrap_err().to_string();
            assert!(error.contains(words), "{key}: {error}");
        }
    }
}
