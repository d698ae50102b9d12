//! A mail server for tests: it speaks enough SMTP (RFC 5321) for a real conversation and keeps what it gets.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mail_parser::MessageParser;
use socket2::{Domain, Socket, Type};

use crate::support::time::{PATIENCE, now, pause};

/// An email as it arrived over the wire.
#[derive(Debug, Clone)]
pub struct Caught {
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The message as it was sent, dots unstuffed.
    pub raw: String,
}

impl Caught {
    /// The addresses that stand on a line of their own.
    pub fn links(&self) -> Vec<String> {
        self.text.lines().filter(|line| line.starts_with("http")).map(|line| line.trim().to_owned()).collect()
    }

    /// What follows `/page/` in the email's link.
    pub fn token(&self, page: &str) -> String {
        let mark = format!("/{page}/");
        let links = self.links();
        let token = links.iter().find_map(|link| link.split_once(&mark)).map(|(_, token)| token.to_owned());
        token.unwrap_or_else(|| panic!("no {page} link in {links:?}"))
    }
}

#[derive(Default)]
struct Shared {
    caught: Mutex<Vec<Caught>>,
    /// The code that answers RCPT; 0 accepts.
    refusal: AtomicU16,
    attempts: AtomicUsize,
    stalled: AtomicBool,
    closed: AtomicBool,
    /// What is answered instead, by command; an empty answer is a closed connection.
    answers: Mutex<HashMap<&'static str, &'static str>>,
    /// What EHLO names besides.
    offers: Mutex<Vec<&'static str>>,
    /// All commands that came, and `greeting` for each connection.
    commands: Mutex<Vec<String>>,
}

/// Listens on a port of its own until it is dropped.
pub struct SmtpCatcher {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl SmtpCatcher {
    pub fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").expect("a port is free"))
    }

    /// An address at which nothing listens yet, kept free for a later catcher.
    pub fn reserve() -> Reserved {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port is free");
        Reserved(socket)
    }

    /// On an address that was just left, such as a dropped catcher's.
    pub fn start_at(address: SocketAddr) -> Self {
        Self::listen(TcpListener::bind(address).expect("the port is free again"))
    }

    fn listen(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("it listens");
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if theirs.closed.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&theirs);
                // A client that leaves in the middle is no error of the server's.
                thread::spawn(move || drop(converse(stream, &shared)));
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For `mail.url`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Refuses recipients with 451 ("come again") or takes them.
    pub fn set_refusing(&self, refusing: bool) {
        self.refuse_with(if refusing { 451 } else { 0 });
    }

    /// Refuses recipients with this code; 0 takes them.
    pub fn refuse_with(&self, code: u16) {
        self.shared.refusal.store(code, Ordering::SeqCst);
    }

    /// Answers a command (`greeting` and `END`, the end of a message, are some too) in this way from now on. An empty
    /// answer closes the connection; none is the usual one again.
    pub fn answer(&self, command: &'static str, answer: Option<&'static str>) {
        let mut answers = self.shared.answers.lock().expect("no catcher thread panicked");
        match answer {
            Some(answer) => answers.insert(command, answer),
            None => answers.remove(command),
        };
    }

    /// What EHLO names besides 8BITMIME.
    pub fn offer(&self, features: &[&'static str]) {
        *self.shared.offers.lock().expect("no catcher thread panicked") = features.to_vec();
    }

    /// All commands that came, and `greeting` for each connection.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().expect("no catcher thread panicked").clone()
    }

    /// Holds every answer to DATA back while set.
    pub fn set_stalled(&self, stalled: bool) {
        self.shared.stalled.store(stalled, Ordering::SeqCst);
    }

    /// Recipients that were named so far, refused ones too.
    pub fn attempts(&self) -> usize {
        self.shared.attempts.load(Ordering::SeqCst)
    }

    pub fn caught(&self) -> Vec<Caught> {
        self.shared.caught.lock().expect("no catcher thread panicked").clone()
    }

    /// The emails once there are `n`; panics after [`PATIENCE`].
    pub async fn wait_for(&self, n: usize) -> Vec<Caught> {
        let deadline = now() + PATIENCE;
        loop {
            let caught = self.caught();
            if caught.len() >= n {
                return caught;
            }
            assert!(now() < deadline, "{} of {n} mails came: {caught:#?}", caught.len());
            pause().await;
        }
    }

    /// The token of the newest link to `page`, once there is one; panics after [`PATIENCE`].
    pub async fn link_token(&self, page: &str) -> String {
        let deadline = now() + PATIENCE;
        let mark = format!("/{page}/");
        loop {
            let newest = self.caught().into_iter().rev().find(|mail| mail.text.contains(&mark));
            if let Some(mail) = newest {
                return mail.token(page);
            }
            assert!(now() < deadline, "no {page} link came");
            pause().await;
        }
    }

    /// Waits until `n` recipients were named, taken or not.
    pub async fn wait_for_attempts(&self, n: usize) {
        let deadline = now() + PATIENCE;
        while self.attempts() < n {
            assert!(now() < deadline, "{} of {n} attempts", self.attempts());
            pause().await;
        }
    }
}

/// Bound, so that no other test gets the port, but not listening: a client that connects is refused.
pub struct Reserved(Socket);

impl Reserved {
    /// For `mail.url`.
    pub fn url(&self) -> String {
        let address = self.0.local_addr().expect("it is bound").as_socket().expect("it is IP");
        format!("smtp://{address}")
    }

    pub fn start(self) -> SmtpCatcher {
        self.0.listen(16).expect("it is bound");
        SmtpCatcher::listen(self.0.into())
    }
}

impl Drop for SmtpCatcher {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the listening thread, which then leaves and frees the port.
        drop(TcpStream::connect(self.address));
    }
}

fn converse(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    let mut conversation = Conversation { out, shared, from: String::new(), to: Vec::new() };
    conversation.note("greeting");
    match conversation.told("greeting") {
        Some("") => return Ok(()),
        answer => conversation.say(answer.unwrap_or("220 catcher.test ESMTP"))?,
    }
    let mut goes_on = true;
    while goes_on {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 || shared.closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        goes_on = conversation.answer(line.trim_end(), &mut lines)?;
    }
    Ok(())
}

/// One connection: what was said of the next email.
struct Conversation<'a> {
    out: TcpStream,
    shared: &'a Shared,
    from: String,
    to: Vec<String>,
}

impl Conversation<'_> {
    fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.out.write_all(format!("{line}\r\n").as_bytes())
    }

    /// The answer that the test has set for a command.
    fn told(&self, command: &str) -> Option<&'static str> {
        self.shared.answers.lock().expect("no catcher thread panicked").get(command).copied()
    }

    fn note(&self, line: &str) {
        self.shared.commands.lock().expect("no catcher thread panicked").push(line.to_owned());
    }

    /// Answers one command. Returns whether the conversation goes on.
    fn answer(&mut self, line: &str, lines: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        self.note(line);
        if verb == "RCPT" && self.told(&verb) != Some("") {
            self.shared.attempts.fetch_add(1, Ordering::SeqCst);
        }
        match self.told(&verb) {
            Some("") => return Ok(false),
            Some(answer) => return self.say(answer).map(|()| true),
            None => {}
        }
        match verb.as_str() {
            "EHLO" => {
                self.say("250-catcher.test")?;
                let offers = self.shared.offers.lock().expect("no catcher thread panicked").clone();
                offers.into_iter().try_for_each(|offer| self.say(&format!("250-{offer}")))?;
                self.say("250 8BITMIME")?;
            }
            "HELO" | "NOOP" => self.say("250 OK")?,
            "AUTH" => self.say("235 OK")?,
            "MAIL" => {
                (self.from, self.to) = (path(line), Vec::new());
                self.say("250 OK")?;
            }
            "RCPT" => match self.shared.refusal.load(Ordering::SeqCst) {
                0 => {
                    self.to.push(path(line));
                    self.say("250 OK")?;
                }
                code => self.say(&format!("{code} not now <{}> http://catcher.test/why", path(line)))?,
            },
            "DATA" => return self.take_message(lines),
            "RSET" => {
                (self.from, self.to) = (String::new(), Vec::new());
                self.say("250 OK")?;
            }
            "QUIT" => return self.say("221 bye").map(|()| false),
            _ => self.say("502 no such command")?,
        }
        Ok(true)
    }

    /// Takes an email after `DATA`. Returns whether the conversation goes on.
    fn take_message(&mut self, lines: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
        self.say("354 go on")?;
        let raw = read_message(lines)?;
        while self.shared.stalled.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        match self.told("END") {
            Some("") => return Ok(false),
            Some(answer) => return self.say(answer).map(|()| true),
            None => {}
        }
        let mail = decode(std::mem::take(&mut self.from), std::mem::take(&mut self.to), raw);
        self.shared.caught.lock().expect("no catcher thread panicked").push(mail);
        self.say("250 OK").map(|()| true)
    }
}

/// What stands between `<` and `>`.
fn path(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inner, _)| inner);
    inner.unwrap_or_default().to_owned()
}

fn read_message(lines: &mut impl BufRead) -> std::io::Result<String> {
    let mut raw = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(raw);
        }
        // RFC 5321 section 4.5.2: a dot at the start of a line was doubled.
        raw.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

fn decode(from: String, to: Vec<String>, raw: String) -> Caught {
    let message = MessageParser::default().parse(raw.as_bytes()).unwrap_or_default();
    Caught {
        from,
        to,
        subject: message.subject().unwrap_or_default().to_owned(),
        text: message.body_text(0).unwrap_or_default().replace("\r\n", "\n"),
        html: message.body_html(0).unwrap_or_default().into_owned(),
        raw,
    }
}
