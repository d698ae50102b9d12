use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;

/// Limits sign-ins to this rate, with room for `max` networks.
fn limits(rate: &str, max: usize) -> (RateLimits, ManualClock) {
    let clock = ManualClock::default();
    let rates = config::Limits { sign_in: Rate::parse(rate), ..config::Limits::default() };
    (RateLimits::with_places(&rates, &Clock::Manual(clock.clone()), max), clock)
}

fn at(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn v4(number: u32) -> IpAddr {
    std::net::Ipv4Addr::from_bits(number).into()
}

/// How many requests in a row are admitted.
fn burst(limits: &RateLimits, address: IpAddr) -> u32 {
    let mut taken = 0;
    while limits.check(Limit::SignIn, address).is_ok() {
        taken += 1;
        assert!(taken < 10_000, "there is no limit");
    }
    taken
}

#[test]
fn a_budget_can_be_spent_at_once_and_recovers_gradually() {
    let (limits, clock) = limits("30/1m", 10);
    let first = limits.check(Limit::SignIn, at("192.0.2.1")).unwrap().unwrap();
    assert_eq!((first.remaining, first.reset), (29, Duration::from_secs(2)));
    assert_eq!(burst(&limits, at("192.0.2.1")), 29);
    let exceeded = limits.check(Limit::SignIn, at("192.0.2.1")).unwrap_err();
    assert_eq!((exceeded.allowance.remaining, exceeded.wait()), (0, Duration::from_secs(2)));
    clock.advance(Duration::from_millis(1_999));
    assert_eq!(burst(&limits, at("192.0.2.1")), 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(burst(&limits, at("192.0.2.1")), 1);
    clock.advance(Duration::from_mins(10));
    assert_eq!(burst(&limits, at("192.0.2.1")), 30, "no more than the whole budget");
}

#[test]
fn each_network_and_each_limit_has_a_budget_of_its_own() {
    let clock = Clock::Manual(ManualClock::default());
    let rates = config::Limits {
        sign_in: Rate::parse("2/1m"),
        register: Rate::parse("1/1m"),
        ..config::Limits::default()
    };
    let limits = RateLimits::new(&rates, &clock);
    assert_eq!(burst(&limits, at("192.0.2.1")), 2);
    assert_eq!(burst(&limits, at("192.0.2.2")), 2);
    assert!(limits.check(Limit::Register, at("192.0.2.1")).is_ok());
    assert!(limits.check(Limit::Register, at("192.0.2.1")).is_err());
    // One IPv6 customer counts as one, whatever address it uses.
    assert_eq!(burst(&limits, at("2001:db8::1")), 2);
    for host in 0..1000_u128 {
        let wandering = std::net::Ipv6Addr::from_bits(at_bits("2001:db8::") | (host << 40) | host);
        assert_eq!(burst(&limits, wandering.into()), 0);
    }
    assert_eq!(burst(&limits, at("2001:db8:0:1::1")), 2);
    assert_eq!(burst(&limits, at("::ffff:192.0.2.1")), 0, "the same as without the prefix");
}

fn at_bits(text: &str) -> u128 {
    text.parse::<std::net::Ipv6Addr>().unwrap().to_bits()
}

#[test]
fn a_limit_that_is_off_counts_nothing() {
    let (limits, _) = limits("1/1m", 10);
    for limit in Limit::ALL.into_iter().filter(|limit| *limit != Limit::SignIn) {
        for _ in 0..1000 {
            assert_eq!(limits.check(limit, at("192.0.2.1")), Ok(None), "{limit:?}");
        }
        assert_eq!(limits.peek(limit, at("192.0.2.1")), Ok(()));
    }
    assert_eq!(limits.networks(), 0);
}

#[test]
fn the_table_is_bounded_and_swept() {
    let (limits, clock) = limits("3/1h", 1000);
    for number in 0..1_000_000 {
        let _ = limits.check(Limit::SignIn, v4(number));
    }
    assert_eq!(limits.networks(), 1000);
    limits.sweep();
    assert_eq!(limits.networks(), 1000, "none is whole again");
    // Each has used one, which returns after 20 minutes; until then none is dropped.
    assert_eq!(burst(&limits, v4(7)), 2);
    clock.advance(Duration::from_mins(41));
    limits.sweep();
    assert_eq!(limits.networks(), 1, "a full budget is dropped");
    clock.advance(Duration::from_mins(41));
    limits.sweep();
    assert_eq!(limits.networks(), 0);
    assert_eq!(burst(&limits, v4(7)), 3);
}

#[test]
fn a_full_table_makes_room_by_itself() {
    let (limits, clock) = limits("60/1m", 100);
    for number in 0..200 {
        let _ = limits.check(Limit::SignIn, v4(number));
    }
    assert_eq!(limits.networks(), 100);
    clock.advance(Duration::from_secs(5));
    let _ = limits.check(Limit::SignIn, v4(777));
    assert_eq!(limits.networks(), 1);
}

#[test]
fn in_a_full_table_every_network_has_a_limit_and_distant_ones_do_not_interfere() {
    let (limits, _) = limits("5/1h", 100);
    // A flood from one /16 fills the table and continues.
    for number in 0..10_000 {
        let _ = limits.check(Limit::SignIn, v4(0x0a01_0000 + number));
    }
    assert_eq!(limits.networks(), 100);
    assert_eq!(burst(&limits, at("10.1.255.255")), 0, "its neighbourhood has used up what it shares");
    assert_eq!(burst(&limits, at("192.0.2.1")), 5);
    assert_eq!(burst(&limits, at("192.0.2.1")), 0);
    assert_eq!(burst(&limits, at("192.0.77.1")), 0, "a neighbour of that one");
    assert_eq!(burst(&limits, at("2001:db8::1")), 5);
    assert_eq!(burst(&limits, at("2001:db8:ffff::1")), 0);
    assert!(limits.peek(Limit::SignIn, at("192.0.2.1")).is_err());
    // Networks that were there before keep their own budget.
    assert_eq!(burst(&limits, v4(0x0a01_0000)), 4);
}

#[test]
fn a_refusal_says_how_long_to_wait() {
    let sentence = |rate: &str| {
        let (limits, _) = limits(rate, 10);
        limits.check(Limit::SignIn, at("192.0.2.1")).unwrap();
        limits.check(Limit::SignIn, at("192.0.2.1")).unwrap_err().sentence()
    };
    assert_eq!(sentence("1/1s"), "Too many sign-in attempts from your network. Try again in a second.");
    assert!(sentence("1/90s").ends_with("Try again in 90 seconds."));
    assert!(sentence("1/121s").ends_with("Try again in 3 minutes."));
    assert_eq!(whole_seconds(Duration::from_nanos(1)), 1);
    assert_eq!(whole_seconds(Duration::from_millis(2_001)), 3);
}

#[test]
fn only_a_few_refusals_a_minute_are_explained() {
    let (limits, clock) = limits("1/1m", 10);
    assert_eq!((0..1000).filter(|_| limits.may_explain(at("192.0.2.1"))).count(), 60);
    assert!(limits.may_explain(at("192.0.2.2")));
    clock.advance(Duration::from_secs(1));
    assert!(limits.may_explain(at("192.0.2.1")));
}

proptest! {
    /// A network gets its burst and what has returned meanwhile, never more, and never less than it was told.
    #[test]
    fn no_network_gets_more_than_its_rate(
        count in 1..20_u32,
        seconds in 1..100_u64,
        steps in prop::collection::vec((0..2_u32, 0..20_000_u64), 1..200),
    ) {
        let (limits, clock) = limits(&format!("{count}/{seconds}s"), 2);
        let mut taken = [0_u64; 2];
        let mut elapsed = Duration::ZERO;
        for (network, pause) in steps {
            let address = v4(network << 16);
            let peeked = limits.peek(Limit::SignIn, address);
            match limits.check(Limit::SignIn, address) {
                Ok(_) => {
                    prop_assert!(peeked.is_ok());
                    taken[network as usize] += 1;
                    let back = elapsed.as_nanos() * u128::from(count) / u128::from(seconds) / 1_000_000_000;
                    prop_assert!(u128::from(taken[network as usize]) <= u128::from(count) + back + 1);
                }
                Err(exceeded) => {
                    prop_assert!(peeked == Err(exceeded));
                    prop_assert!(exceeded.wait() <= Duration::from_secs(seconds) / count);
                    if network == 0 {
                        clock.advance(exceeded.wait());
                        elapsed += exceeded.wait();
                        prop_assert!(limits.check(Limit::SignIn, address).is_ok());
                        taken[0] += 1;
                    }
                }
            }
            prop_assert!(limits.networks() <= 2);
            clock.advance(Duration::from_millis(pause));
            elapsed += Duration::from_millis(pause);
            if pause % 7 == 0 {
                limits.sweep();
            }
        }
    }
}
