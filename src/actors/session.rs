//! Placeholder of the sockets branch.
