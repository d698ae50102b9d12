//! An attacker with the stolen signing key and a key of their own, and the tokens that they make. Each must be refused.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use diesel::prelude::*;
use doorward::internals::auth::SigningKey;
use doorward::internals::config::SigningAlgorithm;
use doorward::internals::schema::signing_keys;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp, claims};

/// The values of `tokens.algorithm`.
pub const ALGORITHMS: [&str; 3] = ["EdDSA", "ES256", "RS256"];

/// A token that must be refused.
pub struct Hostile {
    pub what: String,
    pub token: String,
    /// By every verifier. Otherwise it breaks a rule that only this server has, and cannot be made without the
    /// signing key.
    pub everywhere: bool,
}

pub struct Forger {
    pub algorithm: Algorithm,
    key: EncodingKey,
    pub header: Value,
    pub claims: Value,
    /// The public key as the key set shows it.
    jwk: Value,
    own: EncodingKey,
    own_kid: String,
    own_jwk: Value,
}

fn hostile(what: impl Into<String>, token: String) -> Hostile {
    Hostile { what: what.into(), token, everywhere: true }
}

fn encoding(algorithm: Algorithm, stored: &str) -> EncodingKey {
    let pkcs8 = BASE64_STANDARD.decode(stored).unwrap();
    match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_der(&pkcs8),
        // The library wants the PKCS#1 key of 2048 bits that PKCS#8 wraps.
        Algorithm::RS256 => EncodingKey::from_rsa_der(&pkcs8[26..]),
        _ => EncodingKey::from_ed_der(&pkcs8),
    }
}

pub fn sign(key: &EncodingKey, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn merge(base: &Value, change: &Value) -> Value {
    let mut merged = base.as_object().unwrap().clone();
    for (key, value) in change.as_object().unwrap() {
        if value.is_null() {
            merged.remove(key);
        } else {
            merged.insert(key.clone(), value.clone());
        }
    }
    merged.into()
}

impl Forger {
    pub async fn of(app: &TestApp, person: &Person) -> Self {
        let jwk = app.get("/.well-known/jwks.json", "").await.expect(200).body["keys"][0].clone();
        let name = jwk["alg"].as_str().unwrap();
        let stored: String = app.query(|conn| {
            let keys = signing_keys::table.filter(signing_keys::algorithm.eq(name));
            keys.select(signing_keys::key).first(conn)
        });
        let algorithm = name.parse().unwrap();
        let own = SigningKey::generate(SigningAlgorithm::of_name(name).unwrap()).unwrap();
        let own_jwk = json!({"kid": own.kid(), "alg": name, "use": "sig"});
        Self {
            algorithm,
            key: encoding(algorithm, &stored),
            header: json!({"alg": name, "typ": "at+jwt", "kid": jwk["kid"]}),
            claims: claims(&person.access),
            own: encoding(algorithm, &own.stored()),
            own_kid: own.kid().to_owned(),
            own_jwk: merge(&serde_json::to_value(own.public()).unwrap(), &own_jwk),
            jwk,
        }
    }

    /// The right key under another header and other claims; null takes a member away.
    pub fn with(&self, header: &Value, claims: &Value) -> String {
        sign(&self.key, self.algorithm, &merge(&self.header, header), &merge(&self.claims, claims))
    }

    /// Our own key.
    fn own(&self, header: &Value) -> String {
        sign(&self.own, self.algorithm, &merge(&self.header, header), &self.claims)
    }

    fn hs256(&self, secret: &[u8], header: &Value) -> String {
        let header = merge(&merge(&self.header, &json!({"alg": "HS256"})), header);
        sign(&EncodingKey::from_secret(secret), Algorithm::HS256, &header, &self.claims)
    }

    /// The public key in every way that it is written.
    fn public_forms(&self) -> Vec<Vec<u8>> {
        let text = |name: &str| self.jwk[name].as_str().unwrap_or_default().to_owned();
        let raw = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(text(name)).unwrap();
        let (main, info) = match self.algorithm {
            Algorithm::ES256 => {
                let prefix = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
                ("x", [hex(prefix), raw("x"), raw("y")].concat())
            }
            Algorithm::RS256 => {
                let prefix = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
                ("n", [hex(prefix), raw("n"), hex("0203"), raw("e")].concat())
            }
            _ => ("x", [hex("302a300506032b6570032100"), raw("x")].concat()),
        };
        let base64 = BASE64_STANDARD.encode(&info);
        let lines: Vec<_> =
            base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = |body: &str| format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----");
        let (short, wrapped) = (pem(&base64), pem(&lines.join("\n")));
        let mut forms =
            vec![text(main).into_bytes(), raw(main), info, self.jwk.to_string().into_bytes(), vec![]];
        for pem in [short, wrapped] {
            forms.push(format!("{pem}\n").into_bytes());
            forms.push(pem.into_bytes());
        }
        forms
    }

    /// No signature, another algorithm, or the public key taken for a shared secret.
    pub fn other_algorithms(&self, access: &str) -> Vec<Hostile> {
        let mut tokens = Vec::new();
        let signature = access.rsplit('.').next().unwrap();
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let unsigned = message(&merge(&self.header, &json!({"alg": alg})), &self.claims);
            tokens.push(hostile(format!("alg {alg:?}"), format!("{unsigned}.")));
            tokens.push(hostile(format!("alg {alg:?}, without the dot"), unsigned.clone()));
            tokens.push(hostile(format!("alg {alg:?}, signed"), format!("{unsigned}.{signature}")));
        }
        tokens.push(hostile("no alg", self.with(&json!({"alg": null}), &json!({}))));
        let unsigned = message(&self.header, &self.claims);
        tokens.push(hostile("no signature", format!("{unsigned}.")));
        let zeros = vec![0; BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap().len()];
        let zeros = BASE64_URL_SAFE_NO_PAD.encode(zeros);
        tokens.push(hostile("a signature of zeros", format!("{unsigned}.{zeros}")));
        for secret in self.public_forms() {
            tokens.push(hostile("HS256 with the public key", self.hs256(&secret, &json!({}))));
            let header = json!({"alg": self.header["alg"]});
            tokens.push(hostile("HS256, said to be the key's own", self.hs256(&secret, &header)));
        }
        for alg in ["HS256", "HS384", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "EdDSA"] {
            if self.header["alg"] != alg {
                tokens
                    .push(hostile(format!("said to be {alg}"), self.with(&json!({"alg": alg}), &json!({}))));
            }
        }
        if self.algorithm == Algorithm::RS256 {
            for other in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
                let header = merge(&self.header, &json!({"alg": format!("{other:?}")}));
                let token = sign(&self.key, other, &header, &self.claims);
                tokens.push(hostile(format!("the right key for {other:?}"), token));
            }
        }
        tokens
    }

    /// Another key, under any name, or one that the token brings itself.
    pub fn other_keys(&self) -> Vec<Hostile> {
        let mut tokens = Vec::new();
        for kid in [
            json!("nobody's"),
            json!(""),
            json!(self.own_kid),
            json!("../../dev/null"),
            json!(null),
            json!(7),
        ] {
            let changed = json!({"kid": kid});
            tokens.push(hostile(format!("our key as {kid}"), self.own(&changed)));
            let right = hostile(format!("the right key as {kid}"), self.with(&changed, &json!({})));
            tokens.push(Hostile { everywhere: false, ..right });
        }
        tokens.push(hostile("another key under the right name", self.own(&json!({}))));
        for kid in [self.jwk["kid"].clone(), json!(self.own_kid), Value::Null] {
            for brought in [
                json!({"jwk": self.own_jwk}),
                json!({"jku": "http://127.0.0.1:9/jwks.json"}),
                json!({"x5u": "http://127.0.0.1:9/cert.pem"}),
            ] {
                let mut header = brought;
                header["kid"] = kid.clone();
                tokens.push(hostile("a key that it brings", self.own(&header)));
            }
        }
        tokens
    }

    /// The right key, and another type, issuer, audience, time, or content. `other` is another good token.
    pub fn other_claims(&self, access: &str, other: &str) -> Vec<Hostile> {
        let (issued, expires) = (self.claims["iat"].as_i64().unwrap(), self.claims["exp"].as_i64().unwrap());
        let us = self.claims["iss"].as_str().unwrap();
        let mut tokens = Vec::new();
        for (header, claims, everywhere) in [
            (json!({"typ": "JWT"}), json!({}), true),
            (json!({"typ": null}), json!({}), true),
            (json!({"typ": "refresh+jwt"}), json!({}), true),
            (json!({"typ": "id+jwt"}), json!({}), true),
            (json!({"crit": ["exp"]}), json!({}), false),
            (json!({"crit": ["x"], "x": 1}), json!({}), false),
            (json!({}), json!({"iss": "http://localhost:8080"}), true),
            (json!({}), json!({"iss": format!("{us}/")}), true),
            (json!({}), json!({"iss": format!("{us}.evil.test")}), true),
            (json!({}), json!({"iss": null}), true),
            (json!({}), json!({"aud": "another"}), true),
            (json!({}), json!({"aud": ""}), true),
            (json!({}), json!({"aud": []}), true),
            (json!({}), json!({"aud": null}), true),
            (json!({}), json!({"sub": null}), true),
            (json!({}), json!({"sub": "ann"}), false),
            (json!({}), json!({"sid": null}), false),
            (json!({}), json!({"exp": null}), true),
            (json!({}), json!({"exp": "tomorrow"}), true),
            (json!({}), json!({"iat": null}), false),
            (json!({}), json!({"iat": issued + 60, "exp": expires + 60}), false),
        ] {
            let token = self.with(&header, &claims);
            tokens.push(Hostile { what: format!("{header} {claims}"), token, everywhere });
        }

        // A payload or a signature that is not the token's own.
        let parts: Vec<&str> = access.split('.').collect();
        let changed = merge(&self.claims, &json!({"sub": uuid::Uuid::from_u128(1).to_string()}));
        let changed = BASE64_URL_SAFE_NO_PAD.encode(changed.to_string());
        tokens.push(hostile("another payload", format!("{}.{changed}.{}", parts[0], parts[2])));
        let signature = other.rsplit('.').next().unwrap();
        tokens.push(hostile("another signature", format!("{}.{}.{signature}", parts[0], parts[1])));
        tokens.push(hostile("cut", access[..access.len() - 4].to_owned()));
        tokens.push(hostile("doubled", format!("{access}.{access}")));
        tokens.push(hostile("no header", format!(".{}.{}", parts[1], parts[2])));
        tokens.push(hostile("text", "undefined".to_owned()));
        tokens
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
