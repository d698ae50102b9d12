use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn server(text: &str) -> SmtpServer {
    match url(text) {
        Ok(MailUrl::Smtp(server)) => server,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_url_names_server_encryption_and_credentials() {
    for (text, host, port, encryption) in [
        ("smtp://mail.example", "mail.example", 25, Encryption::None),
        ("smtp://mail.example/", "mail.example", 25, Encryption::None),
        ("smtp://mail.example:2525?tls=required", "mail.example", 2525, Encryption::Required),
        ("smtp://MAIL.example?tls=opportunistic", "mail.example", 587, Encryption::Opportunistic),
        ("smtps://bücher.example", "xn--bcher-kva.example", 465, Encryption::Implicit),
        ("smtps://[::1]:465?tls=required", "[::1]", 465, Encryption::Implicit),
        ("smtp://127.0.0.1:25", "127.0.0.1", 25, Encryption::None),
        (" smtp://mail_1:25 ", "mail_1", 25, Encryption::None),
    ] {
        let server = server(text);
        assert_eq!(
            (server.host.to_string().as_str(), server.port, server.encryption),
            (host, port, encryption)
        );
        assert_eq!(server.credentials, None);
    }
    for (text, user, password) in [
        ("smtps://u:p@h", "u", "p"),
        ("smtps://me@example.org:p%25s%2F%3f%23@h", "me@example.org", "p%s/?#"),
        ("smtps://u:p@ss:w@h", "u", "p@ss:w"),
        ("smtps://u:p%C3%A4ss ä@h", "u", "päss ä"),
    ] {
        assert_eq!(server(text).credentials, Some((user.to_owned(), password.to_owned())), "{text}");
        assert_eq!(format!("{:?}", server(text)), "smtp(***)");
    }
}

#[test]
fn an_unescaped_password_is_recognized() {
    for text in [
        "smtp://u:p%s@h",
        "smtp://u:100%@h",
        "smtp://u%zz:p@h",
        "smtp://u:%ff@h",
        "smtps://u:p#s@h",
        "smtps://u:12#s@h",
        "smtp://u:p/s@h:587",
        "smtp://u:12/s@h",
        "smtp://u:p?s@h",
        "smtp://u:12?s@h",
        "smtp://u:p@s/s@h",
        "smtp://u@example.org:p/s@h?tls=required",
    ] {
        assert_eq!(url(text), Err(ENCODE.to_owned()), "{text}");
    }
    for text in ["smtp://", "smtp:h", "mail.example:587", "http://h", "", "off", "smtps://:465"] {
        assert_eq!(url(text), Err(String::new()), "{text}");
    }
    for text in ["smtp://h?tls=yes", "smtp://h?tls", "smtps://h?tls=none", "smtp://h/name", "smtp://h#x"] {
        assert!(url(text).is_err_and(|why| !why.is_empty() && why != ENCODE), "{text}");
    }
    for text in ["smtp://h?tsl=required", "smtp://h?tls=required&x=1", "smtp://h?TLS=required"] {
        assert!(url(text).is_err_and(|why| why.contains("tls=required")), "{text}");
    }
}

#[test]
fn a_sender_that_needs_quotes_is_shown_with_them() {
    for (text, suggestion) in [
        ("Doorward, Inc. <a@b.org>", "\"Doorward, Inc.\" <a@b.org>"),
        ("Example: Door <a@b.org>", "\"Example: Door\" <a@b.org>"),
        ("Support (Billing) <a@b.org>", "\"Support (Billing)\" <a@b.org>"),
        ("a@b.org <a@b.org>", "\"a@b.org\" <a@b.org>"),
        ("Door; ward <a@b.org>", "\"Door; ward\" <a@b.org>"),
        ("[Door] <a@b.org>", "\"[Door]\" <a@b.org>"),
        ("A <B> <a@b.org>", "\"A <B>\" <a@b.org>"),
        ("Door\\ward <a@b.org>", "\"Door\\\\ward\" <a@b.org>"),
        ("The \"Door, <a@b.org>", "\"The \\\"Door,\" <a@b.org>"),
        ("Bücher, GmbH <a@b.org>", "\"Bücher, GmbH\" <a@b.org>"),
        ("\"Doorward <a@b.org>", "Doorward <a@b.org>"),
        ("Doorward <a@b.org", "Doorward <a@b.org>"),
        ("Doorward, Inc. <a@b.org", "\"Doorward, Inc.\" <a@b.org>"),
        ("<a@b.org> Doorward", "Doorward <a@b.org>"),
        ("a@b.org (Doorward)", "Doorward <a@b.org>"),
        ("<a@b.org", "a@b.org"),
        ("mailto:a@b.org", "a@b.org"),
        ("Doorward < a@b.org >", "Doorward <a@b.org>"),
    ] {
        match from(text) {
            Err(why) => {
                assert!(why.ends_with(&format!("; write {suggestion}")), "{text}: {why}");
            }
            other => panic!("{text}: {other:?}"),
        }
        assert_eq!(from(suggestion).unwrap().email.to_string(), "a@b.org", "{suggestion}");
    }
    for text in
        ["", "Doorward", "Doorward <>", "a@b@c", "<a@b.org", "Door\nward, Inc. <a@b.org>", "a@b.org, c@d.org"]
    {
        assert!(from(text).is_err(), "{text}");
    }
}

#[test]
fn a_sender_is_read_and_its_domain_is_written_in_a_labels() {
    for (text, name, address) in [
        ("a@b.org", None, "a@b.org"),
        (" <a@b.org> ", None, "a@b.org"),
        ("Doorward Inc. <a@b.org>", Some("Doorward Inc."), "a@b.org"),
        ("\"Doorward, Inc.\" <a@b.org>", Some("Doorward, Inc."), "a@b.org"),
        ("Bücher <info@Bücher.example>", Some("Bücher"), "info@xn--bcher-kva.example"),
    ] {
        let mailbox = from(text).unwrap();
        assert_eq!((mailbox.name.as_deref(), mailbox.email.to_string().as_str()), (name, address));
    }
}

#[test]
fn an_ehlo_name_is_a_domain_or_an_address_literal() {
    for (text, name) in [
        ("id.example.org", "id.example.org"),
        ("ID.Example.org.", "id.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("192.0.2.1", "[192.0.2.1]"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        ("[ipv6:2001:DB8::1]", "[IPv6:2001:db8::1]"),
        ("2001:db8::1", "[IPv6:2001:db8::1]"),
        ("::ffff:192.0.2.1", "[192.0.2.1]"),
    ] {
        assert_eq!(helo_name(text).unwrap().unwrap().to_string(), name, "{text}");
    }
    assert_eq!(helo_name(" ").unwrap(), None);
    for text in [
        "localhost",
        "mailer",
        "id.localhost",
        "host.localdomain",
        "a b.org",
        "a_b.org",
        "-a.org",
        "a..org",
        "[x]",
    ] {
        assert!(helo_name(text).is_err(), "{text}");
    }
}

#[test]
fn no_mailbox_is_suggested_whose_domain_cannot_be_encoded() {
    let why = from("<\u{1f48}@\u{113c2}").unwrap_err();
    assert!(!why.contains("; write "), "{why}");
}

proptest! {
    #[test]
    fn no_value_panics_and_every_suggestion_can_be_parsed(text in "\\PC{0,60}|[A-Za-z\"<>(),:@. ]{0,30}<a@b.org>?") {
        let _ = (url(&text), helo_name(&text));
        let why = from(&text).err().unwrap_or_default();
        if let Some((_, suggestion)) = why.split_once("; write ") {
            prop_assert!(from(suggestion).is_ok(), "{}", suggestion);
        }
    }

    #[test]
    fn an_encoded_password_is_decoded(password in "\\PC{1,20}") {
        let mut encoded = String::new();
        for byte in password.bytes() {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        let read = server(&format!("smtps://u:{encoded}@mail.example"));
        prop_assert_eq!(read.credentials, Some(("u".to_owned(), password)));
    }
}
