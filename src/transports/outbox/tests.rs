use futures_util::task::noop_waker_ref;

use super::*;

fn take(outbox: &Outbox) -> Poll<Option<usize>> {
    outbox.poll_take(&Context::from_waker(noop_waker_ref())).map(|chunk| chunk.map(|bytes| bytes.len()))
}

#[test]
fn what_is_pushed_leaves_in_bounded_chunks_and_then_the_body_ends() {
    let outbox = Outbox::new(100_000, 0, None);
    assert_eq!(take(&outbox), Poll::Pending);
    outbox.push(|bytes| bytes.resize(40_000, 0)).unwrap();
    outbox.push_last(|_| {});
    outbox.push(|_| unreachable!("the last was said")).unwrap();
    outbox.finish();
    assert_eq!(take(&outbox), Poll::Ready(Some(CHUNK)));
    assert_eq!(take(&outbox), Poll::Ready(Some(40_000 - CHUNK)));
    assert_eq!(take(&outbox), Poll::Ready(None));
    assert_eq!(outbox.unread(), Unread { waiting: 0, drained: 40_000 });
}

#[test]
fn a_full_box_says_so_and_takes_no_more() {
    let outbox = Outbox::new(1000, 0, None);
    outbox.push(|bytes| bytes.extend_from_slice(&[0; 1200])).unwrap();
    assert!(outbox.congested());
    assert_eq!(outbox.push(|bytes| bytes.extend_from_slice(&[0; 1])), Err(Full));
    assert_eq!(outbox.unread().waiting, 1200);
    assert!(outbox.poll_drained(&Context::from_waker(noop_waker_ref())).is_pending());
    assert_eq!(take(&outbox), Poll::Ready(Some(1200)));
    assert!(outbox.poll_drained(&Context::from_waker(noop_waker_ref())).is_ready());
}

#[test]
fn a_dropped_body_is_noticed() {
    let outbox = Outbox::new(1000, 0, None);
    assert!(outbox.poll_abandoned(&Context::from_waker(noop_waker_ref())).is_pending());
    drop(Drain(Rc::clone(&outbox)));
    assert!(outbox.poll_abandoned(&Context::from_waker(noop_waker_ref())).is_ready());
    outbox.push(|_| unreachable!("it will not be read")).unwrap();
}

#[test]
fn more_is_read_from_the_client_once_it_has_read_and_no_session_holds_it_back() {
    let context = Context::from_waker(noop_waker_ref());
    let outbox = Outbox::new(1000, 0, None);
    assert_eq!(outbox.poll_readable(&context), Poll::Ready(true));
    outbox.push(|bytes| bytes.extend_from_slice(&[0; 600])).unwrap();
    assert_eq!(outbox.poll_readable(&context), Poll::Pending, "answers are not read");
    outbox.hold(true);
    assert!(take(&outbox).is_ready());
    assert_eq!(outbox.poll_readable(&context), Poll::Pending, "the session holds it back");
    outbox.hold(false);
    assert_eq!(outbox.poll_readable(&context), Poll::Ready(true));
    drop(Drain(Rc::clone(&outbox)));
    assert_eq!(outbox.poll_readable(&context), Poll::Ready(false), "the connection is gone");
}
