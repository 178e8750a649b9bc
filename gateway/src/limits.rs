//! How often one network may ask for a ticket, a hold, a booking or a wish, and how often one pass.
//!
//! A town hall, a school and half a mobile network are behind one address each, so no limit here
//! says who somebody is, and none keeps anybody away for longer than some seconds. They are a
//! floor under the service: one machine alone cannot keep it busy. What is fair is decided by the
//! waiting room and by what one pass may do.

mod layer;
mod standing;
mod store;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};

use crate::client_address::ClientAddress;
use crate::networks::Networks;
use crate::settings;
use crate::settings::Rate;
use store::{Bounded, Key};

pub(crate) use layer::limit;
pub use standing::{Refused, Standing};

/// Providers give their customers a /56 or a /48: whoever has one has thousands of /64.
const WIDE_PREFIX_BITS: u8 = 48;

/// What is limited by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Join,
    Hold,
    Book,
    /// Lays a wish, looks at one, changes or withdraws it.
    Wish,
}

/// What everybody has used up of what they may do. It forgets by itself what no longer matters,
/// as often as somebody calls [`Limits::keep_house`].
#[derive(Debug)]
pub struct Limits<C: Clock = SinceStart> {
    joins: ByAddress<C>,
    holds: ByAddress<C>,
    bookings: ByAddress<C>,
    wishes: ByAddress<C>,
    pass: Limit<C>,
    exempt: Networks,
    ipv4_prefix_bits: u8,
    ipv6_prefix_bits: u8,
    proxy_is_told: AtomicBool,
}

/// The limits of one action.
#[derive(Debug)]
struct ByAddress<C: Clock> {
    prefix: Limit<C>,
    /// For IPv6, over all prefixes of one customer's.
    wide: Limit<C>,
}

/// One limit with a bucket for each key.
#[derive(Debug)]
struct Limit<C: Clock> {
    name: &'static str,
    rate: Rate,
    buckets: RateLimiter<Key, Bounded, C, StateInformationMiddleware>,
    refused: AtomicU64,
}

/// What a limit has done so far, for `/metrics`.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    pub limit: &'static str,
    pub refused: u64,
    /// Buckets that are kept now.
    pub keys: usize,
}

/// A clock that only goes forward.
#[derive(Clone, Copy, Debug)]
pub struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Limits {
    pub fn new(settings: &settings::Limits) -> Limits {
        Limits::with_clock(settings, &SinceStart(Instant::now()))
    }
}

impl<C: Clock + Clone> Limits<C> {
    pub fn with_clock(settings: &settings::Limits, clock: &C) -> Limits<C> {
        let limit = |name, rate| Limit::new(name, rate, settings.keys_max, clock.clone());
        let by_address = |name, wide, rate: Rate| ByAddress {
            prefix: limit(name, rate),
            wide: limit(wide, rate.times(settings.wide_factor)),
        };
        Limits {
            joins: by_address("joins", "joins-wide", settings.joins),
            holds: by_address("holds", "holds-wide", settings.holds),
            bookings: by_address("bookings", "bookings-wide", settings.bookings),
            wishes: by_address("wishes", "wishes-wide", settings.wishes),
            pass: limit("pass", settings.pass),
            exempt: settings.exempt.clone(),
            ipv4_prefix_bits: settings.ipv4_prefix_bits,
            ipv6_prefix_bits: settings.ipv6_prefix_bits,
            proxy_is_told: AtomicBool::new(false),
        }
    }
}

impl<C: Clock> Limits<C> {
    /// Counts one request of a client, unless that is too many. `None`: this client has no limit.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn check(
        &self,
        action: Action,
        client: ClientAddress,
    ) -> Result<Option<Standing>, Refused> {
        if self.exempt.contains(client.ip()) {
            return Ok(None);
        }
        let limits = match action {
            Action::Join => &self.joins,
            Action::Hold => &self.holds,
            Action::Book => &self.bookings,
            Action::Wish => &self.wishes,
        };
        let bits = (self.ipv4_prefix_bits, self.ipv6_prefix_bits);
        // The narrow one first: who is refused there takes nothing from the neighbours.
        let standing = limits.prefix.check(store::prefix(client.ip(), bits))?;
        if client.ip().is_ipv4() {
            return Ok(Some(standing));
        }
        let wide = store::prefix(client.ip(), (0, WIDE_PREFIX_BITS));
        let wide = limits.wide.check(wide)?;
        Ok(Some(standing.or_if_less(wide)))
    }

    /// Counts one hold that is asked for with a pass, whatever its address.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn by_pass(&self, pass: u64) -> Result<Standing, Refused> {
        self.pass.check(Key::from(pass))
    }

    /// Says once in the log that everybody behind some proxy is taken for one.
    fn tell_of_proxy(&self) {
        if !self.proxy_is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "X-Forwarded-For comes from a machine nearby that trusted_proxies does not name: \
                 it is ignored, and all who come by that machine share the limits of one"
            );
        }
    }

    /// Forgets whoever could do everything again.
    pub fn keep_house(&self) {
        for limit in self.all() {
            limit.buckets.retain_recent();
            limit.buckets.shrink_to_fit();
        }
    }

    pub fn counts(&self) -> impl Iterator<Item = Count> {
        self.all().into_iter().map(|limit| Count {
            limit: limit.name,
            refused: limit.refused.load(Ordering::Relaxed),
            keys: limit.buckets.len(),
        })
    }

    fn all(&self) -> [&Limit<C>; 9] {
        let [joins, holds] = [&self.joins, &self.holds];
        let [bookings, wishes] = [&self.bookings, &self.wishes];
        [
            &joins.prefix,
            &joins.wide,
            &holds.prefix,
            &holds.wide,
            &bookings.prefix,
            &bookings.wide,
            &wishes.prefix,
            &wishes.wide,
            &self.pass,
        ]
    }
}

impl<C: Clock> Limit<C> {
    fn new(name: &'static str, rate: Rate, keys_max: usize, clock: C) -> Limit<C> {
        let quota = Quota::with_period(rate.period()).expect("a period is never zero");
        let quota = quota.allow_burst(rate.burst);
        Limit {
            name,
            rate,
            buckets: RateLimiter::new(quota, Bounded::new(keys_max), clock),
            refused: AtomicU64::new(0),
        }
    }

    fn check(&self, key: Key) -> Result<Standing, Refused> {
        match self.buckets.check_key(&key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Ok(Standing::new(self.name, self.rate, remaining))
            }
            Err(until) => {
                let wait = until.wait_time_from(self.buckets.clock().now());
                let number = self.refused.fetch_add(1, Ordering::Relaxed);
                Err(Refused::new(self.name, self.rate, wait, number))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv6Addr};

    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::settings::Settings;

    const SETTINGS: &str = "
        [limits]
        joins_per_minute = 60
        joins_burst = 3
        wide_factor = 4
        pass_per_minute = 6
        pass_burst = 2
        keys_max = 1000
        exempt = \"203.0.113.0/24, fd00::/8\"
    ";

    fn limits(clock: &FakeRelativeClock) -> Limits<FakeRelativeClock> {
        let settings = Settings::load(Some(SETTINGS), &BTreeMap::new()).unwrap();
        Limits::with_clock(&settings.limits, clock)
    }

    fn client(address: &str) -> ClientAddress {
        ClientAddress::of(address.parse().unwrap())
    }

    /// How many of `tries` requests are let through.
    fn passed(limits: &Limits<FakeRelativeClock>, address: &str, tries: usize) -> usize {
        let tries = (0..tries).map(|_| limits.check(Action::Join, client(address)));
        tries.filter(Result::is_ok).count()
    }

    fn kept(limits: &Limits<FakeRelativeClock>, name: &str) -> usize {
        let mut counts = limits.counts();
        counts.find(|count| count.limit == name).unwrap().keys
    }

    #[test]
    fn after_the_burst_it_is_one_at_a_time() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        assert_eq!(passed(&limits, "192.0.2.1", 10), 3);
        assert_eq!(passed(&limits, "192.0.2.2", 10), 3, "another address");
        clock.advance(Duration::from_millis(999));
        assert_eq!(passed(&limits, "192.0.2.1", 10), 0);
        clock.advance(Duration::from_millis(1));
        assert_eq!(passed(&limits, "192.0.2.1", 10), 1);
        clock.advance(Duration::from_secs(60));
        assert_eq!(
            passed(&limits, "192.0.2.1", 10),
            3,
            "no more than the burst"
        );
        assert_eq!(
            limits.counts().map(|count| count.refused).sum::<u64>(),
            7 + 7 + 10 + 9 + 7
        );
    }

    #[test]
    fn each_action_is_counted_by_itself() {
        let limits = limits(&FakeRelativeClock::default());
        assert_eq!(passed(&limits, "192.0.2.1", 10), 3);
        for action in [Action::Hold, Action::Book, Action::Wish] {
            limits.check(action, client("192.0.2.1")).unwrap();
        }
    }

    #[test]
    fn a_network_of_ten_thousand_addresses_is_one() {
        let limits = limits(&FakeRelativeClock::default());
        let network: Ipv6Addr = "2001:db8:1:2::".parse().unwrap();
        let passed = (1..=10_000).filter(|number| {
            let address = Ipv6Addr::from_bits(network.to_bits() | number << 17);
            let client = ClientAddress::of(IpAddr::V6(address));
            limits.check(Action::Join, client).is_ok()
        });
        assert_eq!(passed.count(), 3);
        assert_eq!(kept(&limits, "joins"), 1);
    }

    #[test]
    fn who_has_many_networks_has_not_many_times_as_much() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        let one_each = (0..500).filter(|number| {
            let address = format!("2001:db8:1:{number:x}::1");
            limits.check(Action::Join, client(&address)).is_ok()
        });
        assert_eq!(one_each.count(), 3 * 4);
        assert_eq!(passed(&limits, "2001:db8:2::1", 10), 3, "the neighbour's");
        // A customer who floods from one network leaves something for the others of theirs.
        assert_eq!(passed(&limits, "2001:db8:3:1::1", 10_000), 3);
        assert_eq!(passed(&limits, "2001:db8:3:2::1", 10), 3);
    }

    #[test]
    fn who_is_exempt_is_not_counted() {
        let limits = limits(&FakeRelativeClock::default());
        for address in ["203.0.113.9", "::ffff:203.0.113.9", "fd12::1"] {
            for _ in 0..1_000 {
                let standing = limits.check(Action::Join, client(address)).unwrap();
                assert_eq!(standing, None);
            }
        }
        assert_eq!(kept(&limits, "joins"), 0);
        assert_eq!(passed(&limits, "203.0.114.1", 10), 3);
    }

    #[test]
    fn a_pass_has_a_limit_of_its_own() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        let passed = |pass| (0..10).filter(|_| limits.by_pass(pass).is_ok()).count();
        assert_eq!((passed(1), passed(2)), (2, 2));
        clock.advance(Duration::from_secs(10));
        assert_eq!((passed(1), passed(3)), (1, 2));
    }

    /// A school: everybody behind one address, at the same second. With the defaults they all
    /// have their tickets within two minutes, though they only do as they are told.
    #[test]
    fn three_hundred_behind_one_address_all_get_their_tickets() {
        let clock = FakeRelativeClock::default();
        let settings = Settings::load(None, &BTreeMap::new()).unwrap();
        let limits = Limits::with_clock(&settings.limits, &clock);
        let school = client("198.51.100.1");
        let mut waiting: Vec<u32> = vec![0; 500];
        let (mut seconds, mut served) = (0, 0);
        while !waiting.is_empty() {
            waiting.retain_mut(|again_at| {
                if *again_at > seconds {
                    return true;
                }
                let refused = limits.check(Action::Join, school).err();
                *again_at = refused.map_or(0, |refused| seconds + refused.retry_after_s());
                refused.is_some()
            });
            if seconds == 0 {
                served = 500 - waiting.len();
            }
            seconds += 1;
            clock.advance(Duration::from_secs(1));
        }
        assert!(served >= 300, "{served} at once");
        assert!(seconds <= 120, "{seconds} s");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        let mut passed_over_bound = 0;
        for number in 0..5_000_u32 {
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0b00_0000 + number));
            let passed = limits.check(Action::Join, ClientAddress::of(address));
            passed_over_bound += u32::from(number >= 1_000 && passed.is_ok());
        }
        assert_eq!(kept(&limits, "joins"), 1_000);
        assert_eq!(passed_over_bound, 3, "the others share one bucket");
        assert_eq!(
            passed(&limits, "11.0.0.1", 10),
            2,
            "who was there before keeps theirs"
        );
        limits.keep_house();
        assert_eq!(kept(&limits, "joins"), 1_000);
        clock.advance(Duration::from_secs(2));
        limits.keep_house();
        assert_eq!(kept(&limits, "joins"), 1, "who has used up everything");
        clock.advance(Duration::from_secs(2));
        limits.keep_house();
        assert_eq!(kept(&limits, "joins"), 0);
        assert_eq!(passed(&limits, "12.0.0.1", 10), 3);
    }

    #[test]
    fn threads_together_get_no_more_than_one() {
        let limits = limits(&FakeRelativeClock::default());
        let passed: usize = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| passed(&limits, "192.0.2.1", 1_000)))
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(passed, 3);
        assert_eq!(kept(&limits, "joins"), 1);
    }
}
