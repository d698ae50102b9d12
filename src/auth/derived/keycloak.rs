//! Keycloak's credentials: JSON, as `kc.sh export` and the admin API write it, as older versions did, or as
//! the columns `secret_data` and `credential_data` of its database have it.

use serde_json::{Map, Value};

use super::{DerivedKey, Digest, Function, base64};

/// Parses a credential, or the first password of a user's list of credentials.
pub(super) fn parse(text: &str) -> Option<DerivedKey> {
    let credential = match serde_json::from_str(text).ok()? {
        Value::Object(credential) => credential,
        Value::Array(credentials) => credentials.into_iter().find_map(|credential| match credential {
            Value::Object(credential) if credential.get("type")?.as_str() == Some("password") => {
                Some(credential)
            }
            _ => None,
        })?,
        _ => return None,
    };
    let secret = part(&credential, ["secretData", "secret_data"])?;
    let data = part(&credential, ["credentialData", "credential_data"])?;
    let salt = base64(first(&secret, &["salt"])?.as_str()?)?;
    let key = base64(first(&secret, &["value", "hashedSaltedValue", "hash"])?.as_str()?)?;
    let iterations = number(first(&data, &["hashIterations", "iterations"])?)?;
    let function = match first(&data, &["algorithm"])?.as_str()? {
        "argon2" => argon2(first(&data, &["additionalParameters"])?.as_object()?, iterations)?,
        "pbkdf2" => Function::Pbkdf2 { digest: Digest::Sha1, iterations },
        name => Function::Pbkdf2 { digest: Digest::named(name.strip_prefix("pbkdf2-")?)?, iterations },
    };
    Some(DerivedKey { function, salt, key })
}

/// `{"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"],"hashLength":["32"]}`
fn argon2(parameters: &Map<String, Value>, passes: u32) -> Option<Function> {
    let value = |name: &str| match parameters.get(name)? {
        Value::Array(values) => values.first(),
        value => Some(value),
    };
    Some(Function::Argon2 {
        variant: argon2::Algorithm::new(format!("argon2{}", value("type")?.as_str()?)).ok()?,
        version: match value("version")?.as_str()? {
            "1.3" => argon2::Version::V0x13,
            "1.0" => argon2::Version::V0x10,
            _ => return None,
        },
        memory: number(value("memory")?)?,
        passes,
        lanes: number(value("parallelism")?)?,
    })
}

/// One of the two parts, which is JSON in a string or an object. Before Keycloak 8 all members were in the
/// credential itself.
fn part(credential: &Map<String, Value>, names: [&str; 2]) -> Option<Map<String, Value>> {
    match first(credential, &names) {
        None => Some(credential.clone()),
        Some(Value::Object(part)) => Some(part.clone()),
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        Some(_) => None,
    }
}

fn first<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| object.get(*name)).filter(|value| !value.is_null())
}

fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64()?.try_into().ok(),
    }
}
