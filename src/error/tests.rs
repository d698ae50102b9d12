use actix_web::body::MessageBody;

use super::*;

fn answer(error: impl Into<ApiError>) -> (u16, String, HttpResponse) {
    let response = error.into().error_response();
    let status = response.status().as_u16();
    let (head, body) = response.into_parts();
    let text = String::from_utf8(body.try_into_bytes().unwrap().to_vec()).unwrap();
    (status, text, head.set_body(()).map_into_boxed_body())
}

#[test]
fn a_full_queue_says_when_to_come_back() {
    for error in [Error::Db(DbError::Full), Error::Hash(HashError::Full), Error::Db(DbError::Stopped)] {
        let (status, text, response) = answer(error);
        assert_eq!(status, 503);
        assert_eq!(response.headers().get("retry-after").unwrap(), &RETRY_AFTER.to_string());
        assert!(text.contains("\"code\":\"overloaded\""), "{text}");
    }
}

#[test]
fn a_cause_that_lies_with_the_server_is_not_shown() {
    let cause = diesel::result::Error::QueryBuilderError("SELECT secret FROM users".into());
    let (status, text, _) = answer(Error::Query(cause));
    assert_eq!(status, 500);
    assert!(!text.contains("secret"), "{text}");
}
