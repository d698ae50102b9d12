use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::refresh::{CredentialKeys, CredentialKind};
use super::*;
use crate::clock::ManualClock;

const TTL: i64 = 900;

struct Setup {
    tokens: Tokens,
    clock: ManualClock,
    /// The same key as in the keyring.
    key: SigningKey,
}

fn config(ttl: i64) -> config::Tokens {
    config::Tokens {
        access_ttl: Duration::from_secs(ttl.try_into().unwrap()),
        refresh_ttl: Duration::from_hours(24),
        audience: "doorward".to_owned(),
        algorithm: SigningAlgorithm::EdDsa,
    }
}

fn tokens(key: &SigningKey, clock: &ManualClock, ttl: i64) -> Tokens {
    let key = SigningKey::from_stored(SigningAlgorithm::EdDsa, &key.stored()).unwrap();
    let url = "http://localhost:8080/".parse().unwrap();
    Tokens::new(Keyring::new(key, vec![]), &config(ttl), &url, 1000, Clock::Manual(clock.clone()))
}

fn setup() -> Setup {
    let (key, clock) = (SigningKey::generate(SigningAlgorithm::EdDsa).unwrap(), ManualClock::default());
    Setup { tokens: tokens(&key, &clock, TTL), clock, key }
}

impl Setup {
    fn now(&self) -> i64 {
        Clock::Manual(self.clock.clone()).now().and_utc().timestamp()
    }

    fn header(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.key.kid()})
    }

    fn claims(&self) -> Value {
        let now = self.now();
        json!({
            "iss": "http://localhost:8080", "aud": "doorward", "sub": Uuid::from_u128(1), "sid": Uuid::from_u128(2),
            "jti": Uuid::from_u128(3), "iat": now, "exp": now + TTL, "username": "ada",
        })
    }

    /// Signs any header and claims with the right key.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        sign_with(&encoding(&self.key), Algorithm::EdDSA, header, claims)
    }

    fn verify_with(&self, change: impl FnOnce(&mut Value, &mut Value)) -> Result<Access, TokenError> {
        let (mut header, mut claims) = (self.header(), self.claims());
        change(&mut header, &mut claims);
        self.tokens.verify(&self.sign(&header, &claims))
    }
}

fn encoding(key: &SigningKey) -> EncodingKey {
    EncodingKey::from_ed_der(&BASE64_STANDARD.decode(key.stored()).unwrap())
}

fn sign_with(key: &EncodingKey, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn an_issued_token_is_good_until_it_expires() {
    let s = setup();
    let (user, login) = (UserId(Uuid::from_u128(1)), LoginId(Uuid::from_u128(2)));
    let now = Clock::Manual(s.clock.clone()).now();
    let rights = Rights {
        version: 3,
        roles: Roles::parse(["editor", "admin"]).unwrap(),
        claims: Claims::parse(r#"{"plan":"gold"}"#).unwrap(),
    };
    let token = s.tokens.issue(user, "ada", &rights, login, now).unwrap();
    let header = decode_header(&token).unwrap();
    assert_eq!((header.typ.as_deref(), header.kid.as_deref()), (Some("at+jwt"), Some(s.key.kid())));
    let access = s.tokens.verify(&token).unwrap();
    assert_eq!((access.user, access.login, &*access.username), (user, login, "ada"));
    assert_eq!(*access.rights, rights);
    assert_eq!(access.expires_at.and_utc().timestamp(), s.now() + TTL);
    // The second time it comes from the cache, and its time is still checked.
    assert_eq!(s.tokens.verify(&token), Ok(access));
    s.clock.advance(Duration::from_secs(TTL.try_into().unwrap()));
    assert_eq!(s.tokens.verify(&token), Err(TokenError::Expired));
}

#[test]
fn the_hand_made_token_of_these_tests_is_valid() {
    assert!(setup().verify_with(|_, _| ()).is_ok());
}

#[test]
fn other_algorithms_are_refused() {
    let s = setup();
    for name in ["none", "None", "HS256", "ES256", "RS256", "eddsa", ""] {
        assert_eq!(
            s.verify_with(|header, _| header["alg"] = name.into()),
            Err(TokenError::Invalid),
            "{name}"
        );
    }
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let none = json!({"alg": "none", "typ": "at+jwt", "kid": s.key.kid()});
    let unsigned = format!("{}.{}.", part(&none), part(&s.claims()));
    assert_eq!(s.tokens.verify(&unsigned), Err(TokenError::Invalid));
    // The classic attack: the public key, which is no secret, as the key of an HMAC.
    let jwk = serde_json::to_value(&s.tokens.jwks().keys[0]).unwrap();
    let x = jwk["x"].as_str().unwrap().to_owned();
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": s.key.kid()});
    for secret in [BASE64_URL_SAFE_NO_PAD.decode(&x).unwrap(), x.into_bytes()] {
        let token = sign_with(&EncodingKey::from_secret(&secret), Algorithm::HS256, &header, &s.claims());
        assert_eq!(s.tokens.verify(&token), Err(TokenError::Invalid));
    }
}

#[test]
fn keys_outside_the_keyring_are_refused() {
    let s = setup();
    assert_eq!(s.verify_with(|header, _| header["kid"] = "other".into()), Err(TokenError::Invalid));
    assert_eq!(
        s.verify_with(|header, _| drop(header.as_object_mut().unwrap().remove("kid"))),
        Err(TokenError::Invalid)
    );
    let strangers = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let token = sign_with(&encoding(&strangers), Algorithm::EdDSA, &s.header(), &s.claims());
    assert_eq!(s.tokens.verify(&token), Err(TokenError::Invalid), "our kid, another key");
    let jwk = Keyring::new(strangers, vec![]).jwks().keys.remove(0);
    let strangers = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    for kid in [s.key.kid().to_owned(), jwk.kid.clone()] {
        let mut header = s.header();
        header["kid"] = kid.into();
        header["jwk"] = serde_json::to_value(&jwk).unwrap();
        header["jku"] = "http://localhost/keys.json".into();
        let token = sign_with(&encoding(&strangers), Algorithm::EdDSA, &header, &s.claims());
        assert_eq!(s.tokens.verify(&token), Err(TokenError::Invalid), "a key that the token carries");
    }
}

#[test]
fn a_retiring_key_still_verifies() {
    let s = setup();
    let old = SigningKey::from_stored(SigningAlgorithm::EdDsa, &s.key.stored()).unwrap();
    let url = "http://localhost:8080".parse().unwrap();
    let keyring = Keyring::new(SigningKey::generate(SigningAlgorithm::EdDsa).unwrap(), vec![old]);
    let rotated = Tokens::new(keyring, &config(TTL), &url, 1000, Clock::Manual(s.clock.clone()));
    assert!(rotated.verify(&s.sign(&s.header(), &s.claims())).is_ok());
}

#[test]
fn time_is_checked() {
    let s = setup();
    let now = s.now();
    let times =
        |iat: i64, exp: i64| s.verify_with(|_, c| (c["iat"], c["exp"]) = (iat.into(), exp.into())).err();
    assert_eq!(times(now - 10, now), Some(TokenError::Expired), "no leeway here");
    assert_eq!(times(now - 10, now + 1), None);
    assert_eq!(times(now + 5, now + 60), None);
    assert_eq!(times(now + 6, now + 60), Some(TokenError::Invalid));
    assert_eq!(times(now - TTL, now + 60), Some(TokenError::Expired), "older than a token may become");
    assert_eq!(times(i64::MIN, i64::MAX), Some(TokenError::Expired));
    assert_eq!(times(i64::MAX, i64::MAX), Some(TokenError::Invalid));
}

#[test]
fn a_lowered_lifetime_applies_to_tokens_already_issued() {
    let s = setup();
    let token = s.sign(&s.header(), &s.claims());
    let lowered = tokens(&s.key, &s.clock, 60);
    s.clock.advance(Duration::from_mins(1));
    assert!(s.tokens.verify(&token).is_ok());
    assert_eq!(lowered.verify(&token), Err(TokenError::Expired));
}

#[test]
fn every_claim_is_checked() {
    let s = setup();
    for (claim, wrong) in [
        ("iss", json!("http://elsewhere")),
        ("aud", json!("elsewhere")),
        ("sub", json!("nobody")),
        ("sid", json!(7)),
        ("iat", json!("now")),
        ("exp", json!(1.5)),
    ] {
        assert_eq!(s.verify_with(|_, c| c[claim] = wrong), Err(TokenError::Invalid), "wrong {claim}");
        let gone = s.verify_with(|_, c| drop(c.as_object_mut().unwrap().remove(claim)));
        assert_eq!(gone, Err(TokenError::Invalid), "no {claim}");
    }
    for typ in ["JWT", "jwt", "", "at+JWT"] {
        assert_eq!(s.verify_with(|header, _| header["typ"] = typ.into()), Err(TokenError::Invalid), "{typ}");
    }
    assert!(s.verify_with(|h, _| drop(h.as_object_mut().unwrap().remove("typ"))).is_err());
    assert!(s.verify_with(|h, _| h["crit"] = json!(["b64"])).is_err());
}

#[test]
fn anything_but_an_access_token_is_refused() {
    let s = setup();
    let (chain, tags) = (CredentialKeys::generate_stored(), CredentialKeys::generate_stored());
    let keys = CredentialKeys::from_stored(&chain, &tags).unwrap();
    let refresh = keys.issue(CredentialKind::Refresh, LoginId(Uuid::from_u128(2))).expose();
    let good = s.sign(&s.header(), &s.claims());
    let stripped = good.rsplit_once('.').unwrap().0;
    let long = "a".repeat(1 << 20);
    for token in [refresh.as_str(), "", ".", "..", "...", "a.b.c", stripped, &format!("{stripped}."), &long] {
        assert_eq!(s.tokens.verify(token), Err(TokenError::Invalid));
    }
}

#[test]
fn the_cache_is_bounded_and_keeps_tokens_in_use() {
    let s = setup();
    let good =
        Arc::new(s.tokens.check_signature(&s.sign(&s.header(), &s.claims()), &s.tokens.keyring()).unwrap());
    let mut cache = Cache::new(CACHE_GENERATION + 100);
    let key = |n: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_le_bytes());
        key
    };
    for n in 1..5 * CACHE_GENERATION {
        cache.insert(key(n), 500, Arc::clone(&good));
        if n % 1000 == 1 {
            assert!(cache.get(&key(1)).is_some(), "in use");
        }
        if n == CACHE_GENERATION + 50 {
            assert!(cache.get(&key(2)).is_some(), "as many sessions fit");
        }
    }
    assert!(cache.get(&key(3)).is_none());
    assert!(cache.young.claims.len() <= cache.most && cache.old.claims.len() <= cache.most);

    let mut cache = Cache::new(1);
    for n in 0..3 * CACHE_GENERATION {
        cache.insert(key(n), MAX_LENGTH, Arc::clone(&good));
    }
    let most = CACHE_GENERATION * CACHE_BYTES / MAX_LENGTH;
    assert!(
        cache.young.claims.len() <= most && cache.old.claims.len() <= most,
        "long tokens take their share"
    );
}

#[test]
fn an_issued_token_is_known_and_means_what_it_says() {
    let s = setup();
    let rights = Rights { version: 3, ..Rights::default() };
    let (user, login) = (UserId(Uuid::from_u128(1)), LoginId(Uuid::from_u128(2)));
    let now = s.tokens.0.clock.now();
    let token = s.tokens.issue(user, "ann", &rights, login, now).unwrap();
    assert!(s.tokens.is_cached(&token));
    let known = s.tokens.verify(&token).unwrap();
    s.tokens.cache().clear();
    assert_eq!(s.tokens.verify(&token).unwrap(), known, "the same as from its text");
}

proptest! {
    #[test]
    fn verifying_never_panics(text in any::<String>()) {
        prop_assert!(setup().tokens.verify(&text).is_err());
    }

    #[test]
    fn no_changed_token_is_good(at in 0_usize..400, to in "[A-Za-z0-9_.-]") {
        let s = setup();
        let token = s.sign(&s.header(), &s.claims());
        let at = at % token.len();
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assert!(changed == token || s.tokens.verify(&changed).is_err());
    }
}
