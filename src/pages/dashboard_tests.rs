//! The account page with samples: its sections, lists and notices.

use askama::Template;

use super::tests::{LANGUAGES, english, errors, values};
use super::*;
use crate::accounts::{AuditAction, DoneBy, OwnEvent, Page};
use doorward_core::domain::DeviceKind;

/// An event from an address and a device that call themselves `text`.
fn event(action: &str, text: &str) -> OwnEvent {
    OwnEvent {
        id: String::new(),
        at: crate::clock::Timestamp::default(),
        last_at: None,
        count: 3,
        action: action.to_owned(),
        outcome: if action == "signed_in" { "succeeded" } else { "failed" }.to_owned(),
        reason: Some("locked".to_owned()),
        by: DoneBy::Administrator,
        address: Some(text.to_owned()),
        user_agent: Some(text.to_owned()),
    }
}

fn activity<'a>(frame: Frame<'a>, text: &str) -> Vec<ActivityRow<'a>> {
    let actions = ["signed_in", "sign_in_failed", "from_another_version"];
    actions.map(|action| ActivityRow::new(frame, event(action, text))).into()
}

/// A device of each kind; the page is shown on the first.
fn device_rows<'a>(frame: Frame<'a>, text: &str) -> Vec<DeviceRow<'a>> {
    let at = Moment(crate::clock::Timestamp::default());
    let device = |kind: DeviceKind| DeviceRow {
        frame,
        id: format!("{text}{}", kind.as_str()),
        kind,
        device: text.to_owned(),
        address: text.to_owned(),
        last_seen: at,
        since: at,
        current: kind == DeviceKind::Desktop,
        online: kind == DeviceKind::Desktop,
    };
    [DeviceKind::Desktop, DeviceKind::Phone, DeviceKind::Tablet, DeviceKind::Terminal, DeviceKind::App]
        .map(device)
        .into()
}

/// The page of a user called `text`.
pub(super) fn dashboard<'a>(
    frame: Frame<'a>,
    text: &'a str,
    refused: Option<(Section, &'a FormErrors)>,
) -> Dashboard<'a> {
    // Its menu of languages is in the profile.
    let frame = Frame { menu: None, ..frame };
    let at = Moment(crate::clock::Timestamp::default());
    let connection = |transport| ConnectionRow {
        frame,
        device: text.to_owned(),
        transport,
        address: text.to_owned(),
        since: at,
    };
    let part = |word, total| ListPart::parse(Some(word)).within(total);
    let (devices, connections) =
        (("devices", part("2", 140)), ("connections", ListPart::parse(None).within(60)));
    let pages = (Pager::new(frame, devices, connections), Pager::new(frame, connections, devices));
    Dashboard {
        frame,
        notice: refused.is_none().then_some(Notice::ProfileSaved),
        username: text,
        display_name: text,
        email: Some(text),
        email_verified: false,
        pending_email: None,
        language: Some("de"),
        found: LANGUAGES.find("de"),
        languages: LANGUAGES.all().collect(),
        min_password: 8,
        password_changed: Some(at),
        devices: device_rows(frame, text),
        device_pages: pages.0,
        activity: activity(frame, text),
        more_activity: true,
        connections: vec![connection("websocket"), connection("socketio"), connection("tcp")],
        connection_pages: pages.1,
        connect: Some(format!("doorward connect {text}")),
        secret_card: refused.is_none(),
        open: None,
        refused,
        typed: text,
    }
}

#[test]
fn a_long_list_has_links_to_its_other_pages() {
    let html = dashboard(english(), "ada", None).render().unwrap();
    assert!(html.contains("51 to 100 of 140") && html.contains("Show all <span data-slot=\"total\">60"));
    let links: Vec<&str> = values(&html, "href").into_iter().filter(|link| link.contains('?')).collect();
    assert_eq!(
        links,
        [
            "/id/dashboard?activity=all#activity",
            "/id/dashboard?devices=all#devices",
            "/id/dashboard?devices=all#devices",
            "/id/dashboard?devices=3#devices",
            "/id/dashboard?connections=all&#38;devices=2#connections",
        ]
    );
    let last = Page::number(usize::MAX).within(101);
    assert_eq!((last.number, last.pages(), last.skipped()), (3, 3, 100));
    assert_eq!(Page::number(0).within(0), Page { number: 1, total: 0 });
    let (few, none) = (ListPart::parse(None).within(10), ListPart::parse(Some("all")).within(0));
    let few = Pager::new(english(), ("devices", few), ("connections", none)).render().unwrap();
    assert!(few.contains("id=\"devices-more\" hidden") && !few.contains("<nav"), "all are shown: {few}");
    assert_eq!(ListPart::parse(Some("x")), ListPart::parse(None));
    assert_eq!((ListPart::parse(None).size(), ListPart::parse(Some("all")).size()), (10, 50));
}

#[test]
fn a_notice_is_in_the_section_that_changed() {
    for (notice, place) in [
        (Notice::PasswordChanged, "id=\"security-title\""),
        (Notice::LinkSentAgain, "id=\"profile-title\""),
        (Notice::OthersSignedOut, "id=\"devices-title\""),
        (Notice::Registered, "id=\"live-now\""),
    ] {
        let page = Dashboard { notice: Some(notice), ..dashboard(english(), "ada", None) };
        let html = page.render().unwrap();
        let (before, after) = html.split_once("<p class=\"notice\" role=\"status\">").unwrap();
        assert!(before.contains(place) && !after.contains(place), "{notice:?}");
        assert!(!after.contains("class=\"notice\" role"), "once: {notice:?}");
        let in_section = before.rsplit("<section").next().unwrap().contains(place);
        assert!(in_section || notice.section().is_none(), "{notice:?}");
    }
}

#[test]
fn what_happened_is_said_in_words() {
    for language in LANGUAGES.all() {
        let frame = Frame { language, ..english() };
        let said = |action: &str, reason: Option<&str>| {
            let event = OwnEvent { reason: reason.map(str::to_owned), ..event(action, "x") };
            let html = ActivityRow::new(frame, event).render().unwrap();
            html.split("<strong>").nth(1).unwrap().split("</strong>").next().unwrap().to_owned()
        };
        let other = said("from_another_version", None);
        let mut all = vec![other.clone()];
        for (action, reason) in [
            ("signed_in", None),
            ("sign_in_failed", None),
            ("sign_in_failed", Some("locked")),
            ("sign_in_failed", Some("disabled")),
            ("sign_in_failed", Some("email_not_verified")),
            ("confirmation_failed", Some("wrong_password")),
            ("refresh_reused", Some("reused")),
            ("password_guessed", None),
            ("roles_changed", None),
        ] {
            let words = said(action, reason);
            assert!(!all.contains(&words), "{}: {action} {reason:?}: {words}", language.tag());
            all.push(words);
        }
        assert_eq!(said("sign_in_failed", Some("wrong_password")), all[2]);
    }
    let html = dashboard(english(), "ada", None).render().unwrap();
    let activity = html.split("id=\"activity\"").nth(1).unwrap();
    assert!(activity.contains("by an administrator") && activity.contains("3 times"), "{activity}");
    assert!(activity.contains("/id/dashboard?activity=all#activity"), "{activity}");
    let none = Dashboard { activity: Vec::new(), more_activity: false, ..dashboard(english(), "ada", None) };
    let html = none.render().unwrap();
    assert!(html.contains("Nothing yet") && !html.contains("activity=all"));
}

#[test]
fn an_address_that_waits_can_be_sent_its_link_again() {
    let page = |email_verified, pending_email| {
        let page = Dashboard { email_verified, pending_email, ..dashboard(english(), "ada", None) };
        let html = page.render().unwrap();
        (html.contains("/dashboard/email/resend"), html.contains("/dashboard/email/cancel"))
    };
    assert_eq!(page(true, None), (false, false));
    assert_eq!(page(false, None), (true, false));
    assert_eq!(page(true, Some("new@example.org")), (true, true));
}

#[test]
fn the_link_to_the_section_of_a_refused_form_is_marked() {
    let errors = errors(&["current_password"]);
    for (section, id) in [
        (Section::Profile, "profile"),
        (Section::Email, "profile"),
        (Section::Password, "security"),
        (Section::Delete, "delete"),
    ] {
        let html = dashboard(english(), "ada", Some((section, &errors))).render().unwrap();
        assert_eq!(html.matches("aria-current=\"true\"").count(), 1);
        assert!(html.contains(&format!("href=\"#{id}\" aria-current=\"true\"")), "{section:?}");
        assert!(!html.contains("id=\"secret-card\""), "only if the configuration has it");
    }
}

#[test]
fn saving_the_form_keeps_the_tag_of_the_account() {
    for (tag, option) in [
        ("de", "<option value=\"de\" lang=\"de\" selected>Deutsch"),
        ("de-AT", "<option value=\"de-AT\" lang=\"de\" selected>Deutsch"),
        ("sv", "<option value=\"sv\" selected>sv"),
    ] {
        let page = dashboard(english(), "ann", None);
        let page = Dashboard { language: Some(tag), found: LANGUAGES.find(tag), ..page };
        let html = page.render().unwrap();
        assert!(html.contains(option), "no {option} in {html}");
        assert_eq!(html.matches(" selected>").count(), 1);
    }
}

#[test]
fn what_can_happen_to_an_account_has_a_message() {
    // Those of no account, or of one that is gone.
    let others = [
        "removed_unused",
        "invited",
        "invitation_revoked",
        "deleted",
        "keys_rotated",
        "room_closed",
        "limit_reached",
    ];
    for action in AuditAction::ALL.iter().map(|action| action.as_str()) {
        let key = format!("activity-{}", action.replace('_', "-"));
        let is_other = others.contains(&action) || action.starts_with("api_key_");
        assert_eq!(english().language.knows(&key), !is_other, "{key}");
    }
}
