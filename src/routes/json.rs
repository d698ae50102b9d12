//! Reads JSON bodies, and names the field that is wrong.

use std::fmt;

use actix_web::http::StatusCode;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::value::RawValue;

use crate::error::ApiError;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads an object. A field of `T` may be left out if it is an `Option` or has a default; one that is `null` counts as
/// left out.
///
/// # Errors
/// 400 `bad_json` if it is not a JSON object; 422 about the first field that is missing or has the wrong type.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // Some editors and shells write it; it is not part of the text (RFC 8259 section 8.1).
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let Object(fields) = Object::deserialize(&mut json).map_err(|error| bad_json(&error))?;
    json.end().map_err(|_| refused("Something follows the JSON object."))?;
    T::deserialize(Fields { rest: fields.into_iter(), next: None }).map_err(|error| match error {
        FieldError::Of(field, what) => ApiError::field(&field, format!("The field {field} {what}.")),
        FieldError::Unknown(field) => unknown_field(&field),
        FieldError::Other => not_an_object(),
    })
}

/// A field that a type refuses because it does not know it: identities, for example, are never read from a body.
fn unknown_field(field: &str) -> ApiError {
    let name: String = field.chars().filter(|c| !c.is_control()).take(64).collect();
    let error = ApiError::field(&name, "The body has a field that is not known here.");
    error.with_code("unknown_field")
}

/// Not the library's sentence: it would repeat a value, which may be a password.
fn bad_json(error: &serde_json::Error) -> ApiError {
    if error.is_data() {
        return not_an_object();
    }
    let detail = format!("The body is not JSON (line {}, column {}).", error.line(), error.column());
    ApiError::new(StatusCode::BAD_REQUEST, "bad_json", detail)
}

fn not_an_object() -> ApiError {
    refused("The body is not a JSON object.")
}

fn refused(detail: &'static str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_json", detail)
}

/// The fields as they were sent: a repeated one is there twice. Values stay text until a field is read: one that is
/// unknown may hold anything that is JSON.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// What is wrong with a field.
#[derive(Debug)]
enum FieldError {
    Of(String, &'static str),
    Unknown(String),
    Other,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(field, what) => write!(f, "{field} {what}"),
            Self::Unknown(field) => write!(f, "{field} is not known"),
            Self::Other => f.write_str("not an object"),
        }
    }
}

impl std::error::Error for FieldError {}

impl de::Error for FieldError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Of(field.to_owned(), "is missing")
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::Unknown(field.to_owned())
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::Other
    }
}

/// Hands the fields that are not `null` to the type that is read.
struct Fields<'a> {
    rest: std::vec::IntoIter<(String, &'a RawValue)>,
    next: Option<(String, &'a RawValue)>,
}

impl<'de> Deserializer<'de> for Fields<'de> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, FieldError> {
        self.next = self.rest.find(|(_, value)| value.get() != "null");
        let Some((field, _)) = &self.next else { return Ok(None) };
        seed.deserialize(field.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, FieldError> {
        // `next_key_seed` has set it.
        let (field, value) = self.next.take().ok_or(FieldError::Other)?;
        let mut value = serde_json::Deserializer::from_str(value.get());
        seed.deserialize(&mut value).map_err(|error| {
            if error.is_data() { FieldError::Of(field, "has the wrong type") } else { FieldError::Other }
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Sample {
        password: String,
        #[serde(default)]
        cookie: bool,
        token: Option<String>,
    }

    fn refusal(text: &str) -> String {
        parse::<Sample>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        assert_eq!(refusal("{"), "400 bad_json");
        assert_eq!(refusal(""), "400 bad_json");
        assert_eq!(refusal("{\"password\": \"a\"} x"), "400 bad_json");
        for other in ["\"text\"", "7", "null", "[]", " [\"plural teapot\"]"] {
            assert_eq!(refusal(other), "400 bad_json", "{other}");
        }
        assert_eq!(refusal("{\"password\": 7}"), "422 invalid_password");
        assert_eq!(refusal("{\"password\": {\"a\": 1}}"), "422 invalid_password");
        assert_eq!(refusal("{\"password\": \"a\", \"cookie\": \"yes\"}"), "422 invalid_cookie");
        assert_eq!(refusal("{\"password\": \"a\", \"password\": \"b\"}"), "400 bad_json");
        assert_eq!(refusal("{\"password\": \"\\ud800\"}"), "400 bad_json");
        let error = parse::<Sample>(b"{\"password\": \"a\"} x").unwrap_err();
        assert_eq!(error.detail(), "Something follows the JSON object.");
    }

    #[test]
    fn an_unknown_field_may_hold_anything() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for value in ["1e999", r#""\ud800""#, &deep] {
            let text = format!(r#"{{"password": "a", "other": {value}}}"#);
            assert!(parse::<Sample>(text.as_bytes()).is_ok(), "{}", &text[..40]);
        }
    }

    #[test]
    fn a_field_that_is_null_is_missing() {
        for missing in ["{}", "{\"other\": 1}", "{\"password\": null, \"other\": null}"] {
            assert_eq!(refusal(missing), "422 invalid_password", "{missing}");
        }
        let error = parse::<Sample>(b"{}").unwrap_err();
        assert_eq!(error.detail(), "The field password is missing.");
        let text = b"{\"password\": \"a\", \"cookie\": null, \"token\": null, \"other\": 1}";
        let Sample { password, cookie, token } = parse(text).unwrap();
        assert_eq!((password.as_str(), cookie, token), ("a", false, None));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_never_blames_us(bytes in any::<Vec<u8>>()) {
            if let Err(error) = parse::<Sample>(&bytes) {
                prop_assert!(error.status_code().is_client_error());
            }
        }
    }
}
