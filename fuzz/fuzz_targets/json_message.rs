//! A message over WebSocket or TCP. What is handed to a handler must be JSON values with commas between them.
#![no_main]

use doorward_core::protocol::{NamespaceId, Request, json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(message) = json::decode(text, |name| (name == "/x").then_some(NamespaceId(1))) else { return };
    if let Request::Event { arguments, .. } = message.request {
        let list = format!("[{arguments}]");
        assert!(serde_json::from_str::<Vec<serde::de::IgnoredAny>>(&list).is_ok(), "{list}");
    }
});
