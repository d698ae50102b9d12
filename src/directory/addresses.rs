//! Counts the live sockets of each address, bounded before and after sign-in. An address is what one client
//! has: an IPv4 address or an IPv6 /64.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_core::domain::network;

/// The live sockets of each address, and how many of them are not signed in.
pub(super) struct Addresses {
    counts: Mutex<HashMap<IpAddr, Counts>>,
    limits: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) open: usize,
    /// Of the open sockets, those that are not signed in.
    pub(super) pending: usize,
}

impl Addresses {
    pub(super) fn new(limits: Counts) -> Self {
        Self { counts: Mutex::default(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Counts>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a socket that is signed in.
    pub(super) fn admit(this: &Arc<Self>, address: IpAddr) -> Option<AddressTicket> {
        let address = network(address);
        let mut counts = this.lock();
        let open = counts.get(&address).map_or(0, |counts| counts.open);
        if open >= this.limits.open {
            return None;
        }
        counts.entry(address).or_default().open += 1;
        Some(AddressTicket { addresses: Arc::clone(this), address })
    }

    /// Admits a socket that is not signed in yet.
    pub(super) fn admit_pending(this: &Arc<Self>, address: IpAddr) -> Option<PendingTicket> {
        let pending = this.lock().get(&network(address)).map_or(0, |counts| counts.pending);
        if pending >= this.limits.pending {
            return None;
        }
        let place = Self::admit(this, address)?;
        this.change(place.address, |counts| counts.pending += 1);
        Some(PendingTicket { place: Some(place) })
    }

    fn change(&self, address: IpAddr, change: impl FnOnce(&mut Counts)) {
        let mut all = self.lock();
        if let Some(counts) = all.get_mut(&address) {
            change(counts);
            if counts.open == 0 {
                all.remove(&address);
            }
        }
    }
}

/// Counts one live socket of its address until it is dropped.
pub struct AddressTicket {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Drop for AddressTicket {
    fn drop(&mut self) {
        self.addresses.change(self.address, |counts| counts.open -= 1);
    }
}

/// Counts a socket that is not signed in until it is dropped.
pub struct PendingTicket {
    /// None only after it was taken.
    place: Option<AddressTicket>,
}

impl PendingTicket {
    /// The socket has signed in: it is no longer pending, and still counts as open.
    pub(super) fn into_ticket(mut self) -> Option<AddressTicket> {
        let place = self.place.take();
        Self::end(place.as_ref());
        place
    }

    fn end(place: Option<&AddressTicket>) {
        if let Some(place) = place {
            place.addresses.change(place.address, |counts| counts.pending -= 1);
        }
    }
}

impl Drop for PendingTicket {
    fn drop(&mut self) {
        Self::end(self.place.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(open: usize, pending: usize) -> Arc<Addresses> {
        Arc::new(Addresses::new(Counts { open, pending }))
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let addresses = addresses(9, 1);
        let ticket = Addresses::admit_pending(&addresses, "2001:db8::1".parse().unwrap());
        assert!(ticket.is_some());
        assert!(Addresses::admit_pending(&addresses, "2001:db8::2".parse().unwrap()).is_none());
        assert!(Addresses::admit_pending(&addresses, "2001:db8:0:1::2".parse().unwrap()).is_some());
        drop(ticket);
        assert!(Addresses::admit_pending(&addresses, "2001:db8::2".parse().unwrap()).is_some());
    }

    #[test]
    fn the_sockets_of_an_address_are_bounded_before_and_after_sign_in() {
        let addresses = addresses(3, 2);
        let (here, there) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = Addresses::admit_pending(&addresses, here).unwrap();
        let second = Addresses::admit_pending(&addresses, here).unwrap();
        assert!(Addresses::admit_pending(&addresses, here).is_none(), "two are pending");
        let first = first.into_ticket().unwrap();
        let third = Addresses::admit(&addresses, here).unwrap();
        assert!(Addresses::admit_pending(&addresses, here).is_none(), "one is pending, but three are open");
        assert!(Addresses::admit(&addresses, here).is_none());
        assert!(Addresses::admit(&addresses, there).is_some());
        let second = second.into_ticket();
        assert!(second.is_some(), "a pending socket counts already");
        drop(third);
        assert!(Addresses::admit(&addresses, here).is_some());
        drop((first, second));
        assert!(addresses.lock().is_empty());
    }
}
