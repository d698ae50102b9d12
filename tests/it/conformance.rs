//! RFC 6455, case by case: the transport behind an echo, judged by kosoku (the Autobahn test suite's cases).

use std::process::Command;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, StreamHandler, WrapFuture};
use actix_web::error::ErrorBadRequest;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use doorward::transports::websocket::{
    self, Incoming, Limits, Message, ProtocolError, WebSocket, WebsocketContext,
};

use crate::support::programs::{self, Needs};

const LARGEST: usize = 16 << 20;

/// Sends back what comes, over the transport that sessions use.
struct Echo(WebSocket);

impl Actor for Echo {
    type Context = WebsocketContext<Self>;
}

impl StreamHandler<Result<Message, ProtocolError>> for Echo {
    fn handle(&mut self, item: Result<Message, ProtocolError>, context: &mut Self::Context) {
        match self.0.incoming(item) {
            Incoming::Heard => {}
            Incoming::Message(message) => {
                self.0.write(&message).expect("the outbox holds the largest message");
            }
            Incoming::Left | Incoming::Broken => context.stop(),
            Incoming::Refused(reason) => {
                let frames = context.handle();
                context.cancel_future(frames);
                self.0.write_close(Some((reason.code(), reason.sentence())));
                if let Some(discard) = self.0.discard() {
                    context.spawn(discard.into_actor(self).map(|(), _, context| context.stop()));
                }
            }
        }
    }
}

async fn echo(request: HttpRequest, payload: web::Payload) -> actix_web::Result<HttpResponse> {
    let limits = Limits { first_frame: LARGEST, frame: LARGEST, fragments: 1 << 20, outbox: 2 * LARGEST };
    websocket::open(&request, payload, limits, None, Echo).map_err(ErrorBadRequest)
}

#[actix_web::test]
async fn every_autobahn_case_passes() {
    let Some(kosoku) = programs::command("kosoku", Needs::Pip("kosoku==0.1.0")) else { return };
    let server = HttpServer::new(|| App::new().route("/", web::get().to(echo)))
        .workers(1)
        .disable_signals()
        .client_disconnect_timeout(std::time::Duration::ZERO)
        .bind(("127.0.0.1", 0))
        .unwrap();
    let url = format!("ws://{}/", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);

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
    handle.stop(false).await;
}
