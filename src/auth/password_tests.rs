use super::*;
use super::{hash_here as hash, verify_here as verify};

const COST: u32 = 4;

thread_local! {
    /// Rounds of bcrypt on this thread.
    pub(super) static WORK: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

fn work_of(text: &str, stored: Option<&str>, cost: u32) -> u64 {
    WORK.set(0);
    assert!(!verify(&typed(text), stored, cost).ok);
    WORK.get()
}

fn typed(text: &str) -> Password {
    Password::typed(text.to_owned())
}

/// Made with passlib 1.7.4: `bcrypt_sha256.using(rounds=4, salt=..).hash("correct horse battery staple")`.
const PASSLIB: &str = "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$FtTPYAYB7Unzu5SXyz9NjYdCcMd8ay.";

#[test]
fn passlibs_hashes_verify_and_ours_are_the_same() {
    let password = typed("correct horse battery staple");
    assert_eq!(verify(&password, Some(PASSLIB), COST), Verified { ok: true, rehash: false });
    assert!(!verify(&typed("correct horse battery stapl"), Some(PASSLIB), COST).ok);
    let salt = BCRYPT_BASE64.decode("n79VH.0Q2TMWmt3Oqt9uku").unwrap().try_into().unwrap();
    let ours = run_here(async |requests| hash_salted(&requests, &password, COST, salt).await);
    assert_eq!(ours.unwrap(), PASSLIB);
    let long = "$bcrypt-sha256$v=2,t=2b,r=4$PgIKBd7/ICHX4F5Z13HKSu$44MbYtZw9wXJyko0dLTbfD4T1gVBCQm";
    assert!(verify(&typed(&format!("päss wörd {}", "x".repeat(90))), Some(long), COST).ok);
}

#[test]
fn no_byte_of_a_long_password_is_ignored() {
    let mut text = "a".repeat(100);
    let stored = hash(&typed(&text), COST).unwrap();
    assert!(verify(&typed(&text), Some(&stored), COST).ok);
    text.replace_range(90..91, "b");
    assert!(!verify(&typed(&text), Some(&stored), COST).ok);
}

#[test]
fn plain_bcrypt_verifies_and_is_to_be_replaced() {
    // Made with passlib 1.7.4: `bcrypt.using(rounds=4).hash("plain bcrypt pw")`.
    let plain = "$2b$04$B4beOI9vm7FC0y7zWBAum.Luj1lhiTVGWIURRUcDBA.a2b45ni1JO";
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let stored = plain.replace("$2b$", prefix);
        let wanted = Verified { ok: true, rehash: true };
        assert_eq!(verify(&typed("plain bcrypt pw"), Some(&stored), COST), wanted);
    }
    assert!(!verify(&typed("plain bcrypt px"), Some(plain), COST).ok);
}

#[test]
fn passlibs_first_version_verifies_and_is_to_be_replaced() {
    // Made with passlib 1.7.4: `bcrypt_sha256.using(rounds=4, version=1).hash(..)`, and with `ident="2a"`.
    for (text, stored) in [
        (
            "correct horse battery staple".to_owned(),
            "$bcrypt-sha256$2b,4$n79VH.0Q2TMWmt3Oqt9uku$dxdzZlEJklhw.YE7lK2ORyHpO1hSAna",
        ),
        (
            format!("päss wörd {}", "x".repeat(90)),
            "$bcrypt-sha256$2a,4$FsT/fNC.PAFfl4iJBlupqO$NQiCu8UruXlIbBeZtlvPlk5NYDY9rJe",
        ),
    ] {
        let wanted = Verified { ok: true, rehash: true };
        assert_eq!(verify(&typed(&text), Some(stored), COST), wanted);
        assert!(!verify(&typed(&text[..text.len() - 1]), Some(stored), COST).ok);
    }
}

#[test]
fn a_hash_of_the_characters_as_typed_verifies_and_is_to_be_replaced() {
    let (composed, decomposed) = ("cr\u{e8}me br\u{fb}l\u{e9}e", "cre\u{300}me bru\u{302}le\u{301}e");
    let old = hash(&typed(decomposed).as_typed().unwrap(), COST).unwrap();
    assert_eq!(verify(&typed(decomposed), Some(&old), COST), Verified { ok: true, rehash: true });
    // A hash of other characters matches only what was typed then.
    assert!(!verify(&typed(composed), Some(&old), COST).ok);
    let new = hash(&typed(decomposed), COST).unwrap();
    for text in [composed, decomposed] {
        assert_eq!(verify(&typed(text), Some(&new), COST), Verified { ok: true, rehash: false });
    }
    let plain = bcrypt::hash(decomposed, COST).unwrap();
    assert_eq!(verify(&typed(decomposed), Some(&plain), COST), Verified { ok: true, rehash: true });
    assert!(!verify(&typed("bru\u{302}le\u{301}e"), Some(&new), COST).ok);
}

#[test]
fn a_wrong_password_costs_what_a_name_without_an_account_costs() {
    for (text, forms) in [("wrong", 1), ("wro\u{308}ng", 2), ("\u{ff57}rong", 2), ("wr\u{f6}ng", 1)] {
        for cost in [COST, COST + 2] {
            let unknown = work_of(text, None, cost);
            assert_eq!(unknown, forms << cost, "{text}");
            assert_eq!(work_of(text, Some(PASSLIB), cost), unknown, "{text}");
            assert_eq!(work_of(text, Some("not understood"), cost), unknown, "{text}");
        }
    }
}

#[test]
fn a_cheap_key_of_another_system_is_filled_up_to_the_work_of_a_name_without_an_account() {
    // 10,000 iterations are worth 52 rounds, below the rounds of cost 6.
    let cheap = format!("$pbkdf2-sha256$i=10000$c2FsdA${}", "A".repeat(43));
    let done = work_of("wrong", Some(&cheap), COST + 2);
    assert!((1 << (COST + 2)) - done < 1 << MIN_COST, "{done}");
    assert_eq!(work_of("wrong", Some(&cheap), COST), 52);
}

#[test]
fn a_hash_of_another_cost_is_to_be_replaced() {
    let password = typed("correct horse battery staple");
    assert_eq!(verify(&password, Some(PASSLIB), COST + 1), Verified { ok: true, rehash: true });
}

#[test]
fn an_unknown_form_matches_no_password() {
    for stored in
        ["", "!", "$2b$04$short", "$2x$04$B4be", "$bcrypt-sha256$v=2,t=2b,r=99$x$y", &"$".repeat(60)]
    {
        assert!(!verify(&typed(""), Some(stored), COST).ok, "{stored}");
    }
    assert!(!verify(&typed(""), Some(&PASSLIB.replace("r=4", "r=1")), COST).ok);
    assert!(!verify(&typed("x"), None, COST).ok);
}
