use std::pin::Pin;
use std::task::Wake;

use futures_util::task::noop_waker_ref;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

/// A client that reads at most so many bytes.
struct Client(usize);

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let read = bytes.len().min(self.0);
        self.get_mut().0 -= read;
        if read == 0 { Poll::Pending } else { Poll::Ready(Ok(read)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn context() -> Context<'static> {
    Context::from_waker(noop_waker_ref())
}

/// Lets the client read so many bytes; returns whether all was said.
fn read(outbox: &Outbox, bytes: usize) -> bool {
    outbox.poll_write(&Io::new(Client(bytes)), &mut context()).is_ready()
}

#[test]
fn what_is_pushed_leaves_as_the_client_reads_and_then_the_connection_ends() {
    let outbox = Outbox::new(100_000, 0, None);
    assert!(!read(&outbox, 1));
    outbox.push(|bytes| bytes.resize(40_000, 0)).unwrap();
    outbox.push_last(|_| {});
    outbox.push(|_| unreachable!("the last was said")).unwrap();
    outbox.finish();
    assert!(!read(&outbox, 30_000));
    assert_eq!(outbox.unread(), Unread { waiting: 10_000, drained: 30_000 });
    assert!(read(&outbox, 30_000));
    assert_eq!(outbox.unread(), Unread { waiting: 0, drained: 40_000 });
}

#[test]
fn a_full_box_says_so_and_takes_no_more() {
    let outbox = Outbox::new(1000, 0, None);
    outbox.push(|bytes| bytes.extend_from_slice(&[0; 1200])).unwrap();
    assert!(outbox.congested());
    assert_eq!(outbox.push(|bytes| bytes.extend_from_slice(&[0; 1])), Err(Full));
    assert_eq!(outbox.unread().waiting, 1200);
    assert!(outbox.poll_drained(&context()).is_pending());
    assert!(!read(&outbox, 1200));
    assert!(outbox.poll_drained(&context()).is_ready());
}

#[test]
fn a_connection_that_is_gone_is_noticed() {
    let outbox = Outbox::new(1000, 0, None);
    assert!(outbox.poll_abandoned().is_pending());
    outbox.abandon();
    assert!(outbox.poll_abandoned().is_ready());
    outbox.push(|_| unreachable!("it will not be read")).unwrap();
}

#[test]
fn more_is_read_from_the_client_once_it_has_read_and_no_session_holds_it_back() {
    let outbox = Outbox::new(1000, 0, None);
    assert_eq!(outbox.poll_readable(), Poll::Ready(true));
    outbox.push(|bytes| bytes.extend_from_slice(&[0; 600])).unwrap();
    assert_eq!(outbox.poll_readable(), Poll::Pending, "answers are not read");
    outbox.hold(true);
    assert!(!read(&outbox, 600));
    assert_eq!(outbox.poll_readable(), Poll::Pending, "the session holds it back");
    outbox.hold(false);
    assert_eq!(outbox.poll_readable(), Poll::Ready(true));
    outbox.abandon();
    assert_eq!(outbox.poll_readable(), Poll::Ready(false), "the connection is gone");
}

#[derive(Default)]
struct Count(std::sync::atomic::AtomicUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn the_task_is_woken_from_outside_and_told_by_what_it_polls() {
    let count = std::sync::Arc::new(Count::default());
    let woken = || count.0.load(std::sync::atomic::Ordering::Relaxed);
    let waker = Waker::from(std::sync::Arc::clone(&count));
    let outbox = Outbox::new(1000, 0, None);
    outbox.begin_poll(&Context::from_waker(&waker));
    outbox.push(|bytes| bytes.resize(600, 0)).unwrap();
    assert_eq!(outbox.poll_readable(), Poll::Pending);
    assert!(!outbox.end_poll(), "it writes after what it polls");
    assert_eq!(woken(), 0);
    outbox.push(|bytes| bytes.resize(700, 0)).unwrap();
    assert_eq!(woken(), 1, "there is something to write");
    outbox.begin_poll(&Context::from_waker(&waker));
    assert!(!read(&outbox, 700));
    assert!(outbox.end_poll(), "there is room for more of what the client sends");
    outbox.hold(true);
    assert_eq!(outbox.poll_readable(), Poll::Pending);
    outbox.hold(false);
    assert_eq!(woken(), 2, "and here too");
}
