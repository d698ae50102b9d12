//! What an event brings and what an answer takes: JSON values, and bytes beside them.

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde::de::{DeserializeOwned, Error};
use serde_json::Value;

/// The payload is not what the handler reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload is not understood: {0}")]
pub struct BadPayload(String);

/// Arguments of an event. They are kept as received, and parsed when a handler asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// JSON values with commas between them.
    arguments: ByteString,
    attachments: Vec<Bytes>,
}

impl Payload {
    /// No argument at all.
    #[must_use]
    pub const fn empty() -> Self {
        Self { arguments: ByteString::from_static(""), attachments: Vec::new() }
    }

    /// One argument.
    ///
    /// # Errors
    /// If the value cannot be JSON, such as a map whose keys are no strings.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Self, BadPayload> {
        let text = serde_json::to_string(value).map_err(|error| BadPayload(error.to_string()))?;
        Ok(Self { arguments: text.into(), attachments: Vec::new() })
    }

    /// A list or tuple as several arguments.
    ///
    /// # Errors
    /// As [`Payload::new`], or if the value is no list.
    pub fn list<T: Serialize + ?Sized>(values: &T) -> Result<Self, BadPayload> {
        let text = serde_json::to_string(values).map_err(|error| BadPayload(error.to_string()))?;
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let inner = inner.ok_or_else(|| BadPayload("it is no list".to_owned()))?;
        Ok(Self { arguments: inner.into(), attachments: Vec::new() })
    }

    /// Bytes that travel beside the arguments. Each is named in those by
    /// `{"_placeholder": true, "num": INDEX}`, as Socket.IO has it.
    #[must_use]
    pub fn with_attachments(self, attachments: Vec<Bytes>) -> Self {
        Self { attachments, ..self }
    }

    /// As a dialect has read it: `arguments`, JSON values with commas between them, usually are a part of
    /// `message`, which is not copied then.
    pub fn from_parts(message: &ByteString, arguments: &str, attachments: Vec<Bytes>) -> Self {
        let (all, part) = (message.as_bytes().as_ptr_range(), arguments.as_bytes().as_ptr_range());
        let inside = all.start <= part.start && part.end <= all.end;
        let arguments = if inside { message.slice_ref(arguments) } else { arguments.into() };
        Self { arguments, attachments }
    }

    /// The first argument; what is missing is read as `null`.
    pub fn first<T: DeserializeOwned>(&self) -> Result<T, BadPayload> {
        let text = if self.arguments.trim().is_empty() { "null" } else { &*self.arguments };
        // What follows belongs to the other arguments.
        let mut json = serde_json::Deserializer::from_str(text);
        T::deserialize(&mut json).map_err(|error| BadPayload(error.to_string()))
    }

    /// All arguments, as a tuple or a list.
    ///
    /// # Errors
    /// If they are no `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, BadPayload> {
        serde_json::from_str(&format!("[{}]", self.arguments)).map_err(|error| BadPayload(error.to_string()))
    }

    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// JSON values with commas between them.
    #[must_use]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// For a dialect of text alone: each placeholder becomes the base64 of its bytes.
    pub(crate) fn inlined(&self) -> Result<ByteString, serde_json::Error> {
        if self.attachments.is_empty() {
            return Ok(self.arguments.clone());
        }
        let mut values: Vec<Value> = serde_json::from_str(&format!("[{}]", self.arguments))?;
        for value in &mut values {
            self.inline(value);
        }
        let text = serde_json::to_string(&values)?;
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        inner.map(Into::into).ok_or_else(|| Error::custom("a list is a list"))
    }

    /// As deep as `serde_json` reads, which is bounded.
    fn inline(&self, value: &mut Value) {
        use base64::Engine;
        use base64::prelude::BASE64_STANDARD;

        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.inline(value)),
            Value::Object(map) if map.get("_placeholder") == Some(&Value::Bool(true)) => {
                let number = map.get("num").and_then(Value::as_u64).and_then(|num| usize::try_from(num).ok());
                let bytes = number.and_then(|number| self.attachments.get(number));
                *value = bytes.map_or(Value::Null, |bytes| BASE64_STANDARD.encode(bytes).into());
            }
            Value::Object(map) => map.values_mut().for_each(|value| self.inline(value)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_read_one_or_all() {
        let payload = Payload::list(&(1, "2", json!({"3": [true]}))).unwrap();
        assert_eq!(payload.arguments(), r#"1,"2",{"3":[true]}"#);
        assert_eq!(payload.first::<u8>(), Ok(1));
        assert_eq!(payload.read::<(u8, String, Value)>(), Ok((1, "2".to_owned(), json!({"3": [true]}))));
        assert!(payload.first::<String>().is_err());
        assert_eq!(Payload::empty().first::<Option<u8>>(), Ok(None));
        assert_eq!(Payload::empty().read::<Vec<u8>>(), Ok(vec![]));
        assert!(Payload::list(&5).is_err());
    }

    #[test]
    fn where_there_is_only_text_bytes_are_base64() {
        let payload =
            Payload::list(&json!([{"a": {"_placeholder": true, "num": 1}}, {"_placeholder": true}]))
                .unwrap()
                .with_attachments(vec![Bytes::new(), Bytes::from_static(&[1, 2, 3])]);
        assert_eq!(payload.inlined().unwrap(), r#"{"a":"AQID"},null"#);
    }
}
