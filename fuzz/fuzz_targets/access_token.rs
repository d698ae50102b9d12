//! Access tokens: a text, or a header and claims with a signature of one kind or another. What is accepted is signed with
//! a key of the server, for the algorithm of that key, and says what the server says in its own tokens.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use doorward::internals::auth::{Keyring, SigningKey, Tokens};
use doorward::internals::clock::ManualClock;
use doorward::internals::config::SigningAlgorithm;
use doorward::{Clock, Config};
use doorward_core::domain::{LoginId, Rights, UserId};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use uuid::Uuid;

/// Seconds by which another node's clock may be ahead.
const LEEWAY: i64 = 5;

/// A key that signs any text, whatever its header says.
enum Pair {
    Ed25519(Box<Ed25519KeyPair>),
    P256(Box<EcdsaKeyPair>),
}

impl Pair {
    fn of(key: &SigningKey) -> Self {
        let pkcs8 = BASE64_STANDARD.decode(key.stored()).expect("it is stored in base64");
        match key.algorithm() {
            SigningAlgorithm::EdDsa => {
                Self::Ed25519(Box::new(Ed25519KeyPair::from_pkcs8(&pkcs8).expect("a stored key is read")))
            }
            _ => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8);
                Self::P256(Box::new(pair.expect("a stored key is read")))
            }
        }
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sign(text.as_bytes()).as_ref().to_vec(),
            Self::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), text.as_bytes());
                signature.expect("the system has randomness").as_ref().to_vec()
            }
        }
    }
}

struct Server {
    tokens: Tokens,
    audience: String,
    now: i64,
    /// Ed25519 and P-256; an RSA key verifies as well.
    kids: [String; 3],
    own: [Pair; 2],
    /// Of the same algorithms, and of no server.
    foreign: [Pair; 2],
    /// What a forger has: the public keys.
    public: [String; 3],
    issued: Vec<String>,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let config = Config::from_pairs([("password.cost", "12")]).expect("the defaults are good");
    let generate = |algorithm| SigningKey::generate(algorithm).expect("the system has randomness");
    let [ed, ec, rsa] = SigningAlgorithm::ALL.map(generate);
    let strangers = [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256].map(generate);
    let public = [&ed, &ec, &rsa].map(|key| serde_json::to_string(key.public()).expect("it is JSON"));
    let (own, foreign) = ([Pair::of(&ed), Pair::of(&ec)], strangers.each_ref().map(Pair::of));
    let kids = [&ed, &ec, &rsa].map(|key| key.kid().to_owned());
    let clock = Clock::Manual(ManualClock::default());
    let tokens = Tokens::new(
        Keyring::new(ed, vec![ec, rsa]),
        &config.tokens,
        &config.public_url,
        config.sockets.max_open,
        clock.clone(),
    );
    let issue = |number| {
        let (user, login) = (UserId(Uuid::from_u128(number)), LoginId(Uuid::from_u128(number + 1)));
        tokens.issue(user, "alice", &Rights::default(), login, clock.now()).expect("a generated key signs")
    };
    let issued = [1, 3].map(issue).to_vec();
    let now = clock.now().and_utc().timestamp();
    Server { tokens, audience: config.tokens.audience, now, kids, own, foreign, public, issued }
});

impl Server {
    /// Names that stand for what differs from run to run.
    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, kid) in ["@kid0", "@kid1", "@kid2"].into_iter().zip(&self.kids) {
            text = text.replace(name, kid);
        }
        let times = [("@past", self.now - 10), ("@now", self.now), ("@soon", self.now + 600)];
        for (name, at) in times {
            text = text.replace(name, &at.to_string());
        }
        text
    }

    /// Any text: no token but those that were issued. A signature may have another form, what is signed may not.
    fn check_text(&self, text: &str) {
        let text =
            self.issued.iter().enumerate().fold(text.to_owned(), |text, (number, issued)| {
                text.replace(&format!("@token{number}"), issued)
            });
        if self.tokens.verify(&text).is_ok() {
            let signed = |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned());
            assert!(self.issued.iter().any(|issued| signed(issued) == signed(&text)), "{text}");
        }
    }

    /// What the server has signed itself, with any header and any claims.
    fn check_signed(&self, key: usize, header: &str, claims: &str) {
        let signed = signing_input(header, claims);
        let token = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(self.own[key].sign(&signed)));
        let Ok(access) = self.tokens.verify(&token) else { return };
        let said = |text: &str| serde_json::from_str::<Value>(text).expect("what is accepted is JSON");
        let (header, claims) = (said(header), said(claims));
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(header["kid"], self.kids[key].as_str());
        assert_eq!(header["alg"], ["EdDSA", "ES256"][key]);
        assert!(header.get("crit").is_none_or(Value::is_null), "{header}");
        assert_eq!(claims["iss"], self.tokens.issuer());
        assert_eq!(claims["aud"], self.audience.as_str());
        let id = |name: &str| claims[name].as_str().and_then(|id| id.parse().ok());
        assert_eq!((id("sub"), id("sid")), (Some(access.user.0), Some(access.login.0)));
        let (iat, exp) =
            (claims["iat"].as_i64().expect("a number"), claims["exp"].as_i64().expect("a number"));
        assert!(iat <= self.now + LEEWAY && exp > self.now, "{claims}");
        assert!(access.expires_at.and_utc().timestamp() <= exp.min(iat + self.tokens.lifetime()), "{claims}");
    }

    /// What the server has not signed. `kind` chooses what there is instead of a signature.
    fn check_forged(&self, kind: usize, header: &str, claims: &str) {
        let signed = signing_input(header, claims);
        let signature = match kind {
            0 | 1 => BASE64_URL_SAFE_NO_PAD.encode(self.foreign[kind].sign(&signed)),
            // A public key as the secret of an HMAC (RFC 8725 section 2.1).
            2..=4 => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, self.public[kind - 2].as_bytes());
                BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&secret, signed.as_bytes()))
            }
            5 => String::new(),
            _ => {
                let (text, signature) =
                    self.issued[kind % 2].rsplit_once('.').expect("a token has three parts");
                if text == signed {
                    return;
                }
                signature.to_owned()
            }
        };
        assert!(self.tokens.verify(&format!("{signed}.{signature}")).is_err(), "{header} {claims}");
    }
}

fn signing_input(header: &str, claims: &str) -> String {
    format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims))
}

fuzz_target!(|input: (u8, &str)| {
    let (way, text) = input;
    let (way, server) = (usize::from(way % 12), &*SERVER);
    let text = server.fill(text);
    let Some((header, claims)) = text.split_once('\n') else { return server.check_text(&text) };
    match way {
        0 | 1 => server.check_signed(way, header, claims),
        2 | 3 => server.check_text(&text),
        _ => server.check_forged(way - 4, header, claims),
    }
});
