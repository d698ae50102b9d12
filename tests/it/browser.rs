//! The pages in a real browser. A scenario is a file of `tests/node/browser`.

use crate::support::programs::{self, Needs};
use crate::support::scenario::{self, Stage};

async fn play(scenario: &str, settings: &[(&str, &str)]) {
    play_at("http://doorward.example", scenario, settings).await;
}

async fn play_at(url: &str, scenario: &str, settings: &[(&str, &str)]) {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(mut script) = scenario::node(&format!("browser/{scenario}.mjs"), "playwright-core") else {
        return;
    };
    let mut stage = Stage::open(settings).await;
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", url.replace("ADDRESS", &stage.address()));
    stage.play(script).await;
}

#[actix_web::test]
async fn one_user_registers_changes_everything_and_deletes_the_account() {
    play("accounts", &[]).await;
}

#[actix_web::test]
async fn a_sign_out_in_one_browser_closes_the_others() {
    play("devices", &[]).await;
}

#[actix_web::test]
async fn an_open_dashboard_outlives_its_token_and_a_restart() {
    // Opened under a loopback name, as on a developer's machine.
    // The clock jumps by minutes, which must not look like silence of that length.
    play_at("http://ADDRESS", "restart", &[("sockets.heartbeat", "10m")]).await;
}

#[actix_web::test]
async fn everything_but_the_live_part_works_without_a_script() {
    play("noscript", &[]).await;
}

#[actix_web::test]
async fn kept_emails_are_read_and_followed() {
    // They are shown under a loopback name only.
    let url = "http://localhost";
    play_at(url, "kept_mails", &[("mail.url", "preview"), ("public_url", url)]).await;
}

#[actix_web::test]
async fn a_page_under_another_address_works_or_says_what_to_do() {
    play("addresses", &[]).await;
}

#[actix_web::test]
async fn a_page_that_was_opened_over_http_says_that_its_address_is_https() {
    play_at("http://door.test", "https_required", &[("public_url", "https://id.example.org")]).await;
}

#[actix_web::test]
async fn an_app_on_another_origin_signs_its_users_in_on_our_pages() {
    play("app_return", &[("web.allowed_origins", "http://app.localhost")]).await;
}

#[actix_web::test]
async fn a_double_click_sends_a_form_once() {
    play("twice", &[]).await;
}

#[actix_web::test]
async fn long_lists_are_shown_in_parts() {
    play("lists", &[]).await;
}

#[actix_web::test]
async fn the_account_page_has_sections_and_its_forms_say_what_is_wrong() {
    play("account_page", &[]).await;
}

#[actix_web::test]
async fn a_form_is_kept_while_the_server_cannot_be_reached() {
    play("away", &[]).await;
}

#[actix_web::test]
async fn pages_are_legible_in_the_colour_of_any_brand() {
    for colour in ["#2f5fd0", "#f2c200", "#111111", "#f4f4f4"] {
        play("brand", &[("brand.name", "Harbour Chat"), ("brand.colour", colour)]).await;
    }
}

#[actix_web::test]
async fn every_page_is_accessible() {
    play("looks", &[]).await;
}

#[actix_web::test]
async fn the_client_keeps_its_promises() {
    play("client", &[]).await;
}

#[actix_web::test]
async fn a_page_of_an_allowed_origin_uses_the_api_and_no_other_page_does() {
    play("cross_origin", &[("web.allowed_origins", "http://app.example")]).await;
}

#[test]
fn the_scripts_types_hold() {
    if programs::command("node", Needs::Apt("nodejs")).is_none() || !programs::node_module("typescript") {
        return;
    }
    let root = env!("CARGO_MANIFEST_DIR");
    // Served from one directory, they are kept in two.
    let served = tempfile::tempdir().unwrap();
    for directory in ["src/pages/static", "clients/js"] {
        for file in std::fs::read_dir(format!("{root}/{directory}")).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "js") {
                std::fs::copy(&file, served.path().join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let output = std::process::Command::new(format!("{root}/tests/node/node_modules/.bin/tsc"))
        .args(["--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2022", "--module", "es2022"])
        .args(["--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable"])
        .args([
            "dashboard.js",
            "forms.js",
            "sections.js",
            "answers.js",
            "client.js",
            "doorward.js",
            "listeners.js",
            "live.js",
            "presence.js",
            "rooms.js",
            "store.js",
        ])
        .current_dir(served.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
