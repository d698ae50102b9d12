//! The client library with room tokens, against the real application and over both transports.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_client::{Client, Event, Reconnect, Session, TokenProvider};
use doorward_core::rooms::RevokedTokens;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::app::PASSWORD;
use crate::support::callers::operator;
use crate::support::room_tokens::{Backend, seconds, written};
use crate::support::time::PATIENCE;

async fn next(session: &mut Session) -> Event {
    timeout(PATIENCE, session.next()).await.expect("nothing happens").expect("the session is over")
}

/// The next event, which is a message of this type.
async fn reply(session: &mut Session, kind: &str) -> Value {
    match next(session).await {
        Event::Message(message) if message.kind() == kind => message.as_value().clone(),
        other => panic!("{other:?} instead of {kind}"),
    }
}

/// Gives these tokens in turn, then none.
fn giving(tokens: &Arc<Mutex<VecDeque<String>>>) -> TokenProvider {
    let tokens = Arc::clone(tokens);
    TokenProvider::new(move |room| {
        assert_eq!(room, "order:7");
        let token = tokens.lock().unwrap().pop_front();
        async move { token }
    })
}

#[actix_web::test]
async fn a_provider_keeps_a_session_in_its_room() {
    let backend = Backend::new();
    let app = backend.server().await;
    let ann = app.register("ann").await;
    for (jti, url) in [("ws", format!("ws://{}", app.address)), ("tcp", format!("tcp://{}", app.tcp))] {
        let mut session = Client::sign_in(&url, "ann", PASSWORD).await.unwrap().session();
        reply(&mut session, "welcome").await;
        let start = seconds(&app);
        let token =
            |exp: i64, jti: &str| backend.token(&app, &ann, "order:7", &json!({"exp": exp, "jti": jti}));
        let tokens = [token(start + 100, "first"), token(start + 500, jti), token(start + 600, "last")];
        let tokens = Arc::new(Mutex::new(VecDeque::from(tokens)));
        let id = session.join_with_provider("order:7", giving(&tokens)).unwrap();
        let joined = reply(&mut session, "joined").await;
        assert_eq!((&joined["id"], &joined["until"]), (&json!(id), &json!(written(start + 100))));
        app.advance(Duration::from_secs(50));
        assert_eq!(reply(&mut session, "expiring").await["room"], "order:7");
        assert_eq!(reply(&mut session, "joined").await["until"], written(start + 500));

        let revoked = RevokedTokens::One(jti.into());
        app.accounts.revoke_room_tokens(revoked, &operator()).await.unwrap();
        let Event::RoomLeft(left) = next(&mut session).await else { panic!("it has not left") };
        assert_eq!((&*left.code, left.rejoin), ("revoked", Reconnect::NewToken));
        assert_eq!(reply(&mut session, "joined").await["until"], written(start + 600));
        assert_eq!(session.joined_rooms().collect::<Vec<_>>(), ["order:7"]);
        assert!(tokens.lock().unwrap().is_empty());

        session.leave("order:7").unwrap();
        reply(&mut session, "left").await;
        session.join_with_provider("order:7", giving(&tokens)).unwrap();
        let Event::RoomLeft(left) = next(&mut session).await else { panic!("there is no token") };
        assert_eq!((&*left.code, left.rejoin), ("no_token", Reconnect::Never));
        session.join_with_token("order:7", token(start + 600, "fixed")).unwrap();
        reply(&mut session, "joined").await;
    }
}
