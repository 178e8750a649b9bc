//! How the values of the rules are written in the tables.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use morgenruh_engine::rules::catalogue::Channel;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::{DayNumber, UnixMillis};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use super::copy;

/// A `bigint`.
pub(super) fn number(position: Position) -> i64 {
    i64::try_from(position.0).expect("nobody counts facts to 2^63")
}

pub(super) fn position(number: i64) -> Position {
    Position(u64::try_from(number).unwrap_or(0))
}

const CHANNELS: [(Channel, &str); 4] = [
    (Channel::Public, "public"),
    (Channel::CallCentre, "call-centre"),
    (Channel::WalkIn, "walk-in"),
    (Channel::Agent, "agent"),
];

pub(super) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Public => CHANNELS[0].1,
        Channel::CallCentre => CHANNELS[1].1,
        Channel::WalkIn => CHANNELS[2].1,
        Channel::Agent => CHANNELS[3].1,
    }
}

/// The channel of that name; the table admits no others.
pub(super) fn channel(name: &str) -> Channel {
    let known = CHANNELS.iter().find(|(_, known)| *known == name);
    known.map_or(Channel::Public, |(channel, _)| *channel)
}

/// A `timestamptz`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant(pub(super) UnixMillis);

impl ToSql for Instant {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(copy::timestamp(self.0));
        Ok(IsNull::No)
    }
    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Instant {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Instant, Box<dyn Error + Sync + Send>> {
        let timestamp = i64::from_be_bytes(raw.try_into()?);
        Ok(Instant(copy::instant(timestamp)))
    }
    accepts!(TIMESTAMPTZ);
}

/// A `date`: PostgreSQL counts its days from the same one as we do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day(pub(super) DayNumber);

impl ToSql for Day {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i32(i32::from(self.0.0));
        Ok(IsNull::No)
    }
    accepts!(DATE);
    to_sql_checked!();
}
