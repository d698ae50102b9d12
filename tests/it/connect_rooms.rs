//! `doorward connect` in rooms: in scripts, and at a terminal.

use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp, spawn_on};
use crate::support::connect::{Script, command, ended, run, text, url};
use crate::support::rooms::{CHAT, join, send, with_rooms};
use crate::support::terminal::{at_terminal, sign_in, typed};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

crate::support::transports::on_json_transports!(
    a_script_joins_says_and_hears,
    rooms_are_joined_again_after_a_restart,
    a_user_chats_at_a_terminal,
);

async fn a_script_joins_says_and_hears<C: LiveClient>() {
    let app = with_rooms(&[("rooms.user.send", "anyone")]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut other = WebSocketClient::live(&app, &bob).await;
    join(&mut other, "chat:lobby").await;
    let mut script = Script::with_password::<C>(&app).await;
    script.say("join chat:lobby\nsay chat:lobby hello  you\n").await;
    assert_eq!(
        script.hear("joined").await,
        json!({"type": "joined", "id": 1, "room": "chat:lobby", "can": ["send"]})
    );
    assert_eq!(script.hear("sent").await["id"], 2);
    assert_eq!(other.next().await["data"], json!({"text": "hello  you"}));
    other.ask(json!({"type": "send", "user": ann.id, "data": {"text": "psst"}})).await;
    assert_eq!(script.hear("message").await["from"]["username"], "bob");
    // Bob has written: the name is enough.
    script.say(&format!("tell bob back\ntell {} again\nrooms\nleave chat:lobby\n", bob.id)).await;
    for answer in ["sent", "sent", "rooms", "left"] {
        script.hear(answer).await;
    }
    for expected in ["back", "again"] {
        assert_eq!(other.next().await["data"]["text"], expected);
    }
    script.ends(0).await;

    let script = command(&[&url::<C>(&app), "--username", "ann"]);
    let input =
        format!("{PASSWORD}\njoin chat:lobby\njoin order:1\nrooms\nsay chat:lobby x\nleave chat:lobby\n");
    let output = run(script, &input).await;
    ended(&output, 0, "");
    let said = text(&output.stdout);
    let lines: Vec<_> = said.lines().skip(1).collect();
    let refused = "error unknown_room: there are no rooms of this kind";
    assert_eq!(
        lines,
        ["Joined chat:lobby.", refused, "chat:lobby", "sent to chat:lobby", "Left chat:lobby."]
    );
    let script = command(&[&url::<C>(&app), "--username", "ann"]);
    ended(
        &run(script, &format!("{PASSWORD}\nsay chat:lobby\n")).await,
        2,
        "line 1: the command is `say ROOM TEXT`",
    );
}

async fn rooms_are_joined_again_after_a_restart<C: LiveClient>() {
    let mut app = with_rooms(&[]).await;
    app.register("ann").await;
    app.register("bob").await;
    let mut script = Script::with_password::<C>(&app).await;
    // As it is, and by the command: both are remembered.
    script.say("{\"type\":\"join\",\"room\":\"chat:a\"}\njoin chat:b\n").await;
    script.hear("joined").await;
    script.hear("joined").await;
    let (address, tcp) = (app.address.to_string(), app.tcp.to_string());
    app.stop().await;
    script.hear("goodbye").await;
    let TestApp { data, mail, clock, .. } = app;
    let settings = [&CHAT[..], &[("http.listen", &address), ("tcp.listen", &tcp)]].concat();
    let app = spawn_on(&settings, data, mail, clock).await;
    script.hear("welcome").await;
    let again = script.hear("joined").await;
    let rooms: Vec<&Value> =
        again["rooms"].as_array().unwrap().iter().map(|outcome| &outcome["room"]).collect();
    assert_eq!(rooms, ["chat:a", "chat:b"]);
    let mut other = WebSocketClient::live(&app, &app.login("bob").await).await;
    join(&mut other, "chat:b").await;
    send(&mut other, "chat:b", json!("hello again")).await;
    assert_eq!(script.hear("message").await["data"], "hello again");
    script.ends(0).await;
}

async fn a_user_chats_at_a_terminal<C: LiveClient>() {
    let app = with_rooms(&[]).await;
    app.register("ann").await;
    let bob = app.register("bob").await;
    let mut other = WebSocketClient::live(&app, &bob).await;
    join(&mut other, "chat:lobby").await;
    let terminal = sign_in::<C>(&app).await;
    let terminal = typed(terminal, |terminal| {
        terminal.types("join chat:lobby");
        terminal.sees("Joined chat:lobby.");
        // The room is completed, and the line goes on.
        terminal.presses("say chat:l\thello\r");
        terminal.sees("sent to chat:lobby");
        terminal.presses("half a li");
        terminal.sees("half a li");
    })
    .await;
    assert_eq!(other.next().await["data"], json!({"text": "hello"}));
    let hostile = json!({"text": "hi \u{1b}[2J\u{202e}you"});
    send(&mut other, "chat:lobby", hostile).await;
    at_terminal(move || {
        let mut terminal = terminal;
        let before = terminal.sees("chat:lobby  bob: hi \\u{1b}[2J");
        assert!(!before.contains("\x1b[2J"), "{before:?}");
        let after = terminal.sees("you");
        assert!(!after.contains('\u{202e}'), "{after:?}");
        terminal.sees("> half a li");
        terminal.presses("\x15quit\r");
        terminal.ends(0);
    })
    .await;
}
