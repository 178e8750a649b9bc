//! What can go wrong, and in which order it does.

use std::fmt;
use std::time::Duration;

use crate::dice::Dice;

/// How long people are served before something goes wrong and after it was mended, in milliseconds.
const SERVED_MS: [f64; 2] = [60.0, 250.0];

/// Share of outages in which the service is killed before they end, or soon after.
const KILL_MEANWHILE_SHARE: f64 = 0.25;
const KILL_AFTERWARDS_SHARE: f64 = 0.15;

/// Share of services killed in an outage that somebody tries to start before it ends.
const START_MEANWHILE_SHARE: f64 = 0.3;

/// An outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    GatewayKilled,
    RedisKilled,
    PostgresKilled,
    AllKilled,
    RedisPausedBriefly,
    RedisPausedLong,
    PostgresPaused,
    RedisCut,
    RedisDelayed,
    RedisUnheard,
    PostgresCut,
    PostgresDelayed,
    PostgresUnheard,
    PostgresAwayInRush,
    RedisOutOfMemory,
    RedisReadOnly,
    RedisDiskFull,
    BacklogFull,
}

/// By what the service shows that it has noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Readiness is red.
    Ledger,
    /// The store counts as away, and readiness stays green.
    Store,
    /// Nothing has to be seen.
    Nothing,
}

/// An outage as it was drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    /// How long people are served before it.
    pub(super) before: Duration,
    /// How long it lasts from when it is noticed.
    pub(super) lasts: Duration,
    /// How long people are served after it.
    pub(super) after: Duration,
    pub(super) kill: Option<Kill>,
    /// Of several that are killed, whether the service is the first.
    pub(super) service_first: bool,
    /// Whether a killed service is tried to be started before the outage ends.
    pub(super) start_meanwhile: bool,
}

/// When the service is killed beside the outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    /// Together with what else is killed.
    AtOnce,
    Meanwhile,
    Afterwards,
}

impl Kind {
    pub(super) const ALL: [Kind; 18] = [
        Kind::GatewayKilled,
        Kind::RedisKilled,
        Kind::PostgresKilled,
        Kind::AllKilled,
        Kind::RedisPausedBriefly,
        Kind::RedisPausedLong,
        Kind::PostgresPaused,
        Kind::RedisCut,
        Kind::RedisDelayed,
        Kind::RedisUnheard,
        Kind::PostgresCut,
        Kind::PostgresDelayed,
        Kind::PostgresUnheard,
        Kind::PostgresAwayInRush,
        Kind::RedisOutOfMemory,
        Kind::RedisReadOnly,
        Kind::RedisDiskFull,
        Kind::BacklogFull,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::GatewayKilled => "service killed",
            Kind::RedisKilled => "Redis killed",
            Kind::PostgresKilled => "PostgreSQL killed",
            Kind::AllKilled => "all three killed",
            Kind::RedisPausedBriefly => "Redis paused briefly",
            Kind::RedisPausedLong => "Redis paused for 5 s",
            Kind::PostgresPaused => "PostgreSQL paused",
            Kind::RedisCut => "Redis cut off",
            Kind::RedisDelayed => "Redis delayed",
            Kind::RedisUnheard => "Redis unheard",
            Kind::PostgresCut => "PostgreSQL cut off",
            Kind::PostgresDelayed => "PostgreSQL delayed",
            Kind::PostgresUnheard => "PostgreSQL unheard",
            Kind::PostgresAwayInRush => "no PostgreSQL in a rush",
            Kind::RedisOutOfMemory => "Redis out of memory",
            Kind::RedisReadOnly => "Redis read-only",
            Kind::RedisDiskFull => "Redis' disk full",
            Kind::BacklogFull => "backlog at its bound",
        }
    }

    pub(super) fn notice(self) -> Notice {
        match self {
            Kind::RedisKilled
            | Kind::RedisPausedLong
            | Kind::RedisCut
            | Kind::RedisUnheard
            | Kind::RedisOutOfMemory
            | Kind::RedisReadOnly
            | Kind::RedisDiskFull
            | Kind::BacklogFull => Notice::Ledger,
            Kind::PostgresKilled | Kind::PostgresCut | Kind::PostgresAwayInRush => Notice::Store,
            Kind::GatewayKilled
            | Kind::AllKilled
            | Kind::RedisPausedBriefly
            | Kind::PostgresPaused
            | Kind::RedisDelayed
            | Kind::PostgresDelayed
            | Kind::PostgresUnheard => Notice::Nothing,
        }
    }

    /// Bounds of how long it lasts, in milliseconds. The service waits one second for Redis
    /// ([`super::servers`]), and a brief pause ends around that.
    fn lasts_ms(self) -> [f64; 2] {
        match self {
            Kind::RedisPausedBriefly => [800.0, 1_300.0],
            Kind::RedisPausedLong => [4_000.0, 4_100.0],
            Kind::RedisDelayed | Kind::PostgresDelayed => [500.0, 1_200.0],
            Kind::PostgresPaused | Kind::PostgresUnheard => [300.0, 2_000.0],
            Kind::PostgresAwayInRush => [800.0, 1_600.0],
            Kind::GatewayKilled => [0.0, 50.0],
            _ => [0.0, 800.0],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl Plan {
    pub(super) fn draw(kind: Kind, dice: &mut Dice) -> Self {
        let time =
            |dice: &mut Dice, bounds_ms| Duration::from_secs_f64(dice.between(bounds_ms) / 1000.0);
        let meanwhile = dice.chance(KILL_MEANWHILE_SHARE);
        let afterwards = dice.chance(KILL_AFTERWARDS_SHARE);
        let kill = match kind {
            Kind::GatewayKilled | Kind::AllKilled => Some(Kill::AtOnce),
            Kind::PostgresAwayInRush => Some(Kill::Meanwhile),
            // It goes on with its usual bound.
            Kind::BacklogFull => Some(Kill::Afterwards),
            _ if meanwhile => Some(Kill::Meanwhile),
            _ if afterwards => Some(Kill::Afterwards),
            _ => None,
        };
        let start_meanwhile = dice.chance(START_MEANWHILE_SHARE);
        Self {
            kind,
            before: time(dice, SERVED_MS),
            lasts: time(dice, kind.lasts_ms()),
            after: time(dice, SERVED_MS),
            kill,
            service_first: dice.chance(0.5),
            start_meanwhile: match kind {
                Kind::PostgresAwayInRush => true,
                Kind::GatewayKilled => false,
                _ => start_meanwhile,
            },
        }
    }
}

/// All kinds in a drawn order, again and again.
#[derive(Debug, Default)]
pub(super) struct Deck {
    left: Vec<Kind>,
}

impl Deck {
    pub(super) fn draw(&mut self, dice: &mut Dice) -> Plan {
        if self.left.is_empty() {
            self.left = Kind::ALL.to_vec();
        }
        let index = dice.below(self.left.len());
        Plan::draw(self.left.swap_remove(index), dice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_comes_before_any_comes_again() {
        let mut dice = Dice::new(1);
        let mut deck = Deck::default();
        for _ in 0..20 {
            let drawn: Vec<_> = Kind::ALL.map(|_| deck.draw(&mut dice).kind).to_vec();
            assert!(Kind::ALL.iter().all(|kind| drawn.contains(kind)));
        }
    }

    #[test]
    fn the_service_is_killed_in_every_way() {
        let mut dice = Dice::new(1);
        let plans: Vec<_> = (0..200)
            .map(|_| Plan::draw(Kind::RedisCut, &mut dice))
            .collect();
        for kill in [None, Some(Kill::Meanwhile), Some(Kill::Afterwards)] {
            assert!(plans.iter().any(|plan| plan.kill == kill), "{kill:?}");
        }
        let rush = Plan::draw(Kind::PostgresAwayInRush, &mut dice);
        assert!(rush.start_meanwhile && rush.kill == Some(Kill::Meanwhile));
    }
}
