//! RFC 6455, case by case: the transport behind an echo, judged by kosoku (the Autobahn test suite's cases).

use std::process::Command;

use actix::{Actor, ActorContext, Context, StreamHandler};
use actix_web::error::ErrorBadRequest;
use actix_web::{HttpRequest, HttpResponse, web};
use doorward::Additions;
use doorward::internals::transports::websocket;
use doorward::internals::transports::websocket::Handshake;
use doorward::internals::transports::websocket::{Incoming, Limits, Socket};

use crate::support::app::spawn_embedded;
use crate::support::programs::{self, Needs};

const LARGEST: usize = 16 << 20;

/// Sends back what arrives, over the sockets that sessions use.
struct Echo(Socket);

impl Actor for Echo {
    type Context = Context<Self>;
}

impl StreamHandler<Incoming> for Echo {
    fn handle(&mut self, incoming: Incoming, context: &mut Self::Context) {
        match incoming {
            Incoming::Activity => {}
            Incoming::Message(message) => {
                self.0.write(&message).expect("the outbox holds the largest message");
            }
            Incoming::Left => context.stop(),
            Incoming::Refused(reason) => self.0.close(Some((reason.code(), reason.sentence()))),
        }
    }
}

async fn echo(request: HttpRequest) -> actix_web::Result<HttpResponse> {
    let limits = Limits { first_frame: LARGEST, frame: LARGEST, fragments: 1 << 20, outbox: 2 * LARGEST };
    let handshake = Handshake::parse(&request).map_err(ErrorBadRequest)?;
    Ok(websocket::open(handshake, limits, Echo))
}

#[actix_web::test]
async fn every_autobahn_case_passes() {
    let Some(kosoku) = programs::command("kosoku", Needs::Pip("kosoku==0.1.0")) else { return };
    let additions = Additions::default().routes(|table| {
        table.route("/autobahn", web::get().to(echo));
    });
    let app = spawn_embedded(&[], additions).await;
    let url = format!("ws://{}/autobahn", app.address);

    let reports = tempfile::tempdir().unwrap();
    // 12 and 13 are compression, which is not offered.
    let small = ["-x", "9.*", "-x", "12.*", "-x", "13.*"];
    let large = ["-i", "9.*"];
    for cases in [small.as_slice(), large.as_slice()] {
        let mut command = Command::new(&kosoku);
        command.arg(&url).args(["-p", "8", "-o"]).arg(reports.path()).args(cases);
        let output = web::block(move || command.output()).await.unwrap().unwrap();
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{report}");
        assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}
