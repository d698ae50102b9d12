//! Events and their arguments as the texts of packets.

use doorward_core::protocol::socketio::{Kind, write_head, write_json};
use doorward_core::protocol::{Payload, RequestId};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The text of an event's packet, which its attachments follow.
pub(super) fn write_event(
    out: &mut Vec<u8>,
    namespace: &str,
    name: &str,
    id: Option<&RequestId>,
    payload: &Payload,
) {
    write_head(out, Kind::Event, payload.attachments().len(), namespace, None);
    out.push(b'[');
    write_json(out, name);
    write_arguments(out, true, id, payload.arguments());
    out.push(b']');
}

/// Arguments that are an object get the request's `id` as a member, as every reply has it, unless they have one.
pub(super) fn write_arguments(out: &mut Vec<u8>, more: bool, id: Option<&RequestId>, arguments: &str) {
    #[derive(Deserialize)]
    struct Own {
        id: Option<IgnoredAny>,
    }

    let members = arguments.strip_prefix('{').map(str::trim_start);
    let id = id.filter(|_| match members {
        None => arguments.is_empty(),
        // What follows the first argument may be there or not.
        Some(_) => Own::deserialize(&mut serde_json::Deserializer::from_str(arguments))
            .is_ok_and(|own| own.id.is_none()),
    });
    if more && (id.is_some() || !arguments.is_empty()) {
        out.push(b',');
    }
    let Some(id) = id else {
        out.extend_from_slice(arguments.as_bytes());
        return;
    };
    out.extend_from_slice(br#"{"id":"#);
    write_json(out, id);
    match members {
        None | Some("") => out.push(b'}'),
        Some(members) => {
            if !members.starts_with('}') {
                out.push(b',');
            }
            out.extend_from_slice(members.as_bytes());
        }
    }
}
