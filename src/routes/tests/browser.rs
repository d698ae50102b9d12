use super::*;

fn login() -> Value {
    json!({"login": "ada", "password": PASSWORD, "cookie": true})
}

fn with_cookie(path: &str, cookie: &str) -> TestRequest {
    TestRequest::post().uri(path).insert_header(("Cookie", cookie.to_owned()))
}

#[actix_web::test]
async fn a_cookie_stands_in_for_the_refresh_token() {
    let api = start().await;
    api.register("ada").await;
    let answer = api.post("/api/login", login()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.json().get("refresh_token").is_none());
    let (cookie, whole) = (answer.cookie(), answer.header("set-cookie"));
    assert!(cookie.starts_with("doorward.8080=dwb_"), "{cookie}");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"] {
        assert!(whole.contains(part), "{part} in {whole}");
    }
    assert!(!whole.contains("Secure"));
    let token = api.call(with_cookie("/api/token", &cookie)).await;
    assert_eq!((token.status, token.cookie()), (200, cookie.clone()));
    let access = token.token("access_token");
    assert_eq!(api.get("/api/me", &access).await.status, 200);
    let out = api.call(with_cookie("/api/logout", &cookie)).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    assert_eq!(api.get("/api/me", &access).await.status, 401);
    let late = api.call(with_cookie("/api/token", &cookie)).await;
    assert_eq!(late.code(), (401, "not_signed_in".to_owned()));
    assert!(late.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(api.call(with_cookie("/api/logout", &cookie)).await.status, 204);
}

#[actix_web::test]
async fn under_https_the_cookie_is_bound_to_the_host() {
    let api = start_at("https://door.example.org/").await;
    api.register("ada").await;
    let answer = api.post("/api/login", login()).await;
    assert!(answer.cookie().starts_with("__Host-doorward=dwb_"));
    assert!(answer.header("set-cookie").contains("Secure"));
}

#[actix_web::test]
async fn other_sites_pages_cannot_use_it() {
    let api = start().await;
    api.register("ada").await;
    let cookie = api.post("/api/login", login()).await.cookie();
    let from = async |name: &'static str, value: &'static str| {
        api.call(with_cookie("/api/token", &cookie).insert_header((name, value))).await.status
    };
    assert_eq!(from("Sec-Fetch-Site", "cross-site").await, 403);
    assert_eq!(from("Sec-Fetch-Site", "same-site").await, 403);
    assert_eq!(from("Sec-Fetch-Site", "same-origin").await, 200);
    assert_eq!(from("Origin", "http://evil.example").await, 403);
    assert_eq!(from("Origin", "null").await, 403);
    assert_eq!(from("Origin", "http://localhost:8080").await, 200);
    assert_eq!(from("Origin", "https://app.example.org").await, 200);
    let out = with_cookie("/api/logout", &cookie).insert_header(("Origin", "http://evil.example"));
    assert_eq!(api.call(out).await.code(), (403, "cross_site".to_owned()));
    let planted = TestRequest::post().uri("/api/login").set_json(login());
    let planted = planted.insert_header(("Origin", "http://evil.example"));
    assert_eq!(api.call(planted).await.status, 403);
}

#[actix_web::test]
async fn a_refresh_token_is_no_cookie_and_the_other_way_round() {
    let api = start().await;
    let refresh = api.register("ada").await.token("refresh_token");
    let cookie = api.post("/api/login", login()).await.cookie();
    let value = cookie.strip_prefix("doorward.8080=").unwrap();
    for wrong in [refresh.clone(), refresh.replace("dwr_", "dwb_")] {
        assert_eq!(api.call(with_cookie("/api/token", &format!("doorward.8080={wrong}"))).await.status, 401);
    }
    for wrong in [value.to_owned(), value.replace("dwb_", "dwr_")] {
        assert_eq!(api.post("/api/refresh", json!({"refresh_token": wrong})).await.status, 401);
    }
    assert_eq!(api.call(TestRequest::post().uri("/api/token")).await.status, 401);
    assert_eq!(api.call(TestRequest::post().uri("/api/logout")).await.status, 401);
}
