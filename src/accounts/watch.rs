//! Placeholder of the sockets branch: the poll that notices rows changed by others.
