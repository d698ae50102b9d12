use proptest::prelude::*;

use super::*;
use crate::auth::legacy_hashes::{ImportedHash, UnsupportedHash};
use crate::auth::password::{Verified, verify_here as verify};
use doorward_core::domain::Password;

const PASSWORD: &str = "correct horse bättery staple";
/// bcrypt's.
const COST: u32 = 4;

/// What other programs stored for [`PASSWORD`], with low parameters: werkzeug 3.1, passlib 1.7, argon2-cffi
/// 25.1, Django 5.2, and better-auth 1.7.
const STORED: [&str; 18] = [
    "pbkdf2:sha256:1000$uNUDj5AKT4tcXbS8$3126d37a31c462e2dd56417a18f22c4ec67718c2b71fff368a59e9f50496c9ec",
    "pbkdf2:sha1:1000$SK2ljapQ4DeDc1HT$922fc51098a960b48bea81b7c7993bc7e1542dc5",
    "pbkdf2:sha512:1000$tXJeY182XNCpHu89$0a8509eea0fec2d302eed7ae4a070764673c042a753fb9a0f81bb42388c30e8970472\
     20b82d1fa663342554ceb052a70f110511198b6d50b7f817f5cfcb9e860",
    "scrypt:1024:8:1$nXtQmmOdPzlxpxzz$aad159a4d9b144bdf9805c28537e45c5cbad8c3c3fc2e00fb1d6dc4518e240458e3c0c213\
     da0a64aa396a5e052e3579dad408d87934835b23f2f0d04b5956776",
    // The default parameters of werkzeug.
    "scrypt:32768:8:1$NRRJ3iNQgBzZqqd5$b458b0c8ca7bbcf9f04149da27df585dba60ed76cb59af19ae4c61eeed7666c75f852ff6\
     80966c057670d4e4d7901caf04013df08ae2474576e62e4213b44de2",
    "$argon2id$v=19$m=64,t=2,p=2$nmPks0ijU8edaigX9FyTbQ$KRqMRHpH9ITEuS4bnyYaHYHKFn9tHRSav9CyLYy6x6s",
    "$argon2i$v=19$m=64,t=2,p=2$7T993FWj2IbLi1oWPaXe0A$DkN+5QEXZ3aKlj6FzucVuXgLsy9HNvwm96Du1pYEuFo",
    "$argon2d$v=19$m=64,t=2,p=2$3B4lkOEcEWHnueVRUX6law$pc7MYKOv1J6M+JWR+uW5M8Sb9J0Xc1YqU2Qdm6DC+rE",
    "$argon2id$v=16$m=64,t=2,p=1$c2FsdHlzYWx0$NTDgnbJToq3ycmAdz5cBUgTjbl4IaH0L",
    "$pbkdf2-sha256$1000$Pee8d06ptXbu/X9PifFeKw$rH6IZwAwVsG9GBGOesdBXY8IoX9/eIkWZjCD3afrT6w",
    "$pbkdf2-sha512$1000$OOec05pz7r3Xei9lbK1Vag$wqstEbECWbUBjQGkvRf.yn3o5CdaOCYXo8iNt2MXAV58HseRw9C3KFXhE80BpPt\
     fbv9WT61ELXuoKTmKAd0n5A",
    "$pbkdf2$1000$G8MYI8R4T6k1ZuwdgxDCWA$hWEXtQQFGy4RI/FGOKqPKMRm290",
    "$scrypt$ln=10,r=8,p=1$fc/5/58TojRGqFUKwfhfKw$NuVXsJQz04s/Sd0ED9Ls2LMd1i8JF7rkfeX94yBTD6U",
    "pbkdf2_sha256$1000$seasalt2aX9$4N1FpHAjSG4euS6oYQoeCZaTukrXLZK1qfpaAYhPp8Y=",
    "pbkdf2_sha1$1000$seasalt2aX9$gJAy5P/y7StZm7xm+bQ4BqojUZ8=",
    "argon2$argon2id$v=19$m=64,t=2,p=2$c2Vhc2FsdDJhWDk$rA5/ytmzFslenOnNUzuSs/rlX60LhfeKFR+M4MY32QU",
    "scrypt$1024$seasalt2aX9$8$5$mYsg52HIIIKzWyUNDdMW1DF3TIzdNtCbs6iv7jPqOaSqP0eU1/5A4H79FtjR4XPLfk4ZmKbrMZSnap\
     PtIHEiFA==",
    "9fe58e1c9c52bfa59127440a628b7ddb:d5be60e1331ad14d03db391e6c2c94b053a034ffdfc6b4f7374d83d0c9f7f9d6393b0d694d\
     a8ada6d509533d1b6b70f458f4a4dc1b42217daa501d9bdfe4ea9f",
];

/// Keycloak's credentials for [`PASSWORD`]. The keys were computed with Python's hashlib and argon2-cffi, with
/// the parameters and the forms of Keycloak 26 and, last, 7.
fn keycloak() -> [String; 6] {
    let nested = |algorithm: &str, more: &str, iterations: u32, key: &str| {
        let secret =
            format!(r#"{{"value":"{key}","salt":"AAECAwQFBgcICQoLDA0ODw==","additionalParameters":{{}}}}"#);
        let data = format!(
            r#"{{"hashIterations":{iterations},"algorithm":"{algorithm}","additionalParameters":{{{more}}}}}"#
        );
        serde_json::json!({ "id": "x", "type": "password", "createdDate": 1, "secretData": secret, "credentialData": data })
            .to_string()
    };
    let sha1 = "ouWGKl1dcPW39Wgw8+7CdNJJAOeP8BBXjVXUmsVQCwFuLznZ+bsza5DD+xISbtUXHk2GxDJwYf15R/Mo3snxwg==";
    let sha256 = "vx+iReXI4m30lDS0mkshvY0veziDZ8ZGy54Jy9Ho8NnhNGFQGCh+NFVuQr312rafvxlRgeyAqwagiYabwDTcCw==";
    let sha512 = "W7uQ+dVutDtIm81RWrwTGtPKYcco/84kXCaoPaheE4mdXjJfenVo8oC5MTsuXAIWZeq/ej2xEgs2rqtufni+Jw==";
    let argon2 = r#""hashLength":["32"],"memory":["64"],"type":["id"],"version":["1.3"],"parallelism":["1"]"#;
    let second = format!(r#"[{{"type":"otp"}},{}]"#, nested("pbkdf2-sha512", "", 1000, sha512));
    [
        nested("pbkdf2", "", 1000, sha1),
        nested("pbkdf2-sha256", "", 1000, sha256),
        second,
        nested("argon2", argon2, 2, "Yr4U4dM+2N2MhjIl8bwq3Y10KyYQQ87ie/P3fo78JgU="),
        format!(
            r#"{{"secret_data":{{"value":"{sha256}","salt":"AAECAwQFBgcICQoLDA0ODw=="}},"credential_data":{{"hashIterations":1000,"algorithm":"pbkdf2-sha256"}}}}"#
        ),
        format!(
            r#"{{"type":"password","hashedSaltedValue":"{sha256}","salt":"AAECAwQFBgcICQoLDA0ODw==","hashIterations":1000,"counter":0,"algorithm":"pbkdf2-sha256"}}"#
        ),
    ]
}

/// From the tests of ASP.NET Core's `PasswordHasher`: versions 2 and 3, for "my password".
const ASP_NET: [&str; 2] = [
    "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==",
    "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
];

fn imported(text: &str) -> Result<String, UnsupportedHash> {
    ImportedHash::parse(text).map(|hash| hash.to_stored(COST).unwrap())
}

fn typed(text: &str) -> Password {
    Password::typed(text.to_owned())
}

#[test]
fn a_hash_of_each_system_verifies_once_and_is_to_be_replaced() {
    let ours = STORED.into_iter().map(str::to_owned).chain(keycloak()).map(|text| (PASSWORD, text));
    let theirs = ASP_NET.into_iter().map(|text| ("my password", text.to_owned()));
    for (password, text) in ours.chain(theirs) {
        let kept = imported(&text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert!(kept.starts_with('$'), "{kept}");
        assert_eq!(
            verify(&typed(password), Some(&kept), COST),
            Verified { ok: true, rehash: true },
            "{text}"
        );
        let wrong = Verified { ok: false, rehash: false };
        assert_eq!(verify(&typed(&password[1..]), Some(&kept), COST), wrong, "{text}");
        // What is stored can be exported and imported again, and is recognized as imported.
        assert_eq!(imported(&kept).as_deref(), Ok(&*kept));
        assert!(ImportedHash::parse(&text).is_ok_and(|hash| hash.made(&kept)));
    }
}

#[test]
fn damaged_hashes_are_refused() {
    let unknown = Err(UnsupportedHash::Unknown);
    for text in STORED.into_iter().chain(ASP_NET) {
        // The length of a key in a PHC string is free.
        if !text.contains('$') || !text.starts_with(['$', 'a']) {
            assert_eq!(imported(&text[..text.len() - 4]), unknown, "{text}");
        }
        for damaged in [&text[..text.len() / 2], &format!("{text}$"), &format!("{text}!"), &text[1..]] {
            assert_eq!(imported(damaged), unknown, "{damaged}");
        }
    }
    for text in keycloak() {
        assert_eq!(imported(&text[..text.len() - 1]), unknown);
        assert_eq!(imported(&text.replace("alt", "aalt")), unknown, "{text}");
        assert_eq!(imported(&text.replace("lgorithm", "lg")), unknown, "{text}");
    }
    for (text, right, wrong) in [
        (STORED[0], "sha256", "sha3"),
        (STORED[0], "1000", "+1000"),
        (STORED[3], "1024", "1023"),
        (STORED[5], "m=64", "m=4294967296"),
        (STORED[5], "m=64,t=2", "t=2,m=64"),
        (STORED[5], "p=2", "p=2,keyid=AAAA"),
        (STORED[5], "v=19", "v=20"),
        (STORED[5], "argon2id", "argon2x"),
        // A salt and a key that are too short.
        (STORED[8], "c2FsdHlzYWx0", "c2FsdA"),
        (STORED[13], "4N1FpHAjSG4euS6oYQoeCZaTukrXLZK1qfpaAYhPp8Y=", "4N1FpHAj"),
        (STORED[13], "seasalt2aX9", ""),
        // A hash function that does not exist, and a salt that is longer than the rest.
        (ASP_NET[1], "AQAAAAEA", "AQAAAAMA"),
        (ASP_NET[1], "AAAAEAAB", "AAAA8AAB"),
    ] {
        assert!(text.contains(right), "{text}");
        assert_eq!(imported(&text.replace(right, wrong)), unknown, "{text}: {wrong}");
    }
}

#[test]
fn parameters_beyond_the_bounds_are_refused_with_the_bounds() {
    let of = |text: &str, right: &str, value: &str| imported(&text.replace(right, value));
    for (text, right, most, more) in [
        (STORED[0], "1000", "10000000", "10000001"),
        (STORED[12], "ln=10", "ln=18", "ln=19"),
        (STORED[12], "ln=10,r=8,p=1", "ln=4,r=8,p=32768", "ln=4,r=8,p=32769"),
        (STORED[12], "ln=10,r=8,p=1", "ln=21,r=1,p=2", "ln=22,r=1,p=1"),
        (STORED[12], "ln=10,r=8,p=1", "ln=1,r=1,p=2097152", "ln=1,r=1,p=4294967295"),
        (STORED[12], "r=8", "r=2048", "r=4294967295"),
        // Where N is small, what is beside its blocks is most of the memory.
        (STORED[12], "ln=10,r=8,p=1", "ln=1,r=400000,p=2", "ln=1,r=524288,p=2"),
        (STORED[0], "1000", "1000", "2147483648"),
        (STORED[12], "ln=10", "ln=1", "ln=0"),
        (STORED[12], "ln=10", "ln=2", "ln=255"),
        (STORED[12], "r=8", "r=1", "r=0"),
        (STORED[12], "p=1", "p=2", "p=0"),
        (STORED[5], "m=64", "m=262144", "m=262145"),
        (STORED[5], "t=2", "t=16384", "t=16385"),
        (STORED[5], "t=2", "t=1", "t=0"),
        (STORED[5], "p=2", "p=8", "p=9"),
        (STORED[5], "m=64,t=2,p=2", "m=65536,t=2,p=64", "m=65536,t=2,p=65"),
        (STORED[5], "p=2", "p=1", "p=0"),
        (STORED[5], "p=2", "p=1", "p=4294967295"),
        (STORED[0], "1000", "1000", "999"),
        (STORED[4], "32768", "262144", "524288"),
    ] {
        assert!(of(text, right, most).is_ok(), "{most}");
        let refused = of(text, right, more);
        assert!(matches!(refused, Err(UnsupportedHash::AbsurdParameters(_))), "{more}: {refused:?}");
    }
    // What systems use by default now, or may soon.
    for (digest, iterations, key) in [
        ("sha256", 1_200_000, 32),
        ("sha256", 3_000_000, 32),
        ("sha512", 210_000, 64),
        ("sha512", 5_000_000, 64),
        ("sha1", 1_300_000, 20),
    ] {
        let key = STANDARD_NO_PAD.encode(vec![7; key]);
        let text = format!("$pbkdf2-{digest}$i={iterations}$c2FsdHNhbHQ${key}");
        assert_eq!(imported(&text).as_deref(), Ok(&*text));
    }
    let key = STANDARD_NO_PAD.encode([7; 64]);
    let refused = imported(&format!("$pbkdf2-sha512$i=5000001$c2FsdHNhbHQ${key}"));
    assert!(matches!(refused, Err(UnsupportedHash::AbsurdParameters(_))), "{refused:?}");
    // A key of two blocks takes the iterations twice.
    let two = |iterations: &str| imported(&keycloak()[1].replace("1000", iterations));
    assert!(two("5000000").is_ok());
    assert_eq!(
        two("5000001").map_err(|why| why.to_string()).err().as_deref(),
        Some(
            "The hash has absurd parameters; what can be imported is PBKDF2 from 1,000 to 10,000,000 iterations \
             (SHA-512: 5,000,000), times the blocks of its key."
        )
    );
}

#[test]
fn a_stored_hash_beyond_the_bounds_is_never_computed() {
    let kept = imported(STORED[5]).unwrap().replace("m=64", "m=4294967295");
    assert_eq!(verify(&typed(PASSWORD), Some(&kept), COST), Verified { ok: false, rehash: false });
}

proptest! {
    #[test]
    fn parsing_and_bounding_never_panic(text in any::<String>(), numbers in any::<[u32; 3]>(), log in any::<u8>()) {
        drop(DerivedKey::parse(&text));
        let [a, b, c] = numbers;
        for text in [
            format!("$scrypt$ln={log},r={a},p={b}$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"),
            format!("$argon2id$v=19$m={a},t={b},p={c}$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"),
            format!("$pbkdf2-sha1$i={a}$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"),
        ] {
            let key = DerivedKey::parse(&text).unwrap();
            let within = key.check_cost().is_ok();
            // No slower than bcrypt at the greatest cost that is imported.
            let most = 1 << *crate::auth::legacy_hashes::COSTS.end();
            prop_assert!(!within || key.memory() <= MAX_SCRYPT_MEMORY && key.rounds() <= most);
            prop_assert_eq!(key.to_string(), text);
        }
    }
}
