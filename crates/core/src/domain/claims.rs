//! Claims: what an application wants its access tokens to say about a user, beyond roles.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::Invalid;

/// How deep objects and arrays may be nested, the claims themselves included.
const MAX_DEPTH: usize = 8;

/// Members that are not the application's: registered for tokens (RFC 7519 section 4.1, RFC 8693, RFC 9068, RFC 7800,
/// RFC 9396, `OpenID` Connect Core section 5.1), and those that this server's tokens have besides.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "acr", "act", "address", "amr", "at_hash", "aud", "auth_time", "authorization_details", "azp", "birthdate",
    "c_hash", "claims", "claims_version", "client_id", "cnf", "email", "email_verified", "entitlements", "events",
    "exp", "family_name", "gender", "given_name", "groups", "iat", "iss", "jti", "locale", "may_act", "middle_name",
    "name", "nbf", "nickname", "nonce", "phone_number", "phone_number_verified", "picture", "preferred_username",
    "profile", "roles", "scope", "sid", "sub", "sub_jwk", "token_introspection", "txn", "updated_at", "username",
    "website", "zoneinfo",
];

/// A JSON object of the application's own, of at most [`Claims::MAX_BYTES`] when it is serialized.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Bytes of the shortest JSON text.
    pub const MAX_BYTES: usize = 1024;

    /// Reads a JSON object.
    ///
    /// # Errors
    /// [`Invalid`] about `claims`: it is not a JSON object, names a member twice, is nested deeper than 8 levels, has
    /// more than 1 KiB, or has a member that is reserved.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::check(read(text)?)
    }

    /// The claims after a merge patch (RFC 7396): its members replace those of the same name, `null` removes one, and
    /// objects are merged.
    ///
    /// # Errors
    /// As [`Claims::parse`], about the result.
    pub fn merge(&self, patch: &ClaimsPatch) -> Result<Self, Invalid> {
        let mut merged = self.0.clone();
        merge(&mut merged, &patch.0);
        Self::check(merged)
    }

    fn check(object: Map<String, Value>) -> Result<Self, Invalid> {
        if let Some(name) = object.keys().find(|name| RESERVED.binary_search(&name.as_str()).is_ok()) {
            let detail =
                format!("The claim {name} is reserved: it has a meaning of its own in access tokens.");
            return Err(Invalid::new("claims", detail));
        }
        let claims = Self(object);
        let size = serde_json::to_string(&claims).map_or(usize::MAX, |text| text.len());
        if size > Self::MAX_BYTES {
            let detail = format!("Claims can have at most {} bytes; these have {size}.", Self::MAX_BYTES);
            return Err(Invalid::new("claims", detail));
        }
        Ok(claims)
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    #[must_use]
    pub const fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The shortest JSON text.
impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// The claims of a token or a message.
impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = object(Strict(MAX_DEPTH).deserialize(deserializer)?).map_err(D::Error::custom)?;
        Self::check(object).map_err(D::Error::custom)
    }
}

/// A merge patch for claims (RFC 7396).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimsPatch(Map<String, Value>);

impl ClaimsPatch {
    /// # Errors
    /// [`Invalid`] about `claims`: it is not a JSON object, names a member twice, or is nested deeper than 8 levels.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        read(text).map(Self)
    }
}

/// A change of a user's claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimsChange {
    Replace(Claims),
    Merge(ClaimsPatch),
}

impl ClaimsChange {
    /// The claims after the change.
    ///
    /// # Errors
    /// As [`Claims::merge`].
    pub fn apply(&self, claims: &Claims) -> Result<Claims, Invalid> {
        match self {
            Self::Replace(claims) => Ok(claims.clone()),
            Self::Merge(patch) => claims.merge(patch),
        }
    }
}

fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(patch) => {
                let target = target.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
                if !target.is_object() {
                    *target = Value::Object(Map::new());
                }
                if let Value::Object(target) = target {
                    merge(target, patch);
                }
            }
            value => {
                target.insert(name.clone(), value.clone());
            }
        }
    }
}

fn read(text: &str) -> Result<Map<String, Value>, Invalid> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Strict(MAX_DEPTH).deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    let refused = |detail: String| Invalid::new("claims", detail);
    match value {
        Ok(value) => object(value).map_err(|detail| refused(detail.to_owned())),
        // Ours, which names the member; the library appends where it is.
        Err(error) if error.is_data() => {
            let text = error.to_string();
            let sentence = text.split_once(" at line ").map_or(text.as_str(), |(sentence, _)| sentence);
            Err(refused(sentence.to_owned()))
        }
        Err(error) => Err(refused(format!(
            "Claims must be a JSON object; this is not JSON (line {}, column {}).",
            error.line(),
            error.column()
        ))),
    }
}

fn object(value: Value) -> Result<Map<String, Value>, &'static str> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err("Claims must be a JSON object."),
    }
}

/// Reads a value that has so many levels at most and names no member of an object twice.
#[derive(Clone, Copy)]
struct Strict(usize);

impl Strict {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.0 {
            0 => Err(E::custom(format!("Claims can be nested {MAX_DEPTH} levels deep."))),
            left => Ok(Self(left - 1)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if object.contains_key(&name) {
                let name: String = name.chars().take(64).flat_map(char::escape_default).collect();
                return Err(A::Error::custom(format!("The member {name} is there twice.")));
            }
            object.insert(name, map.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refusal(text: &str) -> String {
        let invalid = Claims::parse(text).unwrap_err();
        assert_eq!(invalid.field, "claims");
        invalid.detail
    }

    #[test]
    fn an_object_of_the_applications_own_is_accepted() {
        let claims =
            Claims::parse(r#" {"plan": "gold", "limits": {"seats": [1, 2.5, null, true]}} "#).unwrap();
        assert_eq!(claims.get("plan"), Some(&json!("gold")));
        assert_eq!(claims.to_string(), r#"{"limits":{"seats":[1,2.5,null,true]},"plan":"gold"}"#);
        assert!(Claims::parse("{}").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_object_is_refused_with_a_reason() {
        for other in ["[]", "7", "null", "\"text\"", "true"] {
            assert_eq!(refusal(other), "Claims must be a JSON object.");
        }
        for broken in ["", "{", "{\"a\":}", "{} {}", "{\"a\":1e999}", "{\"a\":\"\\ud800\"}"] {
            assert!(refusal(broken).contains("not JSON"), "{broken}: {}", refusal(broken));
        }
    }

    #[test]
    fn a_reserved_name_is_refused_at_the_top_and_allowed_below() {
        assert!(RESERVED.is_sorted(), "it is searched");
        for name in RESERVED {
            let text = json!({"plan": 1, *name: 1}).to_string();
            assert!(refusal(&text).contains(&format!("The claim {name} is reserved")), "{name}");
            assert!(Claims::parse(&json!({"mine": {*name: 1}}).to_string()).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused_wherever_it_is() {
        assert_eq!(refusal(r#"{"a":1,"a":2}"#), "The member a is there twice.");
        assert_eq!(refusal(r#"{"a":[{"b":{"c":1,"c":1}}]}"#), "The member c is there twice.");
        assert_eq!(refusal(r#"{"a":1,"\u0061":2}"#), "The member a is there twice.");
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let of_size = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        assert!(Claims::parse(&of_size(Claims::MAX_BYTES)).is_ok());
        assert!(refusal(&of_size(Claims::MAX_BYTES + 1)).contains("these have 1025"));
        let spaces = format!("{{{}}}", " ".repeat(5000));
        assert!(Claims::parse(&spaces).is_ok(), "white space does not count");
        let nested = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(Claims::parse(&nested(MAX_DEPTH - 1)).is_ok());
        assert!(refusal(&nested(MAX_DEPTH)).contains("8 levels"));
        assert!(refusal(&nested(100)).contains("8 levels"));
        assert!(Claims::parse(&nested(100_000)).is_err());
    }

    /// The examples of RFC 7396, appendix A, that are about objects.
    #[test]
    fn a_merge_patch_does_what_its_rfc_says() {
        for (before, patch, after) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let merged = Claims::parse(before).unwrap().merge(&ClaimsPatch::parse(patch).unwrap()).unwrap();
            assert_eq!(merged, Claims::parse(after).unwrap(), "{before} {patch}");
        }
        let full = Claims::parse(&json!({"a": "x".repeat(900)}).to_string()).unwrap();
        let more = ClaimsPatch::parse(&json!({"b": "x".repeat(200)}).to_string()).unwrap();
        assert!(full.merge(&more).is_err(), "the bound holds for the result");
        assert!(full.merge(&ClaimsPatch::parse(r#"{"sub":"x"}"#).unwrap()).is_err());
        assert!(full.merge(&ClaimsPatch::parse(r#"{"sub":null}"#).unwrap()).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_accepted_is_read_back(text in r#"[{}\[\]":,a-c0-9\\u \-.e]{0,60}|.{0,40}"#) {
            if let Ok(claims) = Claims::parse(&text) {
                prop_assert_eq!(Claims::parse(&claims.to_string()), Ok(claims.clone()));
                prop_assert!(claims.to_string().len() <= Claims::MAX_BYTES);
            }
            let _ = ClaimsPatch::parse(&text);
        }
    }
}
