//! Room tokens: a text, or a header and claims with a signature of one kind or another; and files with keys. What is accepted
//! is signed with a key of the application, for the algorithm of that key, and is for what its claims say.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use doorward::Clock;
use doorward::internals::auth::{Keyring, RoomTokenKeys, SigningKey, sign_room_token};
use doorward::internals::clock::{ManualClock, Timestamp};
use doorward::internals::config::SigningAlgorithm;
use doorward_core::rooms::{LONGEST_TOKEN_LIFE, RoomName, TokenRooms, TokenText};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const SERVER: &str = "https://id.example.org";
const USER: &str = "0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708";

/// Seconds by which the backend's clock may be ahead.
const LEEWAY: i64 = 5;

/// Signs any text, whatever its header says.
type Sign = Box<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

fn signer(key: &SigningKey) -> Sign {
    let pkcs8 = BASE64_STANDARD.decode(key.stored()).expect("it is stored in base64");
    if key.algorithm() == SigningAlgorithm::EdDsa {
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).expect("a stored key is read");
        return Box::new(move |text| pair.sign(text.as_bytes()).as_ref().to_vec());
    }
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8);
    let pair = pair.expect("a stored key is read");
    Box::new(move |text| {
        let signature = pair.sign(&SystemRandom::new(), text.as_bytes());
        signature.expect("the system has randomness").as_ref().to_vec()
    })
}

struct Server {
    keys: RoomTokenKeys,
    now: Timestamp,
    kids: [String; 2],
    own: [Sign; 2],
    foreign: [Sign; 2],
    /// What a forger has: the public keys.
    public: [String; 2],
    issued: String,
}

static STATE: LazyLock<Server> = LazyLock::new(|| {
    let generate = |algorithm| SigningKey::generate(algorithm).expect("the system has randomness");
    let pair = || [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256].map(generate);
    let (keys, strangers) = (pair(), pair());
    let now = Clock::Manual(ManualClock::default()).now();
    let seconds = now.and_utc().timestamp();
    let claims = json!({"sub": USER, "room": "chat:lobby", "iat": seconds, "exp": seconds + 600});
    let issued = sign_room_token(&keys[0], None, &claims).expect("a generated key signs");
    let (own, foreign) = (keys.each_ref().map(signer), strangers.each_ref().map(signer));
    let kids = keys.each_ref().map(|key| key.kid().to_owned());
    let public = keys.each_ref().map(|key| serde_json::to_string(key.public()).expect("it is JSON"));
    let [ed, ec] = keys;
    let set = serde_json::to_string(&Keyring::new(ed, vec![ec]).jwks()).expect("it is JSON");
    let keys = RoomTokenKeys::from_jwks(&set, SERVER).expect("generated keys are good");
    Server { keys, now, kids, own, foreign, public, issued }
});

impl Server {
    /// Names that stand for what differs from run to run.
    fn fill(&self, text: &str) -> String {
        let now = self.now.and_utc().timestamp();
        let times = [("@past", now - 10), ("@now", now), ("@soon", now + 600), ("@late", now + 90_000)];
        let text = text.replace("@kid0", &self.kids[0]).replace("@kid1", &self.kids[1]);
        times.into_iter().fold(text, |text, (name, at)| text.replace(name, &at.to_string()))
    }

    fn verify(&self, token: &str) -> bool {
        match self.keys.verify(TokenText(token), self.now) {
            Ok(_) => true,
            Err(refusal) => {
                assert_eq!(refusal.code, "bad_token");
                false
            }
        }
    }

    /// Any text: no token but the one that was issued. A signature may have another form, what is signed may not.
    fn check_text(&self, text: &str) {
        let text = text.replace("@token", &self.issued);
        if self.verify(&text) {
            let signed = |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned());
            assert_eq!(signed(&self.issued), signed(&text));
        }
    }

    /// What the application has signed itself, with any header and any claims.
    fn check_signed(&self, key: usize, header: &str, claims: &str) {
        let signed = signing_input(header, claims);
        let token = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode((self.own[key])(&signed)));
        let Ok(read) = self.keys.verify(TokenText(&token), self.now) else { return };
        let said = |text: &str| serde_json::from_str::<Value>(text).expect("what is accepted is JSON");
        let (header, claims) = (said(header), said(claims));
        assert_eq!((&header["typ"], &header["alg"]), (&"room+jwt".into(), &["EdDSA", "ES256"][key].into()));
        assert_eq!(header["kid"], self.kids[key].as_str());
        assert!(header.get("crit").is_none_or(Value::is_null), "{header}");
        assert_eq!(claims["sub"], read.user.to_string());
        let now = self.now.and_utc().timestamp();
        assert!(read.issued_at.and_utc().timestamp() <= now + LEEWAY, "{claims}");
        assert!(read.expires_at - read.issued_at <= LONGEST_TOKEN_LIFE, "{claims}");
        let room = claims["room"].as_str().expect("a text");
        match read.rooms {
            TokenRooms::One(one) => assert_eq!(one.as_str(), room),
            TokenRooms::Beginning(beginning) => {
                assert_eq!(format!("{beginning}*"), room);
                // The kind is whole.
                let (kind, _) = beginning.split_once(':').expect("it has a kind");
                let other = RoomName::parse(&format!("{kind}x:a")).expect("a room's name");
                assert!(!TokenRooms::Beginning(beginning.clone()).cover(&other), "{claims}");
            }
        }
        assert!(token.len() <= 4096);
    }

    /// What the application has not signed. `kind` chooses what there is instead of a signature.
    fn check_forged(&self, kind: usize, header: &str, claims: &str) {
        let signed = signing_input(header, claims);
        let signature = match kind {
            0 | 1 => BASE64_URL_SAFE_NO_PAD.encode((self.foreign[kind])(&signed)),
            // A public key as the secret of an HMAC (RFC 8725 section 2.1).
            2 | 3 => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, self.public[kind - 2].as_bytes());
                BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&secret, signed.as_bytes()))
            }
            4 => String::new(),
            _ => {
                let (text, signature) = self.issued.rsplit_once('.').expect("a token has three parts");
                if text == signed {
                    return;
                }
                signature.to_owned()
            }
        };
        assert!(!self.verify(&format!("{signed}.{signature}")), "{header} {claims}");
    }
}

fn signing_input(header: &str, claims: &str) -> String {
    format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims))
}

fuzz_target!(|input: (u8, &str)| {
    let (way, text) = input;
    let (way, server) = (usize::from(way % 12), &*STATE);
    let text = server.fill(text);
    if way == 2 {
        let _ = RoomTokenKeys::from_jwks(&text, SERVER);
        let _ = RoomTokenKeys::from_pem(&text, SERVER);
        return;
    }
    let Some((header, claims)) = text.split_once('\n') else { return server.check_text(&text) };
    match way {
        0 | 1 => server.check_signed(way, header, claims),
        3..=5 => server.check_text(&text),
        _ => server.check_forged(way - 6, header, claims),
    }
});
