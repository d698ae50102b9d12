//! The forms in which systems write a salted hash. Each is recognized by its prefix or its shape.

use super::{DerivedKey, Digest, Function, base64, keycloak};

/// What better-auth fixes and does not write: N = 16384, r = 16, p = 1.
const BETTER_AUTH: Function = Function::Scrypt { log_n: 14, r: 16, p: 1 };
/// Bytes that werkzeug, Django and better-auth take from scrypt. From PBKDF2 they take one block.
const SCRYPT_KEY: usize = 64;
/// What version 2 of ASP.NET Identity fixes and does not write. Version 3 has keys of the same length.
const ASP_NET_2: Function = Function::Pbkdf2 { digest: Digest::Sha1, iterations: 1000 };
const ASP_NET_2_SALT: usize = 16;
const ASP_NET_KEY: usize = 32;
/// The shortest salt of version 3.
const ASP_NET_3_SALT: usize = 16;

pub(super) fn parse(text: &str) -> Option<DerivedKey> {
    match text.as_bytes().first()? {
        b'$' => phc(text).or_else(|| passlib(text)),
        b'{' | b'[' => keycloak::parse(text),
        _ => werkzeug(text).or_else(|| django(text)).or_else(|| better_auth(text)).or_else(|| asp_net(text)),
    }
}

/// PHC strings: `$argon2id$v=19$m=65536,t=3,p=4$salt$key`, `$scrypt$ln=15,r=8,p=1$salt$key`,
/// `$pbkdf2-sha256$i=600000$salt$key`. passlib and argon2-cffi write the first two like this.
pub(super) fn phc(text: &str) -> Option<DerivedKey> {
    let mut parts = text.strip_prefix('$')?.split('$');
    let name = parts.next()?;
    let mut parameters = parts.next()?;
    let function = if let Some(digest) = name.strip_prefix("pbkdf2-") {
        let [iterations] = numbers(parameters, ["i"])?;
        Function::Pbkdf2 { digest: Digest::named(digest)?, iterations }
    } else if name == "scrypt" {
        let [log_n, r, p] = numbers(parameters, ["ln", "r", "p"])?;
        Function::Scrypt { log_n: log_n.try_into().ok()?, r, p }
    } else {
        let variant = argon2::Algorithm::new(name).ok()?;
        // The first version did not write its number.
        let version = match parameters.strip_prefix("v=") {
            Some(version) => {
                parameters = parts.next()?;
                argon2::Version::try_from(decimal(version)?).ok()?
            }
            None => argon2::Version::V0x10,
        };
        let [memory, passes, lanes] = numbers(parameters, ["m", "t", "p"])?;
        Function::Argon2 { variant, version, memory, passes, lanes }
    };
    let (salt, key) = (parts.next()?, parts.next()?);
    finish(parts, DerivedKey { function, salt: base64(salt)?, key: base64(key)? })
}

/// passlib: `$pbkdf2-sha256$29000$salt$key` and, with SHA-1, `$pbkdf2$131000$salt$key`. Its base64 has a dot
/// for a plus.
fn passlib(text: &str) -> Option<DerivedKey> {
    let mut parts = text.strip_prefix("$pbkdf2")?.split('$');
    let digest = match parts.next()? {
        "" => Digest::Sha1,
        name => Digest::named(name.strip_prefix('-')?)?,
    };
    let iterations = decimal(parts.next()?)?;
    let (salt, key) = (parts.next()?.replace('.', "+"), parts.next()?.replace('.', "+"));
    let function = Function::Pbkdf2 { digest, iterations };
    finish(parts, DerivedKey { function, salt: base64(&salt)?, key: base64(&key)? })
}

/// werkzeug: `pbkdf2:sha256:600000$salt$key` and `scrypt:32768:8:1$salt$key`. The salt is text, the key
/// hexadecimal.
fn werkzeug(text: &str) -> Option<DerivedKey> {
    let mut parts = text.split('$');
    let (method, salt, key) = (parts.next()?, parts.next()?, parts.next()?);
    let function = match method.split(':').collect::<Vec<_>>().as_slice() {
        ["pbkdf2", digest, iterations] => {
            Function::Pbkdf2 { digest: Digest::named(digest)?, iterations: decimal(iterations)? }
        }
        ["scrypt", n, r, p] => {
            Function::Scrypt { log_n: logarithm(decimal(n)?)?, r: decimal(r)?, p: decimal(p)? }
        }
        _ => return None,
    };
    finish(parts, whole(DerivedKey { function, salt: salt.into(), key: hex(key)? })?)
}

/// Django: `pbkdf2_sha256$600000$salt$key`, `scrypt$16384$salt$8$5$key`, and `argon2` before a PHC string.
/// The salt is text, the key base64.
fn django(text: &str) -> Option<DerivedKey> {
    if let Some(argon2) = text.strip_prefix("argon2").filter(|rest| rest.starts_with("$argon2")) {
        return phc(argon2);
    }
    match text.split('$').collect::<Vec<_>>().as_slice() {
        [name, iterations, salt, key] => {
            let digest = Digest::named(name.strip_prefix("pbkdf2_")?)?;
            let function = Function::Pbkdf2 { digest, iterations: decimal(iterations)? };
            whole(DerivedKey { function, salt: (*salt).into(), key: base64(key)? })
        }
        ["scrypt", n, salt, r, p, key] => {
            let function =
                Function::Scrypt { log_n: logarithm(decimal(n)?)?, r: decimal(r)?, p: decimal(p)? };
            whole(DerivedKey { function, salt: (*salt).into(), key: base64(key)? })
        }
        _ => None,
    }
}

/// better-auth: `salt:key`, both hexadecimal. The salt is used as it is written.
fn better_auth(text: &str) -> Option<DerivedKey> {
    let (salt, key) = text.split_once(':')?;
    hex(salt)?;
    whole(DerivedKey { function: BETTER_AUTH, salt: salt.into(), key: hex(key)? })
}

/// ASP.NET Identity: base64 of a version and what belongs to it.
/// Version 2: 0, salt, key. Version 3: 1, then as big-endian numbers of 32 bits the hash function, the
/// iterations and the length of the salt, then salt and key.
fn asp_net(text: &str) -> Option<DerivedKey> {
    let bytes = base64(text)?;
    let (version, rest) = bytes.split_first()?;
    match version {
        0 if rest.len() == ASP_NET_2_SALT + ASP_NET_KEY => {
            let (salt, key) = rest.split_at(ASP_NET_2_SALT);
            Some(DerivedKey { function: ASP_NET_2, salt: salt.into(), key: key.into() })
        }
        1 => {
            let (numbers, rest) = rest.split_at_checked(12)?;
            let (numbers, _) = numbers.as_chunks::<4>();
            let [digest, iterations, length] = numbers else { return None };
            let digest = *Digest::ALL.get(usize::try_from(u32::from_be_bytes(*digest)).ok()?)?;
            let function = Function::Pbkdf2 { digest, iterations: u32::from_be_bytes(*iterations) };
            let (salt, key) = rest.split_at_checked(u32::from_be_bytes(*length).try_into().ok()?)?;
            let is_whole = salt.len() >= ASP_NET_3_SALT && key.len() == ASP_NET_KEY;
            is_whole.then(|| DerivedKey { function, salt: salt.into(), key: key.into() })
        }
        _ => None,
    }
}

/// `parsed`, unless its key was cut off.
fn whole(parsed: DerivedKey) -> Option<DerivedKey> {
    let bytes = match parsed.function {
        Function::Pbkdf2 { digest, .. } => digest.bytes(),
        _ => SCRYPT_KEY,
    };
    (parsed.key.len() == bytes).then_some(parsed)
}

/// `parsed`, unless the text has more parts.
fn finish<'a>(mut rest: impl Iterator<Item = &'a str>, parsed: DerivedKey) -> Option<DerivedKey> {
    rest.next().is_none().then_some(parsed)
}

/// The values of `m=65536,t=3,p=4`, in this order and without others.
fn numbers<const N: usize>(text: &str, names: [&str; N]) -> Option<[u32; N]> {
    let mut pairs = text.split(',');
    let mut values = [0; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = decimal(pairs.next()?.strip_prefix(name)?.strip_prefix('=')?)?;
    }
    pairs.next().is_none().then_some(values)
}

fn decimal(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// scrypt's N, a power of two.
fn logarithm(n: u32) -> Option<u8> {
    n.is_power_of_two().then(|| n.trailing_zeros()).and_then(|log| log.try_into().ok())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}
