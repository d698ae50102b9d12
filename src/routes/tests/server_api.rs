//! Which scope opens which route of the server API: the whole table.

use chrono::TimeDelta;

use super::*;
use crate::accounts::KeyRequest;
use crate::routes::admin::guard::ROUTES;
use doorward_core::domain::{KeyScope, KeyScopes};

async fn key<S>(api: &Api<S>, scopes: KeyScopes) -> String {
    let request = KeyRequest::new("test", scopes, None, &[]).unwrap();
    api.accounts.create_api_key(request, &operator()).await.unwrap().plain.expose()
}

/// It needs more scopes than the one that opens the route.
const EXPORT: &str = "/api/admin/users/{id}/export";

/// An address of the route, with an id that nothing has.
fn path(pattern: &str) -> String {
    pattern
        .replace("{id}", "0190f3c4-0000-7000-8000-000000000000")
        .replace("{login}", "0190f3c4-0000-7000-8000-000000000001")
}

/// A body that none of the routes understands, where the method has one.
fn body(method: &Method) -> Option<Value> {
    (method != Method::GET && method != Method::DELETE).then(|| json!({"unknown": true}))
}

#[actix_web::test]
async fn each_route_opens_for_its_scopes_and_no_other() {
    let api = start().await;
    let ann = api.register("ann").await.token("access_token");
    let mut opened = 0;
    for scope in KeyScope::ALL {
        let key = key(&api, [*scope].into_iter().collect()).await;
        for (method, pattern, scopes) in ROUTES {
            let answer = api.send(method.clone(), &path(pattern), &key, body(method)).await;
            if *pattern == EXPORT && scopes.contains(scope) {
                assert_eq!(answer.code(), (403, "insufficient_scope".to_owned()), "{scope} is not enough");
                opened += 1;
            } else if scopes.contains(scope) {
                assert!(
                    ![401, 403, 405].contains(&answer.status),
                    "{scope} {method} {pattern}: {}",
                    answer.text
                );
                opened += 1;
            } else {
                assert_eq!(
                    answer.code(),
                    (403, "insufficient_scope".to_owned()),
                    "{scope} {method} {pattern}"
                );
                let words: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", words.join(" "));
                assert_eq!(answer.header("www-authenticate"), challenge);
            }
        }
    }
    let wanted: usize = ROUTES.iter().map(|(_, _, scopes)| scopes.len()).sum();
    assert_eq!(opened, wanted);
    for (method, pattern, _) in ROUTES {
        let send =
            async |token: &str| api.send(method.clone(), &path(pattern), token, body(method)).await.code();
        assert_eq!(send("").await.0, 401, "{pattern}");
        assert_eq!(send("dwk_made_up").await, (401, "invalid_api_key".to_owned()), "{pattern}");
        assert_eq!(send(&ann).await, (403, "insufficient_scope".to_owned()), "{pattern}: an ordinary user");
    }
}

#[actix_web::test]
async fn nothing_of_the_server_api_answers_beside_its_table() {
    let api = start().await;
    let key = key(&api, KeyScopes::all()).await;
    for (_, pattern, _) in ROUTES {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if ROUTES.iter().any(|(known, other, _)| *known == method && other == pattern) {
                continue;
            }
            let answer = api.send(method.clone(), &path(pattern), &key, None).await;
            assert_eq!(answer.status, 405, "{method} {pattern}");
        }
    }
    for path in ["/api/admin", "/api/admin/nothing", "/api/admin/keys/not-an-id", "/api/admin/keys/1/2"] {
        assert_eq!(api.get(path, &key).await.status, 404, "{path}");
    }
}

#[actix_web::test]
async fn keys_that_ended_long_ago_are_deleted() {
    let api = start().await;
    let end = Clock::Manual(api.clock.clone()).now() + TimeDelta::hours(1);
    for expires_at in [Some(end), None, None] {
        let request = KeyRequest::new("test", KeyScopes::all(), expires_at, &[]).unwrap();
        api.accounts.create_api_key(request, &operator()).await.unwrap();
    }
    let keys = api.accounts.list_api_keys(None, 10).await.unwrap();
    let endless = keys.iter().find(|key| key.expires_at.is_none()).unwrap();
    api.accounts.revoke_api_key(endless.id, &operator()).await.unwrap();
    for (days, left) in [(29, 3), (2, 1)] {
        api.clock.advance(Duration::from_hours(24 * days));
        api.accounts.purge().await.unwrap();
        assert_eq!(api.accounts.list_api_keys(None, 10).await.unwrap().len(), left);
    }
}
