//! Room tokens, which an application's backend signs, and where a session gets them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

/// Gives a session the tokens for its rooms: for each join, also on a further connection, and when the last token is about
/// to expire.
#[derive(Clone)]
pub struct TokenProvider(Arc<Ask>);

type Ask = dyn Fn(&str) -> BoxFuture<'static, Option<String>> + Send + Sync;

impl TokenProvider {
    /// `ask` is called with the name of a room. If it answers `None`, there is no token now; for a room that was joined it is
    /// called again after a while.
    ///
    /// ```
    /// # use doorward_client::TokenProvider;
    /// let provider = TokenProvider::new(|room| {
    ///     let room = room.to_owned();
    ///     async move { ask_the_backend(&room).await }
    /// });
    /// # async fn ask_the_backend(_: &str) -> Option<String> { None }
    /// ```
    pub fn new<W>(ask: impl Fn(&str) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = Option<String>> + Send + 'static,
    {
        Self(Arc::new(move |room: &str| Box::pin(ask(room))))
    }
}

impl fmt::Debug for TokenProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenProvider")
    }
}

/// Where the token for a room comes from.
pub(crate) enum Source {
    /// The same each time.
    Fixed(String),
    Provider(TokenProvider),
}

/// What a token is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The program has asked to join the room.
    First,
    /// The session joins it again.
    Again,
    /// The last one is about to expire.
    Newer,
}

/// A token that is wanted for a request with this id.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub id: String,
    pub room: String,
    pub purpose: Purpose,
    provider: TokenProvider,
}

impl Wanted {
    /// Asks for it.
    pub fn fetch(self) -> BoxFuture<'static, (Self, Option<String>)> {
        let asked = (self.provider.0)(&self.room);
        Box::pin(async move { (self, asked.await) })
    }
}

/// The sources of a session's rooms.
#[derive(Default)]
pub(super) struct Tokens {
    sources: BTreeMap<String, Source>,
    wanted: Vec<Wanted>,
}

impl Tokens {
    pub fn set(&mut self, room: &str, source: Source) {
        self.sources.insert(room.to_owned(), source);
    }

    pub fn forget(&mut self, room: &str) {
        self.sources.remove(room);
    }

    /// Forgets all but those of some rooms, and what is wanted.
    pub fn keep(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.sources.retain(|room, _| is_kept(room));
        self.wanted.clear();
    }

    pub fn fixed(&self, room: &str) -> Option<&str> {
        match self.sources.get(room)? {
            Source::Fixed(token) => Some(token),
            Source::Provider(_) => None,
        }
    }

    pub fn has_provider(&self, room: &str) -> bool {
        matches!(self.sources.get(room), Some(Source::Provider(_)))
    }

    /// Notes that a token is wanted. False if the room has no provider.
    pub fn want(&mut self, room: &str, id: &str, purpose: Purpose) -> bool {
        let Some(Source::Provider(provider)) = self.sources.get(room) else { return false };
        let (id, room, provider) = (id.to_owned(), room.to_owned(), provider.clone());
        self.wanted.push(Wanted { id, room, purpose, provider });
        true
    }

    pub fn take_wanted(&mut self) -> Vec<Wanted> {
        std::mem::take(&mut self.wanted)
    }
}
