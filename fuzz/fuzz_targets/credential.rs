//! A refresh token or cookie. One that is read back as ours must be the very text that was issued.
#![no_main]

use doorward::internals::auth::{CredentialKeys, CredentialKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let key = "A".repeat(43) + "=";
    let keys = CredentialKeys::from_stored(&key, &key).expect("32 bytes of zero");
    for kind in [CredentialKind::Refresh, CredentialKind::Browser] {
        if let Some(read) = keys.read(kind, text) {
            let exposed = read.credential.expose();
            let same =
                if read.is_tagged { exposed.eq_ignore_ascii_case(text) } else { exposed.len() > text.len() };
            // An id may be written without hyphens or in braces.
            assert!(same || exposed.len() != text.len(), "{text}");
            // What a client gets for it is read as the same, and as nothing else.
            let again = keys.read(kind, &exposed).expect("what is issued is read");
            assert!(again.is_tagged && again.credential == read.credential, "{text}");
            let next = keys.next(&read.credential).expose();
            assert!(next != exposed && keys.read(kind, &next).is_some_and(|next| next.is_tagged), "{text}");
            for other in [CredentialKind::Refresh, CredentialKind::Browser] {
                assert!(other == kind || keys.read(other, &exposed).is_none(), "{text}");
            }
        }
    }
});
