//! The shares of clients in a limited number of connections. When all are taken, the client with the most connections
//! loses one to a client that has at least two fewer, so that a client's share shrinks with the number of the others.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The bits of an IPv6 address that distinguish networks; the others are the choice of one network's machines.
const NETWORK: u32 = 64;

/// The number of connections of each client.
#[derive(Debug)]
pub(super) struct Shares<K>(HashMap<K, usize>);

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Shares<K> {
    /// Counts another connection of a client.
    pub(super) fn add(&mut self, client: K) {
        *self.0.entry(client).or_default() += 1;
    }

    /// Counts one connection of a client less.
    pub(super) fn remove(&mut self, client: &K) {
        if let Some(count) = self.0.get_mut(client) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(client);
            }
        }
    }

    /// Returns the number of a client's connections.
    pub(super) fn of(&self, client: &K) -> usize {
        self.0.get(client).copied().unwrap_or_default()
    }

    /// Returns the largest number of connections of one client.
    pub(super) fn largest(&self) -> usize {
        self.0.values().copied().max().unwrap_or_default()
    }
}

/// The client of a connection before its handshake: an IPv4 address, or the network of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin(IpAddr);

impl From<SocketAddr> for Origin {
    fn from(address: SocketAddr) -> Self {
        Self(match address.ip().to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> NETWORK << NETWORK).into(),
            address => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_connections_and_forgets_clients_without_any() {
        let mut shares = Shares::default();
        ["a", "a", "b"].into_iter().for_each(|client| shares.add(client));
        assert_eq!((shares.of(&"a"), shares.of(&"b"), shares.of(&"c"), shares.largest()), (2, 1, 0, 2));
        ["a", "a", "c"].iter().for_each(|client| shares.remove(client));
        assert_eq!((shares.of(&"a"), shares.largest(), shares.0.len()), (0, 1, 1));
    }

    #[test]
    fn the_machines_of_an_ipv6_network_are_one_client() {
        let origin = |address: &str| Origin::from(SocketAddr::new(address.parse().unwrap(), 1));
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:0:0:1"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_ne!(origin("192.0.2.2"), origin("192.0.2.1"));
    }
}
