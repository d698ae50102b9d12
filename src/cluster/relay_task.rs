//! The task of a [`Relay`](super::Relay): it publishes what waits, and keeps the subscriptions at what sessions have joined.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use doorward_core::domain::UserId;
use doorward_core::rooms::RoomName;
use tokio::sync::mpsc;

use super::bus::{Address, BusError, Channels, Publisher};
use super::frame::{Body, Frame};
use super::message::NodeId;
use super::now;
use super::queries::Asked;
use super::relay_reader::{FromNodes, Reader, forget, read_for_ever};
use super::relay_shared::{Audience, COMMON, Outgoing, Shared, inbox};
use super::session_news::SessionList;
use crate::directory::Directory;

/// Messages that are published together.
const BATCH: usize = 100;

/// How often it is asked which rooms no session has joined any more, and which nodes have not answered.
const SWEEP: Duration = Duration::from_secs(1);

/// Delays between attempts to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// How often a node gives a sign of life.
const BEAT: Duration = Duration::from_secs(2);

/// Batches of lists follow each other no sooner, and no faster than so many bytes a second, however often sessions change
/// and however often other nodes ask.
const PACE: Duration = Duration::from_millis(50);
/// Redis has to take a batch in well under the time that a command may take.
const BATCH_BYTES: usize = 1024 * 1024;
const BYTES_A_SECOND: f64 = 16e6;

/// How long other nodes may take to connect again once Redis is back. Until then their sessions count as before.
const SETTLING: Duration = Duration::from_secs(8);

/// This node's part of the exchange.
pub struct RelayNode {
    id: NodeId,
    /// Of the channels' names; that of the room follows.
    prefix: String,
    address: Address,
    /// For answers to other nodes. It does not keep the queue open.
    queue: mpsc::WeakSender<Outgoing>,
    outgoing: mpsc::Receiver<Outgoing>,
    shared: Arc<Shared>,
    /// Of the last list that was published.
    version: u64,
}

impl RelayNode {
    pub(super) fn new(
        id: NodeId,
        prefix: String,
        address: Address,
        (queue, outgoing): (mpsc::WeakSender<Outgoing>, mpsc::Receiver<Outgoing>),
        shared: Arc<Shared>,
    ) -> Self {
        Self { id, prefix, address, queue, outgoing, shared, version: 0 }
    }

    /// Exchanges messages for ever.
    pub async fn run(mut self, directory: Directory, receive: impl Fn(FromNodes<'_>)) {
        let mut backoff = FIRST_BACKOFF;
        let mut logged = false;
        loop {
            let began = now();
            let ended = self.run_connection(&directory, &receive).await;
            self.shared.publishing.store(false, Ordering::Release);
            self.shared.interest().disconnect();
            self.shared.gathers().clear();
            let Err(broken) = ended else { return };
            if now() - began > LONGEST_BACKOFF {
                (backoff, logged) = (FIRST_BACKOFF, false);
            }
            if !std::mem::replace(&mut logged, true) {
                tracing::warn!(%broken, "no connection to Redis: rooms and lists of sessions cover one node alone");
            }
            #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            // What waited is old by now.
            while let Ok(outgoing) = self.outgoing.try_recv() {
                self.shared.waiting.fetch_sub(outgoing.bytes(), Ordering::AcqRel);
            }
            let silent = self.shared.alive().take_silent(now());
            forget(&silent, &directory, &receive);
        }
    }

    /// Ends without an error when there is no handle any more. Reads go on while a publish or a subscription waits for its
    /// answer.
    async fn run_connection(
        &mut self,
        directory: &Directory,
        receive: &impl Fn(FromNodes<'_>),
    ) -> Result<(), BusError> {
        let Self { id, prefix, address, queue, outgoing, shared, version } = self;
        let (mut publisher, mut channels, subscription) = address.connect_to_many().await?;
        channels.add(&[format!("{prefix}{}", inbox(*id))]).await?;
        if shared.announcements().has_lost() {
            // What the others know of this node's sessions is out of date.
            publisher.publish(Frame { node: *id, body: Body::Bye }.write()).await?;
            shared.announcements().forget_lost();
        }
        directory.doubt_all();
        shared.publishing.store(true, Ordering::Release);
        shared.interest().connect();
        let reader = Reader::new(*id, prefix, shared, (directory, &*queue), receive);
        let announcing = announce_for_ever((*id, version), prefix, publisher.clone(), shared, directory);
        tokio::select! {
            ended = publish_for_ever(*id, prefix, publisher, outgoing, shared) => ended,
            ended = announcing => ended,
            ended = subscribe_for_ever(prefix, channels, shared, directory, receive) => ended,
            ended = read_for_ever(subscription, reader) => ended,
        }
    }
}

async fn publish_for_ever(
    id: NodeId,
    prefix: &str,
    mut publisher: Publisher,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    shared: &Shared,
) -> Result<(), BusError> {
    let mut beat = tokio::time::interval(BEAT);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            count = outgoing.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return Ok(());
                }
                let bytes = batch.iter().map(Outgoing::bytes).sum();
                shared.waiting.fetch_sub(bytes, Ordering::AcqRel);
                if batch.iter().any(|one| matches!(one, Outgoing::Bye(_))) {
                    // Whatever came afterwards would be news of a node that is gone.
                    shared.publishing.store(false, Ordering::Release);
                }
                let frames = batch.iter().map(|outgoing| written(id, prefix, outgoing));
                let counts = publisher.publish_each(frames).await?;
                let messages = batch.iter().filter(|one| matches!(one, Outgoing::Message(..))).count();
                shared.frames.add(["sent"], u64::try_from(messages).unwrap_or_default());
                let mut has_said_goodbye = false;
                for (outgoing, subscribed) in batch.drain(..).zip(counts) {
                    match outgoing {
                        Outgoing::Query(query, audience) => asked(shared, query.id, audience, subscribed),
                        Outgoing::Bye(said) => {
                            has_said_goodbye = true;
                            // It may not wait any more.
                            let _ = said.send(());
                        }
                        Outgoing::Message(..) | Outgoing::Presence(..) | Outgoing::Reply(..) => {}
                    }
                }
                if has_said_goodbye {
                    std::future::pending::<()>().await;
                }
            }
            () = shared.greeted.notified() => beat.reset_immediately(),
            _ = beat.tick() => {
                let subscribed = publisher.publish(Frame { node: id, body: Body::Beat }.write()).await?;
                let nodes = 1 + shared.alive().nodes().len();
                shared.knows_all.store(subscribed >= nodes, Ordering::Release);
            }
        }
    }
}

/// The channel and the frame.
fn written(id: NodeId, prefix: &str, outgoing: &Outgoing) -> (String, Vec<u8>) {
    let frame = |body: Body<'_>| Frame { node: id, body }.write();
    let of_room = |room: &RoomName| format!("{prefix}{}", room.as_str());
    let common = || format!("{prefix}{COMMON}");
    match outgoing {
        Outgoing::Message(room, content) => (of_room(room), frame(Body::Message(content))),
        Outgoing::Presence(room, news) => (of_room(room), frame(Body::Presence(news))),
        Outgoing::Query(query, audience) => {
            // Numbers and ids always serialize.
            let json = serde_json::to_string(query).unwrap_or_default();
            let channel = match audience {
                Audience::AllNodes => common(),
                Audience::NodesOf(user) => of_room(&RoomName::of_user(*user)),
            };
            (channel, frame(Body::Query(&json)))
        }
        Outgoing::Reply(node, json) => (format!("{prefix}{}", inbox(*node)), frame(Body::Reply(json))),
        Outgoing::Bye(_) => (common(), frame(Body::Bye)),
    }
}

/// A question was published, to so many nodes as far as Redis knows. If it does not know all, it is waited for as long as an
/// answer may take.
fn asked(shared: &Shared, id: uuid::Uuid, audience: Audience, subscribed: usize) {
    match audience {
        Audience::AllNodes => {
            let nodes = shared.alive().nodes();
            shared.queries().asked(id, Asked::Nodes(nodes));
        }
        Audience::NodesOf(_) if shared.knows_all.load(Ordering::Acquire) => {
            shared.queries().asked(id, Asked::Number(subscribed));
        }
        Audience::NodesOf(_) => {}
    }
}

/// Publishes the lists of users whose sessions have changed or were asked for, a batch at a time.
async fn announce_for_ever(
    (id, version): (NodeId, &mut u64),
    prefix: &str,
    mut publisher: Publisher,
    shared: &Shared,
    directory: &Directory,
) -> Result<(), BusError> {
    loop {
        if !shared.publishing.load(Ordering::Acquire) {
            // The node has said goodbye. A list would make the others take it for a new one.
            std::future::pending::<()>().await;
        }
        let mut unsent = Unsent { shared, users: shared.announcements().take() };
        if unsent.users.is_empty() {
            shared.announced.notified().await;
            continue;
        }
        let (frames, firsts) = lists((id, &mut *version), prefix, &unsent.users, directory);
        // The others wait for another turn.
        let rest = unsent.users.split_off(firsts.len());
        for (user, asks) in rest {
            shared.announcements().want(user, asks);
        }
        #[expect(clippy::cast_precision_loss, reason = "it is far below 2^52")]
        let bytes = frames.iter().map(|(_, frame)| frame.len()).sum::<usize>() as f64;
        let counts = publisher.publish_each(frames.into_iter()).await?;
        gather(shared, &std::mem::take(&mut unsent.users), &firsts, &counts);
        #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
        tokio::time::sleep(PACE.max(Duration::from_secs_f64(bytes / BYTES_A_SECOND))).await;
    }
}

/// Users whose lists are being published. They are queued again unless that succeeds, also if the task is dropped meanwhile:
/// otherwise the other nodes would keep sessions for ever that have ended.
struct Unsent<'a> {
    shared: &'a Shared,
    users: Vec<(UserId, bool)>,
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        let mut announcements = self.shared.announcements();
        for (user, _) in &self.users {
            announcements.want_later(*user);
        }
    }
}

/// The channel and the frame of each part of these users' lists, and which of them is the first of each user. As many users
/// as [`BATCH_BYTES`] allows, and one at least.
fn lists(
    (id, version): (NodeId, &mut u64),
    prefix: &str,
    batch: &[(UserId, bool)],
    directory: &Directory,
) -> (Vec<(String, Vec<u8>)>, Vec<usize>) {
    let (mut frames, mut firsts) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for (user, asks) in batch {
        if bytes >= BATCH_BYTES {
            break;
        }
        *version += 1;
        firsts.push(frames.len());
        let channel = format!("{prefix}{}", RoomName::of_user(*user).as_str());
        for list in SessionList::parts(*user, *version, *asks, &directory.local_of_user(*user)) {
            // Numbers, ids and strings always serialize.
            let json = serde_json::to_string(&list).unwrap_or_default();
            bytes += json.len();
            frames.push((channel.clone(), Frame { node: id, body: Body::Sessions(&json) }.write()));
        }
    }
    (frames, firsts)
}

/// Notes how many nodes were asked for their lists, which is how many the first part of each list has reached.
fn gather(shared: &Shared, batch: &[(UserId, bool)], firsts: &[usize], counts: &[usize]) {
    let knows_all = shared.knows_all.load(Ordering::Acquire);
    let mut gathers = shared.gathers();
    for ((user, _), first) in batch.iter().zip(firsts).filter(|((_, asks), _)| *asks) {
        // This node has subscribed as well. Without a number, it waits as long as an answer may take.
        let others = counts.get(*first).filter(|_| knows_all).map(|count| count.saturating_sub(1));
        gathers.asked(*user, others.unwrap_or(usize::MAX), now());
    }
}

/// Keeps the subscriptions at what sessions have joined, a batch at a time.
async fn subscribe_for_ever(
    prefix: &str,
    mut channels: Channels,
    shared: &Shared,
    directory: &Directory,
    receive: &impl Fn(FromNodes<'_>),
) -> Result<(), BusError> {
    let names = |rooms: &[RoomName]| -> Vec<_> {
        rooms.iter().map(|room| format!("{prefix}{}", room.as_str())).collect()
    };
    let mut sweep = tokio::time::interval(SWEEP);
    let mut settling = Settling::default();
    loop {
        let given_up = shared.interest().take_given_up(now());
        if !given_up.is_empty() {
            channels.remove(&names(&given_up)).await?;
        }
        let batch = shared.interest().take_wanted();
        if !batch.is_empty() {
            channels.add(&names(&batch)).await?;
            shared.interest().confirm(&batch);
            for room in &batch {
                if let Some(user) = room.user().filter(|user| directory.has_user(*user)) {
                    shared.announce(user, true);
                }
                receive(FromNodes::Subscribed(room));
            }
        } else if given_up.is_empty() {
            tokio::select! {
                () = shared.joined.notified() => {}
                _ = sweep.tick() => {
                    shared.gathers().expire(now());
                    if settling.is_over(shared.interest().is_complete(), now()) {
                        directory.settle_all();
                    }
                }
            }
        }
    }
}

/// When the others have had time to say what they have, after a reconnect.
#[derive(Debug, Default)]
struct Settling {
    since: Option<Instant>,
    is_done: bool,
}

impl Settling {
    /// Whether they have had it now. Once.
    fn is_over(&mut self, is_complete: bool, now: Instant) -> bool {
        if is_complete && !self.is_done {
            let since = *self.since.get_or_insert(now);
            self.is_done = now.saturating_duration_since(since) >= SETTLING;
            return self.is_done;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_nodes_have_had_time_once_and_from_when_all_is_subscribed_to() {
        let (mut settling, start) = (Settling::default(), now());
        assert!(!settling.is_over(false, start + SETTLING), "nothing is subscribed to yet");
        assert!(!settling.is_over(true, start + SETTLING));
        assert!(!settling.is_over(true, start + SETTLING + SETTLING / 2));
        assert!(settling.is_over(true, start + SETTLING * 2));
        assert!(!settling.is_over(true, start + SETTLING * 3));
    }
}
