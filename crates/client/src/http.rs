//! As much of HTTP/1.1 as signing in needs: one request with a JSON body, one answer, one connection.

use std::sync::Arc;
use std::time::Duration;

use httparse::{EMPTY_HEADER, Response, Status};
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::error::Error;
use crate::stream::{self, Stream, unreachable};
use crate::url::ServerUrl;

/// Bytes of an answer, its head included.
const MAX_ANSWER: usize = 1 << 20;

const MAX_HEADERS: usize = 64;

pub struct Answer {
    pub status: StatusCode,
    /// What `Retry-After` asks for, in seconds as Doorward writes it; zero if it is absent.
    pub retry_after: Duration,
    body: Vec<u8>,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A member of the error object (RFC 9457) that the body may be.
    pub fn problem(&self, member: &str) -> Option<String> {
        let problem = self.json::<Value>()?;
        problem[member].as_str().map(str::to_owned)
    }
}

/// Sends one request and reads its answer.
pub async fn post(
    url: &ServerUrl,
    tls: &Arc<ClientConfig>,
    route: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Answer, Error> {
    let request = request(url, route, token, body)?;
    stream::in_time(async {
        let mut stream = stream::connect(url, tls).await?;
        // A server that closed may have said why before that.
        let sent = async {
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await
        };
        let sent = sent.await;
        let answer = read(&mut *stream).await;
        match (sent, answer) {
            (Err(error), Err(Error::Unreachable(_))) => Err(unreachable(error)),
            (_, answer) => answer,
        }
    })
    .await
}

fn request(url: &ServerUrl, route: &str, token: Option<&str>, body: Option<&Value>) -> Result<String, Error> {
    let (path, host) = (url.path(route), url.authority());
    let authorization = match token {
        Some(token) if token.contains(|c: char| !c.is_ascii_graphic()) => return Err(Error::InvalidToken),
        Some(token) => format!("authorization: Bearer {token}\r\n"),
        None => String::new(),
    };
    let body = body.map(Value::to_string).unwrap_or_default();
    let content_type = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    Ok(format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\n{authorization}{content_type}accept: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

async fn read(stream: &mut dyn Stream) -> Result<Answer, Error> {
    let mut bytes = Vec::new();
    loop {
        let ended = stream.read_buf(&mut bytes).await.map_err(unreachable)? == 0;
        if let Some(answer) = parse(&bytes, ended)? {
            return Ok(answer);
        }
        if ended {
            return Err(Error::Unreachable("the connection ended before the server answered".to_owned()));
        }
        if bytes.len() > MAX_ANSWER {
            return Err(Error::WrongProtocol("the server's answer is too long".to_owned()));
        }
    }
}

/// The answer in these bytes; `None` if it is not complete. `ended` says that no more bytes follow.
fn parse(bytes: &[u8], ended: bool) -> Result<Option<Answer>, Error> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = Response::new(&mut headers);
    let Status::Complete(length) = response.parse(bytes).map_err(|_| not_http())? else { return Ok(None) };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(not_http)?;
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    };
    let body = &bytes[length..];
    let body = if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        join_chunks(body)?
    } else {
        match header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) => body.get(..length).map(<[u8]>::to_vec),
            Some(Err(_)) => return Err(not_http()),
            None if ended || status == StatusCode::NO_CONTENT => Some(body.to_vec()),
            None => None,
        }
    };
    let seconds = header("retry-after").and_then(|seconds| seconds.parse().ok());
    let retry_after = Duration::from_secs(seconds.unwrap_or(0));
    Ok(body.map(|body| Answer { status, retry_after, body }))
}

/// The content of a chunked body (RFC 9112, section 7.1); `None` if it is not complete.
fn join_chunks(mut body: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut content = Vec::new();
    loop {
        let Status::Complete((head, size)) = httparse::parse_chunk_size(body).map_err(|_| not_http())? else {
            return Ok(None);
        };
        if size == 0 {
            return Ok(Some(content));
        }
        let end = usize::try_from(size).ok().and_then(|size| head.checked_add(size)).ok_or_else(not_http)?;
        let Some(chunk) = body.get(head..end) else { return Ok(None) };
        content.extend_from_slice(chunk);
        // Each chunk ends with CR LF.
        let Some(rest) = body.get(end + 2..) else { return Ok(None) };
        body = rest;
    }
}

fn not_http() -> Error {
    let text = "this port speaks no HTTP: the URL of the TCP port begins with tcp://";
    Error::WrongProtocol(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, ended: bool) -> Option<(u16, String)> {
        let answer = parse(text.as_bytes(), ended).unwrap()?;
        Some((answer.status.as_u16(), String::from_utf8(answer.body).unwrap()))
    }

    #[test]
    fn an_answer_is_complete_when_its_length_says_so() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
        let chunked = "HTTP/1.1 401 Unauthorized\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nbo\r\n2;x\r\ndy\r\n0\r\n\r\n";
        for (text, code) in [(plain, 200), (chunked, 401)] {
            assert_eq!(answer(text, false), Some((code, "body".to_owned())));
        }
        for end in 0..plain.len() {
            assert_eq!(answer(&plain[..end], true), None, "{end}");
        }
        for end in 0..chunked.len() - "\r\n\r\n".len() {
            assert_eq!(answer(&chunked[..end], false), None, "{end}");
        }
        let until_the_end = "HTTP/1.1 200 OK\r\n\r\nbody";
        assert_eq!(answer(until_the_end, false), None);
        assert_eq!(answer(until_the_end, true), Some((200, "body".to_owned())));
        assert_eq!(answer("HTTP/1.1 204 No Content\r\n\r\n", false), Some((204, String::new())));
    }

    #[test]
    fn what_is_not_http_is_named() {
        for text in ["Username: ", "SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
        {
            assert!(matches!(parse(text.as_bytes(), false), Err(Error::WrongProtocol(_))), "{text}");
        }
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n";
        assert!(parse(chunked.as_bytes(), false).is_err());
    }

    #[test]
    fn a_request_names_its_host_and_keeps_the_base_path() {
        let url: ServerUrl = "wss://[::1]/auth".parse().unwrap();
        let text = request(&url, "/api/logout", Some("token"), None).unwrap();
        assert!(text.starts_with("POST /auth/api/logout HTTP/1.1\r\nhost: [::1]:443\r\n"), "{text}");
        assert!(text.contains("\r\nauthorization: Bearer token\r\n") && text.ends_with("\r\n\r\n"), "{text}");
        assert_eq!(request(&url, "/", Some("a\r\nb"), None), Err(Error::InvalidToken));
    }
}
