//! `examples/verify`: what other programs verify access tokens with, against the real server and its key set.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use actix_web::rt::task::spawn_blocking;
use serde_json::json;
use tempfile::TempDir;

use crate::support::app::spawn_with;
use crate::support::forger::{Forger, Hostile};
use crate::support::programs::{self, Needs};
use crate::support::scenario::hold;
use crate::support::time::PATIENCE;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where Debian has golang-jwt.
const GO_JWT: &str = "/usr/share/gocode/src/github.com/golang-jwt/jwt";

/// A folder of its own with a verifier of `examples/verify` and its driver.
fn folder(files: [(&str, &str); 2]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (from, to) in files {
        let to = dir.path().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(Path::new(ROOT).join(from), to).unwrap();
    }
    dir
}

/// What the verifier answers to each token. `command` reads one a line.
async fn answers(mut command: Command, issuer: &str, tokens: &[String]) -> Vec<String> {
    command.env("DOORWARD_URL", issuer).stdin(Stdio::piped()).stdout(Stdio::piped());
    let input = tokens.join("\n");
    let run = spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "{:?}", output.status);
        String::from_utf8(output.stdout).unwrap()
    });
    let said = tokio::time::timeout(PATIENCE, run).await.expect("it does not end").unwrap();
    let answers: Vec<_> = said.lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), tokens.len(), "{said}");
    answers
}

/// Has a verifier try good and hostile tokens of a server that signs with this algorithm.
async fn check(algorithm: &str, command: impl Fn() -> Command) {
    // The key set is at the address that the issuer names, so the address must be known before the server starts.
    let held = hold(SocketAddr::from(([127, 0, 0, 1], 0)));
    let address = held.local_addr().unwrap().as_socket().unwrap().to_string();
    let issuer = format!("http://{address}");
    let settings = [("http.listen", &*address), ("public_url", &*issuer), ("tokens.algorithm", algorithm)];
    let app = spawn_with(&settings).await;
    let ann = app.register("ann").await;
    let other = app.login("ann").await;
    let forger = Forger::of(&app, &ann).await;
    let now = forger.claims["iat"].as_i64().unwrap();
    let expired = forger.with(&json!({}), &json!({"iat": now - 1000, "exp": now - 100}));
    let mut hostile = forger.other_algorithms(&ann.access);
    hostile.extend(forger.other_keys());
    hostile.extend(forger.other_claims(&ann.access, &other.access));
    hostile.retain(|token| token.everywhere);
    hostile.push(Hostile { what: "expired".to_owned(), token: expired, everywhere: true });
    hostile.push(Hostile { what: "a refresh token".to_owned(), token: ann.refresh, everywhere: true });
    assert!(hostile.len() > 60, "{}", hostile.len());

    // Good ones before and after, so that none is refused for the company it is in.
    let good = [ann.access, other.access, forger.with(&json!({}), &json!({}))];
    let tokens: Vec<_> = hostile.iter().map(|hostile| hostile.token.clone()).collect();
    let all = [&good[..], &tokens, &good].concat();
    let said = answers(command(), &issuer, &all).await;
    let (before, rest) = said.split_at(good.len());
    let (refused, after) = rest.split_at(tokens.len());
    for answer in before.iter().chain(after) {
        assert_eq!(*answer, format!("ok {}", ann.id), "{algorithm}");
    }
    for (Hostile { what, token, .. }, answer) in hostile.iter().zip(refused) {
        assert!(answer.starts_with("refused"), "{algorithm}, {what}: {answer}\n{token}");
    }
}

/// A host whose key set cannot be read at first; then it is `keys`.
fn unready_host(listener: TcpListener, keys: String) {
    let problem = r#"{"status":503,"code":"overloaded"}"#.to_owned();
    std::thread::spawn(move || {
        for (status, body) in [("503 Service Unavailable", problem), ("200 OK", keys)] {
            let (mut stream, _) = listener.accept().unwrap();
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            assert!(head.map_while(Result::ok).any(|line| line.is_empty()));
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
}

/// A verifier takes no other answer for the key set, and reads it again for the next token.
async fn check_recovery(algorithm: &str, command: Command) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let app = spawn_with(&[("public_url", &issuer), ("tokens.algorithm", algorithm)]).await;
    let ann = app.register("ann").await;
    unready_host(listener, app.get("/.well-known/jwks.json", "").await.expect(200).text);
    let said = answers(command, &issuer, &[ann.access.clone(), ann.access]).await;
    assert!(said[0].starts_with("refused"), "{said:?}");
    assert_eq!(said[1], format!("ok {}", ann.id), "{said:?}");
}

async fn check_node(file: &str, module: &str, algorithms: &[&str]) {
    let Some(node) = programs::command("node", Needs::Apt("nodejs")) else { return };
    if !programs::node_module(module) {
        return;
    }
    let source = format!("examples/verify/{file}");
    let dir = folder([(&source, file), ("tests/verifiers/driver.mjs", "driver.mjs")]);
    symlink(Path::new(ROOT).join("tests/node/node_modules"), dir.path().join("node_modules")).unwrap();
    let command = || {
        let mut command = Command::new(&node);
        command.arg(dir.path().join("driver.mjs")).arg(dir.path().join(file));
        command
    };
    for algorithm in algorithms {
        check(algorithm, command).await;
    }
    check_recovery(algorithms[0], command()).await;
}

#[actix_web::test]
async fn node_verifies_with_jose() {
    check_node("node-jose.mjs", "jose", &["EdDSA", "ES256", "RS256"]).await;
}

#[actix_web::test]
async fn node_verifies_with_jsonwebtoken() {
    check_node("node-jsonwebtoken.mjs", "jsonwebtoken", &["ES256", "RS256"]).await;
}

#[actix_web::test]
async fn python_verifies_with_pyjwt() {
    let needs = Needs::Pip("'pyjwt[crypto]'");
    let Some(python) = programs::python("import jwt, cryptography; jwt.PyJWK", needs) else { return };
    let dir =
        folder([("examples/verify/verify.py", "verify.py"), ("tests/verifiers/driver.py", "driver.py")]);
    let command = || {
        let mut command = Command::new(&python);
        command.arg("-B").arg(dir.path().join("driver.py"));
        command
    };
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        check(algorithm, command).await;
    }
    check_recovery("EdDSA", command()).await;
}

#[actix_web::test]
async fn ruby_verifies_with_ruby_jwt() {
    let needs = Needs::Apt("ruby ruby-jwt");
    let Some(ruby) = programs::command("ruby", needs) else { return };
    let loads = Command::new(&ruby).args(["-e", "require 'jwt'"]).output().unwrap();
    if !loads.status.success() {
        return programs::skip("ruby-jwt", "is missing", "apt-get install ruby-jwt");
    }
    let dir =
        folder([("examples/verify/verify.rb", "verify.rb"), ("tests/verifiers/driver.rb", "driver.rb")]);
    let command = || {
        let mut command = Command::new(&ruby);
        command.arg(dir.path().join("driver.rb"));
        command
    };
    for algorithm in ["ES256", "RS256"] {
        check(algorithm, command).await;
    }
    check_recovery("ES256", command()).await;
}

/// Builds the Go verifier; none without Go.
fn build_go(dir: &Path) -> Option<PathBuf> {
    let go = programs::command("go", Needs::Apt("golang-go golang-github-golang-jwt-jwt-dev"))?;
    if !Path::new(GO_JWT).exists() {
        programs::skip("golang-jwt", "is missing", "apt-get install golang-github-golang-jwt-jwt-dev");
        return None;
    }
    // Debian has it without the version in its path.
    let library = dir.join("src/github.com/golang-jwt/jwt");
    fs::create_dir_all(&library).unwrap();
    symlink(GO_JWT, library.join("v4")).unwrap();
    // What was compiled once is kept beside what cargo compiles.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    let built = Command::new(go)
        .args(["build", "-o", "verifier", "verifier"])
        .current_dir(dir)
        .envs([("GO111MODULE", "off"), ("CGO_ENABLED", "0"), ("GOFLAGS", "")])
        .env("GOPATH", dir)
        .env("GOCACHE", cache)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(dir.join("verifier"))
}

#[actix_web::test]
async fn go_verifies_with_golang_jwt() {
    let dir = folder([
        ("examples/verify/verify.go", "src/verifier/verify/verify.go"),
        ("tests/verifiers/driver.go", "src/verifier/main.go"),
    ]);
    let Some(verifier) = build_go(dir.path()) else { return };
    check("EdDSA", || Command::new(&verifier)).await;
    check_recovery("EdDSA", Command::new(&verifier)).await;
}

#[test]
fn each_verifier_is_short() {
    for entry in fs::read_dir(Path::new(ROOT).join("examples/verify")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        // Without imports, comments, blank lines, and what only closes a block.
        let mut imports = false;
        let lines = text.lines().map(str::trim).filter(|line| {
            imports = (imports || *line == "import (") && *line != ")";
            let comment = ["//", "#", "\"\"\"", "/**"].iter().any(|start| line.starts_with(start));
            let import = ["import ", "require ", "package "].iter().any(|start| line.starts_with(start));
            let closes = line.chars().all(|c| "})];,".contains(c)) || *line == "end";
            !(imports || comment || import || closes)
        });
        let count = lines.count();
        // Go's library knows no key sets, a server's goroutines share what was read, and each error is checked.
        let most = if path.extension().is_some_and(|extension| extension == "go") { 36 } else { 20 };
        assert!((5..=most).contains(&count), "{} has {count} lines", path.display());
    }
}
