//! The `OpenAPI` document, judged by programs that others would use with it.

use std::process::{Command, Output};

use actix_web::http::Method;
use actix_web::web;
use doorward_core::domain::KeyScope;
use serde_json::Value;

use crate::support::app::{TestApp, spawn_with};
use crate::support::programs::{self, Needs};

/// Reads responses with the schemas of the document, and requests that it does not allow.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Checks that do not fit: what the server accepts is narrower than what a schema can say (a right password, say).
const ALWAYS: &str = "positive_data_acceptance,negative_data_rejection";

/// The same, and that a wrong cookie is refused: with one that is not valid a browser is signed out already.
const LAST: &str = "positive_data_acceptance,negative_data_rejection,ignored_auth";

async fn app() -> TestApp {
    spawn_with(&[
        ("limits.sign_in", "off"),
        ("limits.register", "off"),
        ("limits.forgot_password", "off"),
        ("limits.links", "off"),
        ("limits.refresh", "off"),
        ("limits.password_strength", "off"),
        ("limits.export", "off"),
        ("limits.bad_tokens", "off"),
    ])
    .await
}

async fn run(mut command: Command) -> Output {
    web::block(move || command.output()).await.unwrap().unwrap()
}

fn all_output(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[actix_web::test]
async fn every_answer_is_as_the_document_says() {
    let Some(schemathesis) = programs::command("schemathesis", Needs::Pip(SCHEMATHESIS)) else { return };
    let app = app().await;
    let ann = app.register("ann").await;
    // After one of these the token of all later requests is refused: they come last.
    let ending = ["logout", "revokeLogins", "revokeLogin", "deleteAccount", "changePassword"];
    for is_last in [false, true] {
        // The server API has a test of its own.
        let reports = tempfile::tempdir().unwrap();
        let mut command = Command::new(&schemathesis);
        command
            .current_dir(reports.path())
            .args(["run", &app.url("/api/openapi.json"), "--url", &app.url("")])
            .args(["--exclude-checks", if is_last { LAST } else { ALWAYS }])
            .args([
                "--phases",
                "examples,coverage,fuzzing",
                "--max-examples",
                "10",
                "--generation-deterministic",
            ])
            .args(["--request-timeout", "30", "--continue-on-failure"])
            .args(["-H", &format!("Authorization: Bearer {}", ann.access)]);
        if !is_last {
            command.args(["--exclude-path-regex", "^/api/(admin/|introspect|revoke)"]);
        }
        for operation in ending {
            let argument = if is_last { "--include-operation-id" } else { "--exclude-operation-id" };
            command.args([argument, operation]);
        }
        let output = run(command).await;
        assert!(output.status.success(), "{}", all_output(&output));
    }
}

#[actix_web::test]
async fn every_answer_to_a_backend_is_as_the_document_says() {
    let Some(schemathesis) = programs::command("schemathesis", Needs::Pip(SCHEMATHESIS)) else { return };
    let app = app().await;
    app.register_with_email("ann", "ann@example.org").await;
    let all: Vec<&str> = KeyScope::ALL.iter().flat_map(|scope| ["--scope", scope.as_str()]).collect();
    let key = super::api_keys::key(&app, &all).await;
    let reports = tempfile::tempdir().unwrap();
    let mut command = Command::new(&schemathesis);
    command
        .current_dir(reports.path())
        .args(["run", &app.url("/api/openapi.json"), "--url", &app.url("")])
        .args(["--include-path-regex", "^/api/(admin/|introspect|revoke)", "--exclude-checks", ALWAYS])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--generation-deterministic"])
        .args(["--request-timeout", "90", "--continue-on-failure"])
        .args(["-H", &format!("Authorization: Bearer {key}")]);
    let output = run(command).await;
    assert!(output.status.success(), "{}", all_output(&output));
}

#[actix_web::test]
async fn typescript_types_made_of_the_document_compile() {
    let Some(generator) = programs::command("openapi-typescript", Needs::NpmOpenApi) else { return };
    let app = app().await;
    let dir = tempfile::tempdir().unwrap();
    let document = app.call(Method::GET, "/api/openapi.json", &[], None).await.expect(200);
    assert_eq!(document.body["servers"][0]["url"], "http://doorward.example");
    std::fs::write(dir.path().join("openapi.json"), document.text).unwrap();
    let compiler = generator.with_file_name("tsc");
    let mut generate = Command::new(generator);
    generate.current_dir(dir.path()).args(["openapi.json", "-o", "api.ts"]);
    let output = run(generate).await;
    assert!(output.status.success(), "{}", all_output(&output));

    std::fs::write(
        dir.path().join("client.ts"),
        r#"
import type { components, paths } from "./api.js";
type SignIn = paths["/api/login"]["post"]["responses"]["200"]["content"]["application/json"];
export const token = (answer: SignIn): string => answer.access_token;
export const body: components["schemas"]["LoginRequest"] = { login: "alice", password: "plum tree" };
export const problem = (answer: components["schemas"]["Problem"]): string => answer.code;
"#,
    )
    .unwrap();
    let mut compile = Command::new(compiler);
    compile.current_dir(dir.path()).args(["--strict", "--noEmit", "--module", "nodenext", "client.ts"]);
    let output = run(compile).await;
    assert!(output.status.success(), "{}", all_output(&output));
}

#[actix_web::test]
async fn the_reference_page_shows_every_operation() {
    let app = app().await;
    let document = app.call(Method::GET, "/api/openapi.json", &[], None).await.expect(200).body;
    let page = app.call(Method::GET, "/docs", &[("accept", "text/html")], None).await.expect(200).text;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            let title = format!("<span class=\"verb\">{method}</span> <code>{path}</code>");
            assert!(page.contains(&title), "{title}");
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{title}");
        }
    }
    assert!(page.contains("api key with users:write or api key with roles:write or access token"));
    assert!(!page.contains("<script"), "a page without script");
    assert!(document["components"]["schemas"]["Problem"] != Value::Null);
}
