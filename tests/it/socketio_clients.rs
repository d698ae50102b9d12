//! Real Socket.IO clients: `socket.io-client`, python-socketio, and the page of an older application.
//! Scenarios are files of `tests/node/socketio` and `tests/python`.

use crate::support::programs::{self, Needs};
use crate::support::scenario::{self, Stage};

/// The clock stands still, or jumps by minutes: neither is silence. The libraries measure real time.
const PATIENT: [(&str, &str); 2] = [("sockets.heartbeat", "10m"), ("socketio.ping_timeout", "10m")];

async fn node(scenario: &str, transport: &str) {
    let script = scenario::node(&format!("socketio/{scenario}.mjs"), "socket.io-client");
    let Some(mut script) = script else { return };
    script.arg(transport);
    Stage::open(&PATIENT).await.play(script).await;
}

async fn python(scenario: &str, transport: &str) {
    let works = "import importlib.metadata, socketio, requests, websocket; \
                 assert importlib.metadata.version('python-socketio').startswith('5.')";
    let needs = Needs::Pip("'python-socketio[client]==5.18.1'");
    let script = scenario::python(&format!("{scenario}.py"), works, needs);
    let Some(mut script) = script else { return };
    script.arg(transport);
    // Its threads may miss each other when a connection ends, and find out after one heartbeat.
    Stage::open(&[]).await.play(script).await;
}

macro_rules! by_every_transport {
    ($($transport:ident),+) => {
        $(mod $transport {
            const TRANSPORT: &str = stringify!($transport);

            #[actix_web::test]
            async fn a_client_asks_for_what_there_is() {
                super::node("talks", TRANSPORT).await;
            }

            #[actix_web::test]
            async fn there_is_one_namespace() {
                super::node("namespaces", TRANSPORT).await;
            }

            #[actix_web::test]
            async fn what_ends_a_sign_in_ends_its_clients() {
                super::node("ends", TRANSPORT).await;
            }

            #[actix_web::test]
            async fn a_client_outlives_its_token_by_another() {
                super::node("renews", TRANSPORT).await;
            }

            #[actix_web::test]
            async fn clients_come_back_after_a_restart() {
                super::node("returns", TRANSPORT).await;
            }

            #[actix_web::test]
            async fn a_python_client_asks_for_what_there_is() {
                super::python("talks", TRANSPORT).await;
            }

            #[actix_web::test]
            async fn what_ends_a_sign_in_ends_python_clients() {
                super::python("ends", TRANSPORT).await;
            }
        })+
    };
}

// The last begins with the first and changes to the second, as the libraries do by themselves.
by_every_transport!(polling, websocket, upgrade);

#[actix_web::test]
async fn the_page_of_an_older_application_works_from_its_own_origin() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(mut script) = scenario::node("socketio/page.mjs", "playwright-core") else { return };
    if !programs::node_module("socket.io-client") {
        return;
    }
    script.env("CHROMIUM", chromium);
    let settings = [PATIENT[0], PATIENT[1], ("sockets.allowed_origins", "http://app.example")];
    Stage::open(&settings).await.play(script).await;
}
