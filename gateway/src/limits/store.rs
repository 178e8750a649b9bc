//! The buckets of one limit: as many as there are keys, up to a bound.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

/// A prefix of addresses, IPv4 as IPv6 writes it; or the number of a pass.
pub(super) type Key = u128;

/// Room beyond what is used that is kept rather than given back, in buckets.
const SPARE_BUCKETS: usize = 4_096;

/// The network of an address, of so many bits for IPv4 and for IPv6.
pub(super) fn prefix(address: IpAddr, (ipv4_bits, ipv6_bits): (u8, u8)) -> Key {
    let (bits, length) = match address {
        IpAddr::V4(address) => (address.to_ipv6_mapped().to_bits(), 96 + ipv4_bits),
        IpAddr::V6(address) => (address.to_bits(), ipv6_bits),
    };
    let rest = u128::MAX.checked_shr(u32::from(length)).unwrap_or_default();
    bits & !rest
}

#[derive(Debug)]
pub(super) struct Bounded {
    known: DashMap<Key, AtomicU64>,
    /// Keys in `known`, and those that are just being put there.
    keys: AtomicUsize,
    keys_max: usize,
    /// The bucket of all who come when the others are taken. What is forgotten every second is
    /// whoever has been idle for as long as the limit wants between two requests; so it takes a
    /// flood from very many networks, and then a little for everybody is better than no memory.
    others: AtomicU64,
}

impl Bounded {
    pub(super) fn new(keys_max: usize) -> Bounded {
        Bounded {
            known: DashMap::new(),
            keys: AtomicUsize::new(0),
            keys_max,
            others: AtomicU64::new(0),
        }
    }

    /// Whether there is room for one more key, which is taken.
    fn take_room(&self) -> bool {
        let taken = self.keys.fetch_add(1, Ordering::Relaxed);
        if taken >= self.keys_max {
            self.give_room();
        }
        taken < self.keys_max
    }

    fn give_room(&self) {
        self.keys.fetch_sub(1, Ordering::Relaxed);
    }
}

impl StateStore for Bounded {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if let Some(bucket) = self.known.get(key) {
            return measure(&bucket, decide);
        }
        if !self.take_room() {
            return measure(&self.others, decide);
        }
        match self.known.entry(*key) {
            Entry::Occupied(bucket) => {
                self.give_room();
                measure(bucket.get(), decide)
            }
            Entry::Vacant(place) => measure(&place.insert(AtomicU64::new(0)), decide),
        }
    }
}

impl ShrinkableKeyedStateStore<Key> for Bounded {
    fn retain_recent(&self, drop_below: Nanos) {
        self.known.retain(|_, bucket| {
            let is_recent = *bucket.get_mut() > drop_below.as_u64();
            if !is_recent {
                self.give_room();
            }
            is_recent
        });
    }

    fn shrink_to_fit(&self) {
        let used = self.len();
        if self.known.capacity() > 2 * used + SPARE_BUCKETS {
            self.known.shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Decides upon a bucket, whose number is the time of its next request, in nanoseconds; 0 is new.
fn measure<T, F, E>(bucket: &AtomicU64, decide: F) -> Result<T, E>
where
    F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
{
    let mut now = bucket.load(Ordering::Relaxed);
    loop {
        let known = (now > 0).then(|| Nanos::from(now));
        let (result, next) = decide(known)?;
        let replaced =
            bucket.compare_exchange_weak(now, next.into(), Ordering::Relaxed, Ordering::Relaxed);
        match replaced {
            Ok(_) => return Ok(result),
            Err(changed) => now = changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_what_a_network_has_in_common() {
        let key = |address: &str, bits| prefix(address.parse().unwrap(), bits);
        let bits = (32, 64);
        for (one, other, bits, same) in [
            ("192.0.2.1", "192.0.2.1", bits, true),
            ("192.0.2.1", "192.0.2.2", bits, false),
            ("192.0.2.1", "192.0.2.254", (24, 64), true),
            ("192.0.2.1", "192.0.3.1", (24, 64), false),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", bits, true),
            ("2001:db8::1", "2001:db8:0:1::1", bits, false),
            ("2001:db8::1", "2001:db8:0:1::1", (32, 48), true),
            ("2001:db8::1", "2001:db8::2", (32, 128), false),
            ("0.0.0.0", "::", bits, false),
        ] {
            assert_eq!(
                key(one, bits) == key(other, bits),
                same,
                "{one} {other} {bits:?}"
            );
        }
    }
}
