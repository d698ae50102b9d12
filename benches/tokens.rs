//! What the check of an access token costs a request or a handshake.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use doorward::internals::auth::Tokens;
use doorward::internals::auth::{Keyring, SigningKey};
use doorward::internals::config::SigningAlgorithm;
use doorward::internals::directory::Revocations;
use doorward::{Clock, Config};
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{LoginId, Rights, UserId};

/// More than the cache of verified tokens holds: taken in turn, none is found there again.
const MANY: usize = 25_000;

fn tokens() -> Tokens {
    let config = Config::from_pairs([("password.cost", "12")]).expect("the defaults are good");
    let key = SigningKey::generate(SigningAlgorithm::EdDsa).expect("the system has randomness");
    Tokens::new(
        Keyring::new(key, Vec::new()),
        &config.tokens,
        &config.public_url,
        config.sockets.max_open,
        Clock::System,
    )
}

fn issue(tokens: &Tokens) -> String {
    let (user, login) = (UserId(Clock::System.new_id()), LoginId(Clock::System.new_id()));
    tokens
        .issue(user, "alice", &Rights::default(), login, Clock::System.now())
        .expect("a generated key signs")
}

fn token(criterion: &mut Criterion) {
    let tokens = tokens();
    let mut group = criterion.benchmark_group("token");
    group.bench_function("issue", |bencher| bencher.iter(|| issue(&tokens)));

    let many: Vec<_> = (0..MANY).map(|_| issue(&tokens)).collect();
    let mut next = many.iter().cycle();
    group.bench_function("verify, never seen", |bencher| {
        bencher.iter(|| {
            let token = next.next().expect("a cycle does not end");
            tokens.verify(black_box(token)).expect("it is good")
        });
    });
    group.bench_function("verify, seen lately", |bencher| {
        bencher.iter(|| tokens.verify(black_box(&many[0])).expect("it is good"));
    });
    group.finish();
}

fn revocation(criterion: &mut Criterion) {
    let revocations = Revocations::default();
    let revoked: Vec<_> = (0..10_000).map(|_| LoginId(Clock::System.new_id())).collect();
    revocations.insert(revoked.iter().map(|login| (*login, RevokeReason::SignedOut)));
    let active = LoginId(Clock::System.new_id());
    let mut group = criterion.benchmark_group("revocation among 10,000");
    group.bench_function("of an active login", |bencher| {
        bencher.iter(|| revocations.get(black_box(active)));
    });
    group.bench_function("of a revoked one", |bencher| {
        bencher.iter(|| revocations.get(black_box(revoked[5_000])));
    });
    group.finish();
}

criterion_group!(benches, token, revocation);
criterion_main!(benches);
