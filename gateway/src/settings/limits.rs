//! How often one network, or one pass, may ask.

use std::num::NonZeroU32;
use std::time::Duration;

use morgenruh_engine::rules::catalogue::reader::{Layers, Lookup};

use super::kinds::{networks, number, size};
use super::{Keys, quote};
use crate::networks::Networks;

/// Requests a minute, and how many of them may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_minute: NonZeroU32,
    pub burst: NonZeroU32,
}

impl Rate {
    fn read(layers: &Layers<'_, '_>, per_minute: &'static str, burst: &'static str) -> Rate {
        let read = |key| {
            let number = number(layers, key, 1, 1_000_000);
            NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
        };
        Rate {
            per_minute: read(per_minute),
            burst: read(burst),
        }
    }

    /// So many times as much.
    pub(crate) fn times(self, factor: NonZeroU32) -> Rate {
        Rate {
            per_minute: self.per_minute.saturating_mul(factor),
            burst: self.burst.saturating_mul(factor),
        }
    }

    /// From one request to the next.
    pub(crate) fn period(self) -> Duration {
        Duration::from_secs(60) / self.per_minute.get()
    }

    /// In which whoever has used up everything has it again.
    pub(crate) fn window(self) -> Duration {
        self.period() * self.burst.get()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub joins: Rate,
    pub holds: Rate,
    pub bookings: Rate,
    pub wishes: Rate,
    pub pass: Rate,
    pub ipv4_prefix_bits: u8,
    pub ipv6_prefix_bits: u8,
    pub wide_factor: NonZeroU32,
    pub keys_max: usize,
    pub exempt: Networks,
}

impl Limits {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Limits {
        let wide_factor = NonZeroU32::new(number(layers, "wide_factor", 1, 1000));
        Limits {
            joins: Rate::read(layers, "joins_per_minute", "joins_burst"),
            holds: Rate::read(layers, "holds_per_minute", "holds_burst"),
            bookings: Rate::read(layers, "bookings_per_minute", "bookings_burst"),
            wishes: Rate::read(layers, "wishes_per_minute", "wishes_burst"),
            pass: Rate::read(layers, "pass_per_minute", "pass_burst"),
            ipv4_prefix_bits: number(layers, "ipv4_prefix_bits", 8, 32),
            ipv6_prefix_bits: number(layers, "ipv6_prefix_bits", 48, 128),
            wide_factor: wide_factor.unwrap_or(NonZeroU32::MIN),
            keys_max: size(layers, "keys_max", 1000, 10_000_000),
            exempt: layers.need("exempt", networks).unwrap_or_default(),
        }
    }

    pub(super) fn keys(&self) -> Keys {
        vec![
            ("joins_per_minute", self.joins.per_minute.to_string()),
            ("joins_burst", self.joins.burst.to_string()),
            ("holds_per_minute", self.holds.per_minute.to_string()),
            ("holds_burst", self.holds.burst.to_string()),
            ("bookings_per_minute", self.bookings.per_minute.to_string()),
            ("bookings_burst", self.bookings.burst.to_string()),
            ("wishes_per_minute", self.wishes.per_minute.to_string()),
            ("wishes_burst", self.wishes.burst.to_string()),
            ("pass_per_minute", self.pass.per_minute.to_string()),
            ("pass_burst", self.pass.burst.to_string()),
            ("ipv4_prefix_bits", self.ipv4_prefix_bits.to_string()),
            ("ipv6_prefix_bits", self.ipv6_prefix_bits.to_string()),
            ("wide_factor", self.wide_factor.to_string()),
            ("keys_max", self.keys_max.to_string()),
            ("exempt", quote(&self.exempt.to_string())),
        ]
    }
}
