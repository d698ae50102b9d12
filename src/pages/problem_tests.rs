//! Every error that a page can show has a message.

use super::tests::{LANGUAGES, frame_in};
use crate::accounts::Error as E;
use crate::actors::db::DbError;
use crate::actors::hasher::HashError;
use crate::error::ApiError;
use doorward_core::domain::{DisplayName, Email, Password, Username, WeakPassword};

/// An error of each kind that a page can meet. The compiler asks for a new one here.
fn sample(error: &E) -> bool {
    match error {
        E::Invalid(_)
        | E::WeakPassword(_)
        | E::UsernameTaken
        | E::UsernameLooksTaken
        | E::UsernameReserved
        | E::EmailHeld
        | E::InvalidCredentials
        | E::TooManyAttempts { .. }
        | E::WrongPassword
        | E::RegistrationClosed
        | E::InvitationRequired
        | E::InvalidInvitation
        | E::EmailNotVerified
        | E::ChooseAccount { .. }
        | E::InvalidLink
        | E::InvalidCookie
        | E::NotFound
        | E::Db(_)
        | E::Hash(_)
        | E::Query(_) => true,
        // Of the API alone.
        E::InvalidCode
        | E::InvalidRefreshToken
        | E::Token(_)
        | E::LastAdmin
        | E::ApiKey(_)
        | E::Admin(_)
        | E::DamagedKey(_)
        | E::Randomness(_)
        | E::Signing(_) => false,
    }
}

#[test]
fn every_error_that_a_page_can_show_has_a_message_in_every_language() {
    let long = "x".repeat(300);
    let mut errors: Vec<E> =
        ["", "-a", "a b", &long].map(|name| Username::parse(name).unwrap_err().into()).into();
    let names = ["", "a\u{202e}b", "a\u{200b}b", "a\u{fff9}b", &long];
    errors.extend(names.map(|name| DisplayName::parse(name).unwrap_err().into()));
    errors.extend(
        [Password::chosen("a".to_owned(), 8), Password::chosen(long.clone(), 8)]
            .map(|p| p.unwrap_err().into()),
    );
    errors.push(Email::parse("x").unwrap_err().into());
    let wait = std::time::Duration::from_secs(90);
    errors.extend([
        E::UsernameTaken,
        E::UsernameLooksTaken,
        E::UsernameReserved,
        E::EmailHeld,
        E::InvalidCredentials,
        E::TooManyAttempts { retry_after: wait },
        E::WrongPassword,
        E::RegistrationClosed,
        E::InvitationRequired,
        E::InvalidInvitation,
        E::EmailNotVerified,
        E::ChooseAccount { usernames: vec![] },
        E::InvalidLink,
        E::InvalidCookie,
        E::NotFound,
    ]);
    errors.extend([E::Db(DbError::Full), E::Db(DbError::Panicked), E::Hash(HashError::Full)]);
    assert!(errors.iter().all(sample));
    let problems: Vec<_> =
        errors.into_iter().map(|error| (format!("{error:?}"), ApiError::from(error))).collect();
    let general = |tag: &str| LANGUAGES.find(tag).unwrap().text("error-other").to_string();
    for tag in ["en", "de", "ar"] {
        for (name, error) in &problems {
            let detail = frame_in(tag).detail(error);
            assert!(
                !detail.contains('⟨') && !detail.contains('{') && detail != general(tag),
                "{name}: {detail}"
            );
        }
        for reason in WeakPassword::REASONS {
            assert!(
                frame_in(tag).language.knows(&format!("rating-{}", reason.replace('_', "-"))),
                "{reason}"
            );
        }
        for code in WeakPassword::SUGGESTIONS {
            assert!(
                frame_in(tag).language.knows(&format!("rating-suggest-{}", code.replace('_', "-"))),
                "{code}"
            );
        }
    }
}

#[test]
fn a_wait_is_said_in_the_language() {
    let wait = std::time::Duration::from_secs(90);
    let limited = ApiError::too_many_requests("", wait);
    assert_eq!(
        frame_in("de").detail(&limited),
        "Zu viele Anfragen aus deinem Netz. Versuch es in 90 Sekunden noch einmal."
    );
}
