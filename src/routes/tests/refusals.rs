use super::*;

#[actix_web::test]
async fn bodies_that_are_not_understood_are_told_apart() {
    let api = start().await;
    let send = async |kind: &'static str, body: &str| {
        let request = TestRequest::post().uri("/api/register").insert_header(("Content-Type", kind));
        api.call(request.set_payload(body.to_owned())).await.code()
    };
    let json = "application/json";
    assert_eq!(send("text/plain", "{}").await, (415, "not_json".to_owned()));
    assert_eq!(send(json, "{").await, (400, "bad_json".to_owned()));
    assert_eq!(send(json, "{}").await, (422, "invalid_username".to_owned()));
    assert_eq!(send(json, r#"{"username": 1}"#).await, (422, "invalid_username".to_owned()));
    assert_eq!(send(json, r#"{"username": "ada"}"#).await, (422, "invalid_password".to_owned()));
    let email = format!(r#"{{"username": "ada", "password": "{PASSWORD}", "email": "x"}}"#);
    assert_eq!(send(json, &email).await, (422, "invalid_email".to_owned()));
    let long = format!(r#"{{"username": "{}"}}"#, "a".repeat(MAX_BODY));
    assert_eq!(send(json, &long).await, (413, "too_large".to_owned()));
    assert_eq!(send("application/json; charset=utf-8", "{}").await.0, 422);
}

#[actix_web::test]
async fn a_weak_password_is_refused_with_reasons() {
    let api = start().await;
    for password in ["password1", "margaretta 99 teapot", "my Doorward password"] {
        let body = json!({"username": "Margaretta", "password": password});
        let answer = api.post("/api/register", body).await;
        assert_eq!(answer.code(), (422, "weak_password".to_owned()), "{password}");
        assert_eq!(answer.json()["field"], "password");
        assert!(!answer.json()["suggestions"].as_array().unwrap().is_empty());
        assert!(!answer.text.contains(password));
    }
}

#[actix_web::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let api = start().await;
    for path in ["/nothing", "/api", "/api/register/x", "/%ff", "/api/logins/7/8"] {
        assert_eq!(api.get(path, "").await.code(), (404, "not_found".to_owned()), "{path}");
    }
    let wrong = api.get("/api/register", "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "POST"));
    let wrong = api.send(Method::PUT, "/api/me", "", None).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET, HEAD, PATCH, DELETE"));
    let access = api.register("ada").await.token("access_token");
    for path in ["/api/logins/not-an-id", "/api/logins/%00", "/api/logins/%ff"] {
        assert_eq!(api.send(Method::DELETE, path, &access, None).await.status, 404, "{path}");
    }
    for query in ["?except=others", "?except=%ff", "?except=current&except=current"] {
        let path = format!("/api/logins{query}");
        assert_eq!(api.send(Method::DELETE, &path, &access, None).await.status, 400, "{path}");
    }
    assert_eq!(api.get("/api/me", &access).await.status, 200);
}

#[actix_web::test]
async fn what_is_no_access_token_opens_nothing() {
    let api = start().await;
    let user = api.register_with("ada", "ada@example.org").await;
    let link = api.mint(Purpose::ResetPassword, &id_of(&user), "ada@example.org").await;
    let access = user.token("access_token");
    for wrong in [user.token("refresh_token"), link, String::new(), format!("{access}x"), "a.b.c".to_owned()]
    {
        let answer = api.get("/api/me", &wrong).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"));
    }
    for value in ["Basic YTpi", "Bearer", access.as_str(), "bearer\t"] {
        let request = TestRequest::get().uri("/api/me").insert_header(("Authorization", value));
        assert_eq!(api.call(request).await.code(), (401, "unauthorized".to_owned()), "{value}");
    }
    assert_eq!(api.call(TestRequest::get().uri("/api/logins")).await.status, 401);
}

#[actix_web::test]
async fn health_and_key_routes_answer() {
    let api = start().await;
    assert_eq!(api.get("/healthz", "").await.json(), json!({"status": "ok"}));
    assert_eq!(api.get("/readyz", "").await.status, 200);
    api.readiness.drain();
    let draining = api.get("/readyz", "").await;
    assert_eq!(draining.status, 503);
    assert!(!draining.header("retry-after").is_empty());
    assert_eq!(api.get("/healthz", "").await.status, 200);
    let keys = api.get("/.well-known/jwks.json", "").await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert!(api.get("/", "").await.text.contains("http://localhost:8080/api/register"));
}
