//! TLS for HTTP and TCP with one certificate, which may be renewed while the server runs.

use std::process::Command;
use std::sync::Arc;

use doorward::Config;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::app::{PASSWORD, TestApp};
use crate::support::callers::operator;
use crate::support::commands::converse;
use crate::support::programs::{self, Needs};
use crate::support::tcp::TcpClient;
use crate::support::time::PATIENCE;
use crate::support::tls::Identity;
use crate::support::tls::{client, post};
use crate::support::transports::LiveClient;

async fn connect(app: &TestApp, config: &Arc<ClientConfig>) -> std::io::Result<TcpClient> {
    let stream = TcpStream::connect(app.tcp).await?;
    let name = ServerName::try_from("localhost").unwrap();
    Ok(TcpClient::over(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?))
}

#[actix_web::test]
async fn http_and_tcp_speak_tls() {
    let identity = Identity::new();
    let app = identity.app().await;
    let config = client(&identity.cert);
    let body = json!({"username": "ann", "password": PASSWORD});
    let (status, grant) = post(&app, &config, "/api/register", body).await;
    assert_eq!(status, 201, "{grant}");

    let mut line = connect(&app, &config).await.unwrap();
    app.passing(line.sign_in("ann", PASSWORD, "")).await;
    app.passing(line.expect("Login successful!\n")).await;
    assert_eq!(line.next().await["type"], "welcome");
    line.ping().await;
    let mut by_token = connect(&app, &config).await.unwrap();
    by_token.expect("Username: ").await;
    by_token.present(grant["access_token"].as_str().unwrap()).await;
    assert_eq!(by_token.next().await["type"], "welcome");
    let user = grant["user"]["id"].as_str().unwrap().parse().unwrap();
    app.accounts.set_disabled(user, true, &operator()).await.unwrap();
    line.ends(4443).await;
    by_token.ends(4443).await;

    // Nothing is answered in plain text.
    let mut plain = TcpClient::connect(app.tcp).await;
    plain.say("ann\n").await;
    let told = plain.rest_lossy().await;
    assert!(!told.contains("Username") && told.starts_with("This port speaks TLS: "), "{told}");
}

#[actix_web::test]
async fn a_stalled_client_is_disconnected_under_tls_too() {
    let identity = Identity::new();
    let app = identity.app().await;
    let config = client(&identity.cert);
    let body = json!({"username": "ann", "password": PASSWORD});
    let (_, grant) = post(&app, &config, "/api/register", body).await;
    let user = grant["user"]["id"].as_str().unwrap().parse().unwrap();
    let mut stalled = connect(&app, &config).await.unwrap();
    stalled.expect("Username: ").await;
    stalled.present(grant["access_token"].as_str().unwrap()).await;
    stalled.next().await;
    stalled.flood(r#"{"type":"secret"}"#).await;
    app.accounts.set_disabled(user, true, &operator()).await.unwrap();
    let cut = async {
        while !stalled.is_cut().await {
            app.advance(std::time::Duration::from_secs(1));
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.expect("the connection is still there");
}

#[actix_web::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let identity = Identity::new();
    let app = identity.app().await;
    let (old, newcomer) = (client(&identity.cert), client(&identity.cert));
    let mut before = connect(&app, &old).await.unwrap();
    before.expect("Username: ").await;

    // A renewal of one file only is not used.
    let key = std::fs::read(&identity.key).unwrap();
    std::fs::write(&identity.key, "half a key").unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    connect(&app, &old).await.unwrap();
    std::fs::write(&identity.key, key).unwrap();

    identity.renew();
    let new = client(&identity.cert);
    let taken = async {
        while connect(&app, &new).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("the new certificate is not served");
    // A client that connected before may resume its TLS session; a new one does not see the old certificate.
    assert!(connect(&app, &newcomer).await.is_err(), "the old one is gone");
    let body = json!({"login": "nobody", "password": PASSWORD});
    assert_eq!(post(&app, &new, "/api/login", body).await.0, 401);
}

#[test]
fn plaintext_stays_on_this_machine() {
    for listen in ["0.0.0.0:12225", "192.0.2.7:1", "[::]:12225"] {
        let error = Config::from_pairs([("tcp.listen", listen)]).unwrap_err().to_string();
        assert!(error.contains("tcp.listen") && error.contains("only with tls.cert"), "{error}");
        let files = [("tcp.listen", listen), ("tls.cert", "c.pem"), ("tls.key", "k.pem")];
        assert!(Config::from_pairs(files).is_ok());
    }
    for (one, missing) in [("tls.cert", "tls.key"), ("tls.key", "tls.cert")] {
        let error = Config::from_pairs([(one, "x.pem")]).unwrap_err().to_string();
        assert!(error.starts_with(missing), "{error}");
    }
    for good in ["off", "127.0.0.9:1", "[::1]:5"] {
        assert!(Config::from_pairs([("tcp.listen", good)]).is_ok(), "{good}");
    }
}

#[actix_web::test]
async fn openssl_works_as_a_client() {
    let Some(openssl) = programs::command("openssl", Needs::Apt("openssl")) else { return };
    let identity = Identity::new();
    let app = identity.app().await;
    let body = json!({"username": "ann", "password": PASSWORD});
    post(&app, &client(&identity.cert), "/api/register", body).await;
    let client = |at_end_of_input: &str| {
        let mut command = Command::new(&openssl);
        command
            .args(["s_client", "-quiet", at_end_of_input, "-verify_return_error", "-servername", "localhost"])
            .arg("-CAfile")
            .arg(&identity.cert)
            .args(["-connect", &app.tcp.to_string()]);
        command
    };
    let password = format!("{PASSWORD}\n");
    let answers = [
        ("Username: ", "ann\n"),
        ("Password: ", &password),
        ("Login successful!\n", "{\"type\":\"secret\"}\n"),
        ("code\":\"", ""),
    ];
    let said = converse(&mut client("-no_ign_eof"), &answers).await;
    assert!(said.contains(r#"{"type":"secret","message":"ann, "#), "{said}");
    let said = converse(&mut client("-ign_eof"), &[("Username: ", "ann\n"), ("Password: ", "wrong\n")]).await;
    assert!(said.ends_with("Password: Login failed\n"), "{said}");
}
