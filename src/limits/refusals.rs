//! Counts what the limits refuse, for the audit trail: a refusal costs an entry in a table, and the trail takes the
//! table once a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::Limit;
use doorward_core::domain;

/// Networks that are told apart, over all limits, between two visits. The rest is counted by limit alone.
const MOST: usize = 256;

/// Requests that a limit has refused since the last visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub limit: Limit,
    /// The first address of its network that was refused. None for what is not told apart.
    pub address: Option<IpAddr>,
    pub count: u64,
}

/// What was refused since the last visit.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<(Limit, Option<IpAddr>), Refused>>);

impl Refusals {
    pub fn add(&self, limit: Limit, address: IpAddr) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let network = Some(domain::network(address));
        let is_known = counted.contains_key(&(limit, network)) || counted.len() < MOST;
        let (network, address) = if is_known { (network, Some(address)) } else { (None, None) };
        counted.entry((limit, network)).or_insert(Refused { limit, address, count: 0 }).count += 1;
    }

    pub fn take(&self) -> Vec<Refused> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_network_and_beyond_a_bound_by_limit_alone() {
        let refusals = Refusals::default();
        for address in ["2001:db8::1", "2001:db8::2", "192.0.2.7"] {
            refusals.add(Limit::SignIn, address.parse().unwrap());
        }
        refusals.add(Limit::Register, "192.0.2.7".parse().unwrap());
        let mut taken = refusals.take();
        taken.sort_by_key(|refused| (refused.limit as usize, refused.address));
        let of = |limit, address: &str, count| Refused { limit, address: address.parse().ok(), count };
        let expected = [
            of(Limit::SignIn, "192.0.2.7", 1),
            of(Limit::SignIn, "2001:db8::1", 2),
            of(Limit::Register, "192.0.2.7", 1),
        ];
        assert_eq!(taken, expected);
        assert!(refusals.take().is_empty());

        for number in 0..10_000_u32 {
            refusals.add(Limit::Poll, IpAddr::from(number.to_be_bytes()));
        }
        let taken = refusals.take();
        assert_eq!(taken.len(), MOST + 1);
        assert_eq!(taken.iter().map(|refused| refused.count).sum::<u64>(), 10_000);
    }
}
