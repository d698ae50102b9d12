//! Socket.IO, revision 5 (<https://socket.io/docs/v4/socket-io-protocol/>): packets as the default parser writes
//! them, `TYPE[ATTACHMENTS-][NAMESPACE,][ACK][JSON]`.

mod namespaces;

use std::io::Write;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::json::{self, decode_id, decode_str};
use super::{ClientMessage, NamespaceId, ReplyTo, Request, ServerMessage};

pub use self::namespaces::{Known, Namespaces, Refused, Route};

/// Attachments of one packet, as the reference parser has it.
pub const MAX_ATTACHMENTS: usize = 10;

/// The largest number that JavaScript counts to without a gap.
const MAX_ACK: u64 = (1 << 53) - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

/// One packet; its attachments follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    pub kind: Kind,
    pub attachments: usize,
    /// `/` where it names none.
    pub namespace: &'a str,
    pub ack: Option<u64>,
    /// JSON that was not looked at, or nothing.
    pub data: &'a str,
}

/// Not a packet that a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl<'a> Packet<'a> {
    /// Reads one packet, without its JSON.
    ///
    /// # Errors
    /// [`Malformed`], also if it announces more than [`MAX_ATTACHMENTS`].
    pub fn decode(text: &'a str) -> Result<Self, Malformed> {
        let (kind, binary) = match text.as_bytes().first() {
            Some(b'0') => (Kind::Connect, false),
            Some(b'1') => (Kind::Disconnect, false),
            Some(b'2') => (Kind::Event, false),
            Some(b'3') => (Kind::Ack, false),
            Some(b'4') => (Kind::ConnectError, false),
            Some(b'5') => (Kind::Event, true),
            Some(b'6') => (Kind::Ack, true),
            _ => return Err(Malformed),
        };
        let mut rest = &text[1..];
        let mut attachments = 0;
        if binary {
            let (number, after) = digits(rest)?;
            rest = after.strip_prefix('-').ok_or(Malformed)?;
            attachments = number.and_then(|number| usize::try_from(number).ok()).ok_or(Malformed)?;
            if attachments > MAX_ATTACHMENTS {
                return Err(Malformed);
            }
        }
        let mut namespace = "/";
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        }
        let (ack, data) = digits(rest)?;
        Ok(Self { kind, attachments, namespace, ack, data })
    }

    /// What the packet says to the session. `namespace` is the packet's own, looked up.
    ///
    /// # Errors
    /// [`Malformed`]: the JSON is none, or not what a packet of this kind has. A CONNECT or an event that the
    /// session can answer with an error is none of these.
    pub fn message(&self, namespace: NamespaceId, open: bool) -> Result<ClientMessage<'a>, Malformed> {
        match self.kind {
            Kind::Connect => connect(self.data, namespace, open),
            Kind::Event => event(self.data, ReplyTo { id: None, namespace, ack: self.ack }),
            Kind::Disconnect if self.data.is_empty() => {
                Ok(ClientMessage { to: ReplyTo::namespace(namespace), request: Request::Leave })
            }
            // Nothing of ours asks for an acknowledgement.
            Kind::Ack if self.ack.is_some() && self.data.starts_with('[') => {
                let _: Vec<IgnoredAny> = serde_json::from_str(self.data).map_err(|_| Malformed)?;
                Ok(nothing(namespace))
            }
            Kind::Ack | Kind::Disconnect | Kind::ConnectError => Err(Malformed),
        }
    }
}

fn nothing(namespace: NamespaceId) -> ClientMessage<'static> {
    ClientMessage { to: ReplyTo::namespace(namespace), request: Request::Nothing }
}

/// Leading digits as a number, if there are any.
fn digits(text: &str) -> Result<(Option<u64>, &str), Malformed> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let number = digits.parse().ok().filter(|number| *number <= MAX_ACK).ok_or(Malformed)?;
    Ok((Some(number), rest))
}

#[derive(Deserialize)]
struct Auth<'a> {
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
}

fn connect(data: &str, namespace: NamespaceId, open: bool) -> Result<ClientMessage<'_>, Malformed> {
    let arguments = if data.is_empty() { "{}" } else { data };
    if !arguments.starts_with('{') {
        return Err(Malformed);
    }
    let auth: Auth<'_> = serde_json::from_str(arguments).map_err(|_| Malformed)?;
    // A token of another type is a bad one.
    let token = auth.token.map(|raw| decode_str(raw).unwrap_or_default());
    Ok(ClientMessage { to: ReplyTo::namespace(namespace), request: Request::Join { open, token, arguments } })
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
}

fn event(data: &str, mut to: ReplyTo) -> Result<ClientMessage<'_>, Malformed> {
    if !data.starts_with('[') {
        return Err(Malformed);
    }
    let Event { name, first } = serde_json::from_str(data).map_err(|_| Malformed)?;
    let fields: Fields<'_> = match first.map(RawValue::get) {
        Some(object) if object.starts_with('{') => serde_json::from_str(object).map_err(|_| Malformed)?,
        _ => Fields { id: None, token: None },
    };
    match fields.id.map(decode_id) {
        None => {}
        Some(Ok(id)) => to.id = id,
        Some(Err(invalid)) => return Ok(ClientMessage { to, request: invalid }),
    }
    let request = match decode_str(name) {
        // The reference parser takes numbers as well; ours have names.
        None if name.get().parse::<f64>().is_err() => return Err(Malformed),
        None => Request::Invalid { code: "missing_type", detail: "an event's name must be a string" },
        Some(event) => {
            Request::named(event, || fields.token.and_then(decode_str), || after(data, name.get()))
        }
    };
    Ok(ClientMessage { to, request })
}

/// What follows the name in the list, without commas at its ends: `first` is a part of `list`.
fn after<'a>(list: &'a str, first: &str) -> &'a str {
    let end = (first.as_ptr() as usize).saturating_sub(list.as_ptr() as usize) + first.len();
    let rest = list.get(end..).unwrap_or_default().trim_end();
    let rest = rest.strip_suffix(']').unwrap_or(rest).trim_start();
    rest.strip_prefix(',').unwrap_or(rest)
}

/// The name and the first argument of an event; the rest is only checked.
struct Event<'a> {
    name: &'a RawValue,
    first: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Event<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Event<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a list that begins with a name")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Event<'de>, A::Error> {
                let name = list.next_element()?.ok_or_else(|| serde::de::Error::invalid_length(0, &self))?;
                let first = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Event { name, first })
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// Writes the beginning of a message packet, up to its JSON; as the text of an Engine.IO packet.
pub fn write_head(out: &mut Vec<u8>, kind: Kind, attachments: usize, namespace: &str, ack: Option<u64>) {
    let digit = match (kind, attachments) {
        (Kind::Connect, _) => b'0',
        (Kind::Disconnect, _) => b'1',
        (Kind::Event, 0) => b'2',
        (Kind::Ack, 0) => b'3',
        (Kind::ConnectError, _) => b'4',
        (Kind::Event, _) => b'5',
        (Kind::Ack, _) => b'6',
    };
    out.extend_from_slice(&[b'4', digit]);
    // A Vec takes everything.
    if attachments > 0 {
        let _ = write!(out, "{attachments}-");
    }
    if namespace != "/" {
        let _ = write!(out, "{namespace},");
    }
    if let Some(ack) = ack {
        let _ = write!(out, "{ack}");
    }
}

/// A value of ours as JSON.
pub fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    json::write(value, out);
}

/// A message as its name and its other members, or as those alone.
pub fn write_fields(out: &mut Vec<u8>, message: &ServerMessage, name: bool) {
    // Every message is an object whose first member is its `type`, a word without escapes.
    const TYPE: &[u8] = br#"{"type":"#;
    let start = out.len();
    json::write(message, out);
    debug_assert!(out[start..].starts_with(TYPE));
    let word = start + TYPE.len();
    let quote = out.iter().skip(word + 1).position(|byte| *byte == b'"').map_or(word, |at| word + 1 + at);
    let after = quote + 1;
    if out.get(after) == Some(&b',') {
        out.insert(after + 1, b'{');
    } else {
        out.splice(after..after, *b",{");
    }
    // Now `{"type":"NAME",{...}`: what is not wanted goes.
    let unwanted = if name { start..word } else { start..after + 1 };
    out.drain(unwanted);
}

#[cfg(test)]
mod tests;
