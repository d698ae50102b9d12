use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use rcgen::PublicKeyData;
use serde_json::{Value, json};

use super::super::keys::Keyring;
use super::*;
use crate::clock::Clock;
use doorward_core::rooms::{RoomName, TokenRooms};

const SERVER: &str = "https://id.example.org";
const USER: &str = "0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708";
const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    chrono::DateTime::from_timestamp(NOW, 0).unwrap().naive_utc()
}

fn generate(algorithm: SigningAlgorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap()
}

fn again(key: &SigningKey) -> SigningKey {
    SigningKey::from_stored(key.algorithm(), &key.stored()).unwrap()
}

/// The public keys as a set.
fn jwks(keys: &[&SigningKey]) -> Value {
    let mut keys: Vec<_> = keys.iter().map(|key| again(key)).collect();
    let first = keys.remove(0);
    serde_json::to_value(Keyring::new(first, keys).jwks()).unwrap()
}

fn keys(set: &Value) -> Result<RoomTokenKeys, String> {
    RoomTokenKeys::from_jwks(&set.to_string(), SERVER)
}

fn claims() -> Value {
    json!({"sub": USER, "room": "chat:lobby", "iat": NOW, "exp": NOW + 600})
}

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Signs any header and claims.
fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let algorithm = match key.algorithm() {
        SigningAlgorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        SigningAlgorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        SigningAlgorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
    };
    let der = BASE64_STANDARD.decode(key.stored()).unwrap();
    let encoding = match key.algorithm() {
        SigningAlgorithm::EdDsa => jsonwebtoken::EncodingKey::from_ed_der(&der),
        _ => jsonwebtoken::EncodingKey::from_ec_der(&der),
    };
    with_signature(&encoding, algorithm, header, claims)
}

fn with_signature(
    key: &jsonwebtoken::EncodingKey,
    algorithm: jsonwebtoken::Algorithm,
    header: &Value,
    claims: &Value,
) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn header(key: &SigningKey) -> Value {
    json!({"alg": key.algorithm().name(), "typ": TYPE, "kid": key.kid()})
}

fn verify(keys: &RoomTokenKeys, token: &str) -> Result<RoomToken, &'static str> {
    keys.verify(TokenText(token), now()).map_err(|refusal| {
        assert_eq!(refusal.code, "bad_token");
        refusal.detail
    })
}

fn pem(tag: &str, der: &[u8]) -> String {
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", BASE64_STANDARD.encode(der))
}

#[test]
fn each_key_verifies_what_it_has_signed_from_a_set_and_alone() {
    let all = SigningAlgorithm::ALL.map(generate);
    let set = keys(&jwks(&all.each_ref())).unwrap();
    for key in &all {
        let token = sign(key, None, &claims()).unwrap();
        let read = verify(&set, &token).unwrap();
        assert_eq!(read.rooms, TokenRooms::One(RoomName::parse("chat:lobby").unwrap()));
        assert!(verify(&keys(&jwks(&[key])).unwrap(), &token).is_ok());
        let other = all.iter().find(|other| other.kid() != key.kid()).unwrap();
        assert!(verify(&keys(&jwks(&[other])).unwrap(), &token).unwrap_err().contains("`kid`"));
        // Signed by one, and said to be by the other.
        let forged = sign(other, Some(key.kid()), &claims()).unwrap();
        assert!(verify(&set, &forged).is_err());
    }
    // An RSA key in a PEM file is read as well as others.
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256] {
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let private = private_key(pair.serialize_pem().as_bytes()).unwrap();
        let public = RoomTokenKeys::from_pem(&pem("PUBLIC KEY", &pair.subject_public_key_info()), SERVER);
        let token = sign(&private, Some("any id"), &claims()).unwrap();
        assert!(verify(&public.unwrap(), &token).is_ok());
    }
}

#[test]
fn a_key_that_cannot_be_used_is_refused_and_the_error_says_why() {
    let [ed, ec, rsa] = SigningAlgorithm::ALL.map(generate);
    let good = jwks(&[&ed, &ec, &rsa]);
    assert!(keys(&good).is_ok());
    let with = |at: usize, name: &str, value: Value| {
        let mut set = good.clone();
        set["keys"][at][name] = value;
        keys(&set).unwrap_err()
    };
    let small = BASE64_URL_SAFE_NO_PAD.encode([0xff; 128]);
    for (error, why) in [
        (with(0, "d", "x".into()), "private key"),
        (with(0, "kty", "oct".into()), "shared secret"),
        (with(0, "k", "x".into()), "shared secret"),
        (with(0, "crv", "Ed448".into()), "neither"),
        (with(1, "crv", "P-384".into()), "neither"),
        (with(1, "x", "AAAA".into()), "not those"),
        (with(1, "y", BASE64_URL_SAFE_NO_PAD.encode([7; 32]).into()), "not those"),
        (with(0, "x", Value::Null), "not those"),
        (with(2, "n", small.into()), "2048 to 8192"),
        (with(2, "alg", "PS256".into()), "`alg`"),
        (with(0, "alg", "HS256".into()), "`alg`"),
        (with(0, "use", "other".into()), "`use`"),
        (with(0, "kid", Value::Null), "needs a `kid`"),
        (with(0, "kid", ec.kid().into()), "same `kid`"),
        (keys(&json!({"keys": []})).unwrap_err(), "0 keys"),
        (keys(&json!({"keys": [{"kty": "OKP", "use": "enc"}]})).unwrap_err(), "0 keys"),
        (keys(&good["keys"][0]).unwrap_err(), "not a JWK set"),
    ] {
        assert!(error.contains(why), "{why}: {error}");
    }
    let mut alone = jwks(&[&ed]);
    alone["keys"][0].as_object_mut().unwrap().remove("kid");
    let alone = keys(&alone).unwrap();
    assert!(verify(&alone, &sign(&ed, None, &claims()).unwrap()).is_ok(), "of any id");

    let from_pem = |text: &str| RoomTokenKeys::from_pem(text, SERVER).unwrap_err();
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let spki = pem("PUBLIC KEY", &p384.subject_public_key_info());
    for (text, why) in [
        ("", "no PEM public key"),
        ("x", "no PEM public key"),
        (&*p384.serialize_pem(), "private key"),
        (&*spki, "neither Ed25519"),
        (&*pem("PUBLIC KEY", b"x"), "neither Ed25519"),
        (&*format!("{spki}{spki}"), "more than one"),
    ] {
        assert!(from_pem(text).contains(why), "{text}: {}", from_pem(text));
    }
    for (text, why) in
        [("x", "no PEM private key"), (&*spki, "public key"), (&*p384.serialize_pem(), "neither")]
    {
        assert!(private_key(text.as_bytes()).unwrap_err().contains(why), "{why}");
    }
}

#[test]
fn what_was_not_signed_by_the_key_with_its_algorithm_is_refused() {
    let (key, stranger) = (generate(SigningAlgorithm::EdDsa), generate(SigningAlgorithm::EdDsa));
    let set = keys(&jwks(&[&key])).unwrap();
    assert!(verify(&set, &signed(&key, &header(&key), &claims())).is_ok());
    for alg in ["none", "None", "HS256", "ES256", "RS256", "eddsa", ""] {
        let mut header = header(&key);
        header["alg"] = alg.into();
        assert!(verify(&set, &signed(&key, &header, &claims())).is_err(), "{alg}");
        let unsigned = format!("{}.{}.", part(&header), part(&claims()));
        assert!(verify(&set, &unsigned).is_err(), "{alg}");
    }
    // The public key, which is no secret, as the key of an HMAC.
    let public = jwks(&[&key])["keys"][0]["x"].as_str().unwrap().to_owned();
    let mut hmac = header(&key);
    hmac["alg"] = "HS256".into();
    for secret in [BASE64_URL_SAFE_NO_PAD.decode(&public).unwrap(), public.into_bytes()] {
        let secret = jsonwebtoken::EncodingKey::from_secret(&secret);
        let token = with_signature(&secret, jsonwebtoken::Algorithm::HS256, &hmac, &claims());
        assert!(verify(&set, &token).is_err());
    }
    // A key that the token itself carries.
    let mut carries = header(&key);
    carries["jwk"] = jwks(&[&stranger])["keys"][0].clone();
    carries["jku"] = "http://localhost/keys.json".into();
    assert!(verify(&set, &signed(&stranger, &carries, &claims())).is_err());
    assert!(verify(&set, &signed(&stranger, &header(&key), &claims())).is_err());
}

#[test]
fn the_header_says_that_it_is_a_room_token_and_which_key_it_is_for() {
    let (key, other) = (generate(SigningAlgorithm::EdDsa), generate(SigningAlgorithm::EdDsa));
    let both = keys(&jwks(&[&key, &other])).unwrap();
    let with = |name: &str, value: Value| {
        let mut header = header(&key);
        header[name] = value;
        verify(&both, &signed(&key, &header, &claims())).err()
    };
    assert_eq!(with("extra", json!(1)), None);
    for typ in [json!("JWT"), json!("at+jwt"), json!("room+JWT"), json!(""), Value::Null] {
        assert!(with("typ", typ.clone()).is_some_and(|why| why.contains("room+jwt")), "{typ}");
    }
    assert!(with("crit", json!(["b64"])).is_some_and(|why| why.contains("crit")));
    assert!(with("crit", json!([])).is_some());
    for kid in [json!("other"), Value::Null, json!(other.kid())] {
        assert!(with("kid", kid.clone()).is_some(), "{kid}");
    }
    // Written twice, a member could be read differently elsewhere.
    let twice = format!(r#"{{"alg":"EdDSA","typ":"{TYPE}","kid":"{0}","kid":"{0}"}}"#, key.kid());
    let message = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(twice), part(&claims()));
    let der = BASE64_STANDARD.decode(key.stored()).unwrap();
    let signature = jsonwebtoken::crypto::sign(
        message.as_bytes(),
        &jsonwebtoken::EncodingKey::from_ed_der(&der),
        jsonwebtoken::Algorithm::EdDSA,
    );
    assert!(verify(&both, &format!("{message}.{}", signature.unwrap())).is_err());
}

#[test]
fn an_access_token_is_no_room_token_even_with_the_same_key() {
    let key = generate(SigningAlgorithm::EdDsa);
    let set = keys(&jwks(&[&key])).unwrap();
    let config = crate::config::Config::from_pairs([("public_url", SERVER)]).unwrap();
    let keyring = Keyring::new(again(&key), vec![]);
    let tokens =
        super::super::tokens::Tokens::new(keyring, &config.tokens, &config.public_url, 1000, Clock::System);
    let (user, login) = (USER.parse().unwrap(), doorward_core::domain::LoginId(uuid::Uuid::from_u128(2)));
    let access = tokens.issue(user, "ann", &doorward_core::domain::Rights::default(), login, now()).unwrap();
    assert!(verify(&set, &access).unwrap_err().contains("room+jwt"));
    let room = sign(&key, None, &claims()).unwrap();
    assert!(verify(&set, &room).is_ok());
    assert!(tokens.verify(&room).is_err());
}

#[test]
fn a_token_is_bounded() {
    let key = generate(SigningAlgorithm::EdDsa);
    let set = keys(&jwks(&[&key])).unwrap();
    let sized = |filler: usize| {
        let mut claims = claims();
        claims["filler"] = "x".repeat(filler).into();
        sign(&key, None, &claims).unwrap()
    };
    let most = (0..LONGEST_TOKEN).rev().find(|filler| sized(*filler).len() <= LONGEST_TOKEN).unwrap();
    assert!(verify(&set, &sized(most)).is_ok());
    assert!(verify(&set, &sized(most + 1)).unwrap_err().contains("4096 bytes"));
}

proptest! {
    #[test]
    fn no_text_panics_and_none_is_a_token(text in "\\PC{0,80}|[A-Za-z0-9_.-]{0,80}") {
        let key = generate(SigningAlgorithm::EdDsa);
        let set = keys(&jwks(&[&key])).unwrap();
        prop_assert!(verify(&set, &text).is_err());
        let _ = RoomTokenKeys::from_jwks(&text, SERVER);
        let _ = RoomTokenKeys::from_pem(&text, SERVER);
    }

    #[test]
    fn no_changed_token_is_good(at in 0_usize..500, to in "[A-Za-z0-9_.-]") {
        let key = generate(SigningAlgorithm::EdDsa);
        let set = keys(&jwks(&[&key])).unwrap();
        let token = sign(&key, None, &claims()).unwrap();
        let at = at % token.len();
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assert!(changed == token || verify(&set, &changed).is_err());
    }
}
