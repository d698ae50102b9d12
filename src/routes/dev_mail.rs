//! `/dev/mail`: the emails that were kept instead of sent, for developers who run Doorward on their own
//! machine.
//!
//! These emails hold links that sign people in. So this page responds only while `mail.url` is `preview`,
//! only to this machine, not through a proxy, and only under a loopback name: any other name may be an
//! attacker's that resolves to this machine (DNS rebinding), or the name of a proxy in front. All other
//! requests get 404.

use actix_web::http::header::{self, ContentType};
use actix_web::{HttpRequest, HttpResponse, web};

pub use super::kept_emails::DevMail;
use super::pages::{Visit, wants_page};
use crate::error::ApiError;
use crate::pages::DevMailPage;

/// The policy of the frame that shows an email's HTML: it may use its inline styles and its links may open a
/// page, nothing else.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; \
     sandbox allow-popups allow-popups-to-escape-sandbox";

/// Mounts the routes. They need `web::Data<DevMail>`.
pub fn configure(routes: &mut web::ServiceConfig) {
    routes
        .service(super::at("/dev/mail", "GET, HEAD").route(super::read().to(list)))
        .service(super::at("/dev/mail/{id}", "GET, HEAD").route(super::read().to(show)))
        .service(super::at("/dev/mail/{id}/html", "GET, HEAD").route(super::read().to(show_html)));
}

/// `GET /dev/mail`: the kept emails, newest first; a page for browsers, JSON for programs.
async fn list(req: HttpRequest, dev_mail: web::Data<DevMail>) -> Result<HttpResponse, ApiError> {
    let preview = dev_mail.for_request(&req)?;
    let emails = read(move || preview.list()).await?;
    match Visit::of(&req).filter(|visit| wants_page(&visit.request)) {
        Some(visit) => visit.page(&DevMailPage { frame: visit.frame(), emails: &emails }),
        None => Ok(HttpResponse::Ok().json(emails)),
    }
}

/// `GET /dev/mail/{id}`: one email as it would have been sent.
async fn show(
    req: HttpRequest,
    id: web::Path<String>,
    dev_mail: web::Data<DevMail>,
) -> Result<HttpResponse, ApiError> {
    let preview = dev_mail.for_request(&req)?;
    let mail = read(move || preview.read(&id)).await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(mail))
}

/// `GET /dev/mail/{id}/html`: its HTML as a mail program shows it.
async fn show_html(
    req: HttpRequest,
    id: web::Path<String>,
    dev_mail: web::Data<DevMail>,
) -> Result<HttpResponse, ApiError> {
    let preview = dev_mail.for_request(&req)?;
    let html = read(move || preview.read_html(&id)).await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((header::CONTENT_SECURITY_POLICY, MAIL_POLICY))
        // Opens links outside the frame, as a mail program opens them outside of itself.
        .body(html.replacen("<head>", "<head><base target=\"_blank\">", 1)))
}

async fn read<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let done = web::block(work).await.map_err(|error| ApiError::internal(&error))?;
    done.map_err(|error| ApiError::internal(&format_args!("cannot read the kept emails: {error}")))
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};

    use super::*;
    use crate::config::Config;
    use crate::mail::preview::Preview;

    async fn status(
        mail_url: &str,
        peer: &str,
        headers: &[(&'static str, &str)],
        path: &str,
    ) -> (u16, String) {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::from_pairs([
            ("data_dir", dir.path().to_str().unwrap()),
            ("mail.url", mail_url),
            ("public_url", "https://id.example"),
        ])
        .unwrap();
        let preview = Preview::open(dir.path().join("mail")).unwrap();
        preview
            .keep("20261122-verify_email-1", b"Subject: =?utf-8?q?h=C3=A9?=\r\n\r\nhi\r\nhttp://l/1\r\n")
            .unwrap();
        let app = test::init_service(
            App::new().app_data(web::Data::new(DevMail::new(&config))).configure(configure),
        )
        .await;
        let mut req = test::TestRequest::get().uri(path).peer_addr(peer.parse().unwrap());
        for header in headers {
            req = req.append_header(*header);
        }
        let response = test::call_service(&app, req.to_request()).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
    }

    const HERE: &str = "127.0.0.1:5";
    const LOCALHOST: (&str, &str) = ("Host", "localhost:8080");

    #[actix_web::test]
    async fn this_machine_sees_kept_emails() {
        let (code, body) = status("preview", HERE, &[LOCALHOST], "/dev/mail").await;
        assert_eq!(code, 200);
        let emails: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(emails[0]["id"], "20261122-verify_email-1");
        assert_eq!(emails[0]["subject"], "hé");
        assert_eq!(emails[0]["links"][0], "http://l/1");
        let (code, body) = status("preview", HERE, &[LOCALHOST], "/dev/mail/20261122-verify_email-1").await;
        assert_eq!(code, 200);
        assert!(body.starts_with("Subject: "));
        let (code, body) =
            status("preview", HERE, &[LOCALHOST], "/dev/mail/20261122-verify_email-1/html").await;
        assert!(code == 200 && body.contains("http://l/1"), "{body}");
        for (peer, host) in [
            ("[::1]:5", "[::1]:80"),
            ("[::ffff:127.0.0.1]:5", "127.0.0.1"),
            (HERE, "127.9.9.9:1"),
            (HERE, "LOCALHOST"),
        ] {
            assert_eq!(status("preview", peer, &[("Host", host)], "/dev/mail").await.0, 200, "{peer} {host}");
        }
    }

    #[actix_web::test]
    async fn no_other_client_sees_that_the_page_exists() {
        let refused = [
            ("smtp://localhost", HERE, vec![LOCALHOST]),
            ("preview", "192.0.2.7:5", vec![LOCALHOST]),
            ("preview", HERE, vec![("Host", "evil.example")]),
            // The host of public_url.
            ("preview", HERE, vec![("Host", "id.example")]),
            ("preview", HERE, vec![("Host", "0.0.0.0")]),
            ("preview", HERE, vec![("Host", "10.0.0.1")]),
            ("preview", HERE, vec![("Host", "")]),
            ("preview", HERE, vec![LOCALHOST, ("Host", "id.example")]),
            ("preview", HERE, vec![("Host", "localhost.evil.example")]),
            ("preview", HERE, vec![]),
            ("preview", HERE, vec![LOCALHOST, ("X-Forwarded-For", "127.0.0.1")]),
            ("preview", HERE, vec![LOCALHOST, ("Forwarded", "for=127.0.0.1")]),
        ];
        for (mail_url, peer, headers) in refused {
            for path in
                ["/dev/mail", "/dev/mail/20261122-verify_email-1", "/dev/mail/20261122-verify_email-1/html"]
            {
                let (code, body) = status(mail_url, peer, &headers, path).await;
                assert_eq!(code, 404, "{mail_url} {peer} {headers:?} {path}");
                assert!(body.contains("not_found"));
            }
        }
        for id in ["..%2F..%2Fetc%2Fpasswd", "nothing", "%2e%2e", "a%00b"] {
            assert_eq!(
                status("preview", HERE, &[LOCALHOST], &format!("/dev/mail/{id}")).await.0,
                404,
                "{id}"
            );
        }
    }
}
