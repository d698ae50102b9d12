//! Every result equals that of the crate `bcrypt`, whatever shares the lanes.

use std::collections::HashMap;

use bcrypt_lanes::{Digest, Error, Finished, Hash, Id, Input, Lanes, Version};
use proptest::prelude::*;

/// What the crate computes, in its text.
fn expected(password: &[u8], cost: u32, salt: [u8; 16], version: bcrypt::Version) -> String {
    bcrypt::hash_with_salt(password, cost, salt).unwrap().format_for_version(version)
}

fn text(version: Version, cost: u32, salt: [u8; 16], digest: Digest) -> String {
    Hash::new(version, cost, salt, digest).unwrap().to_string()
}

/// Bytes that differ from each other, with NULs among them.
fn password(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 151 % 256).unwrap()).collect()
}

/// Computes all of them, each in the first lane that is free.
fn compute(inputs: &[Input], step: u32) -> Vec<Digest> {
    let mut lanes = Lanes::new();
    let (mut places, mut digests) = (HashMap::<Id, usize>::new(), vec![None; inputs.len()]);
    let mut waiting = inputs.iter().enumerate().peekable();
    while waiting.peek().is_some() || lanes.running() > 0 {
        while let Some((place, input)) = waiting.next_if(|_| lanes.running() < Lanes::WIDTH) {
            places.insert(lanes.start(input).unwrap(), place);
        }
        if let Some(Finished { id, digest }) = lanes.advance(step) {
            digests[places.remove(&id).unwrap()] = Some(digest);
        }
    }
    digests.into_iter().map(Option::unwrap).collect()
}

#[test]
fn every_cost_from_4_to_12() {
    let salt = *b"\0\x01\xfe\xffdoorward!!!!";
    let inputs: Vec<_> = (4..=12).map(|cost| Input::new(b"correct horse", cost, salt).unwrap()).collect();
    for (digest, cost) in compute(&inputs, 100).into_iter().zip(4..) {
        let wanted = expected(b"correct horse", cost, salt, bcrypt::Version::TwoB);
        assert_eq!(text(Version::B, cost, salt, digest), wanted);
    }
}

#[test]
fn every_length_to_beyond_the_limit_in_every_version() {
    let salt = [0xa5; 16];
    let inputs: Vec<_> = (0..=80).map(|length| Input::new(&password(length), 4, salt).unwrap()).collect();
    for (length, digest) in compute(&inputs, 16).into_iter().enumerate() {
        for (ours, theirs) in [
            (Version::A, bcrypt::Version::TwoA),
            (Version::B, bcrypt::Version::TwoB),
            (Version::Y, bcrypt::Version::TwoY),
        ] {
            let wanted = expected(&password(length), 4, salt, theirs);
            assert_eq!(text(ours, 4, salt, digest.clone()), wanted, "{length} bytes");
            let parsed: Hash = wanted.parse().unwrap();
            assert_eq!((parsed.version(), parsed.cost(), parsed.salt()), (ours, 4, salt));
            assert!(parsed.matches(&digest) && *parsed.digest() == digest);
            assert_eq!(parsed.input(&password(length)).digest(), digest);
            assert!(!parsed.matches(&parsed.input(b"another").digest()));
        }
    }
}

#[test]
fn nuls_count_wherever_they_are() {
    let salt = [7; 16];
    let passwords: Vec<&[u8]> = vec![b"", b"\0", b"\0\0", b"a", b"a\0", b"a\0b", b"\0a", &[0; 71], &[0; 72]];
    let inputs: Vec<_> = passwords.iter().map(|password| Input::new(password, 4, salt).unwrap()).collect();
    for (password, digest) in passwords.iter().zip(compute(&inputs, 3)) {
        let wanted = expected(password, 4, salt, bcrypt::Version::TwoB);
        assert_eq!(text(Version::B, 4, salt, digest), wanted, "{password:?}");
    }
}

/// Published with jBCrypt, and made with passlib 1.7.4.
#[test]
fn known_hashes() {
    for (password, hash) in [
        ("", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
        ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
        ("abcdefghijklmnopqrstuvwxyz", "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz."),
        ("plain bcrypt pw", "$2b$04$B4beOI9vm7FC0y7zWBAum.Luj1lhiTVGWIURRUcDBA.a2b45ni1JO"),
    ] {
        let parsed: Hash = hash.parse().unwrap();
        assert!(parsed.matches(&parsed.input(password.as_bytes()).digest()), "{hash}");
        assert_eq!(parsed.to_string(), hash);
    }
}

#[test]
fn what_is_not_a_hash_is_refused() {
    const GOOD: &str = "$2b$04$B4beOI9vm7FC0y7zWBAum.Luj1lhiTVGWIURRUcDBA.a2b45ni1JO";
    for cost in [0, 3, 32, 99] {
        assert_eq!(Input::new(b"x", cost, [0; 16]).unwrap_err(), Error::Cost(cost));
        let parsed = GOOD.replace("$04$", &format!("${cost:02}$")).parse::<Hash>();
        assert_eq!(parsed, Err(Error::Cost(cost)));
        assert_eq!(Hash::new(Version::B, cost, [0; 16], Digest::from([0; 23])), Err(Error::Cost(cost)));
    }
    for text in [
        "",
        &GOOD[..59],
        &format!("{GOOD}a"),
        &GOOD.replace("$2b$", "$2x$"),
        &GOOD.replace("$2b$", "$2$"),
        &GOOD.replace("$04$", "$+4$"),
        &GOOD.replace("$04$", "$4$"),
        &GOOD.replace('.', "="),
        &GOOD.replace('.', "é"),
        // Bits that are left over.
        &GOOD.replace("WBAum.", "WBAum/"),
        &GOOD.replace("ni1JO", "ni1JP"),
    ] {
        assert_eq!(text.parse::<Hash>(), Err(Error::Malformed), "{text}");
    }
}

#[test]
fn a_fifth_hash_waits_for_a_free_lane() {
    let input = Input::new(b"x", 4, [0; 16]).unwrap();
    let mut lanes = Lanes::new();
    assert_eq!(lanes.advance(1), None);
    for running in 0..Lanes::WIDTH {
        assert_eq!(lanes.running(), running);
        assert!(lanes.start(&input).is_some());
    }
    assert!(lanes.start(&input).is_none());
    // All of them are finished by the same round, and are returned one after the other.
    assert_eq!(lanes.advance(15), None);
    for running in (0..Lanes::WIDTH).rev() {
        assert!(lanes.advance(1).is_some());
        assert_eq!(lanes.running(), running);
    }
    assert_eq!(lanes.advance(1), None);
}

#[test]
fn nothing_secret_is_printed() {
    let input = Input::new(b"swordfish", 4, [0x61; 16]).unwrap();
    let mut lanes = Lanes::new();
    lanes.start(&input);
    let printed = format!("{input:?} {lanes:?} {:?}", input.digest());
    assert_eq!(printed, "Input { cost: 4, .. } Lanes { running: 1, .. } Digest(..)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Hashes of all costs and lengths start whenever a lane is free and by chance later, in steps of any size.
    #[test]
    fn any_mix_and_any_order_of_arrivals(
        inputs in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..80), 4_u32..8, any::<[u8; 16]>()), 1..16),
        steps in prop::collection::vec((1_u32..90, any::<bool>()), 1..40),
    ) {
        let (mut lanes, mut running) = (Lanes::new(), HashMap::new());
        let mut waiting = inputs.iter();
        let mut done = 0;
        for (step, start) in steps.iter().cycle() {
            if (*start || lanes.running() == 0) && lanes.running() < Lanes::WIDTH
                && let Some((password, cost, salt)) = waiting.next()
            {
                let id = lanes.start(&Input::new(password, *cost, *salt).unwrap()).unwrap();
                running.insert(id, expected(password, *cost, *salt, bcrypt::Version::TwoB));
            }
            if let Some(finished) = lanes.advance(*step) {
                let wanted: Hash = running.remove(&finished.id).unwrap().parse().unwrap();
                prop_assert!(wanted.matches(&finished.digest));
                done += 1;
            }
            prop_assert_eq!(lanes.running(), running.len());
            if done == inputs.len() {
                break;
            }
        }
    }

    /// Texts are accepted as the crate does, but for `$2x$`, a sign in the cost, and costs out of bounds.
    #[test]
    fn a_text_is_accepted_as_by_the_crate(text in "\\$2[abxy]\\$[0-3+][0-9]\\$[./A-Za-z0-9]{21}[.Oeu/][./A-Za-z0-9]{30}[.CGab]", other in any::<String>()) {
        let ours = text.parse::<Hash>();
        let theirs = text.parse::<bcrypt::HashParts>().ok().filter(|parts| {
            !text.starts_with("$2x$") && !text.contains('+') && (4..=31).contains(&parts.get_cost())
        });
        prop_assert_eq!(ours.is_ok(), theirs.is_some());
        if let (Ok(ours), Some(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.salt(), theirs.get_salt_raw());
            prop_assert_eq!(ours.to_string(), text);
        }
        prop_assert!(other.parse::<Hash>().is_err());
    }
}
