//! The binary form in which `COPY` moves rows, and how our values look in it.
//!
//! A header, then for each row the number of its fields and each field with its length before it
//! (-1 is NULL), at the end a row of -1 fields. All numbers are big-endian.

use bytes::{BufMut, Bytes, BytesMut};
use morgenruh_engine::rules::time::UnixMillis;

use super::fault::Fault;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, and the length of an extension that nobody uses.
const HEADER_BYTES: usize = SIGNATURE.len() + 8;
const NULL: i32 = -1;
const END: i16 = -1;
/// From 1970-01-01 to 2000-01-01, where PostgreSQL counts from, in microseconds.
const EPOCH_US: i64 = 946_684_800_000_000;
/// Where PostgreSQL's time begins, in 4714 before Christ, and where it ends.
const FIRST_US: i64 = -211_813_488_000_000_000;
const END_US: i64 = 9_223_371_331_200_000_000;
/// A range has its lower end and lacks its upper one.
const RANGE_LOWER_INCLUSIVE: u8 = 2;
/// The version that precedes a jsonb.
const JSONB: u8 = 1;

/// As PostgreSQL counts: microseconds since 2000; what lies beyond its ends is infinite.
pub(super) fn timestamp(instant: UnixMillis) -> i64 {
    match instant.0.saturating_mul(1_000).saturating_sub(EPOCH_US) {
        ..FIRST_US => i64::MIN,
        END_US.. => i64::MAX,
        timestamp => timestamp,
    }
}

/// The opposite of the above.
pub(super) fn instant(timestamp: i64) -> UnixMillis {
    UnixMillis(timestamp.saturating_add(EPOCH_US).div_euclid(1_000))
}

/// Rows on their way into a table.
pub(super) struct RowsOut {
    buffer: BytesMut,
    fields: i16,
}

impl RowsOut {
    /// Rows of this many fields.
    pub(super) fn new(fields: i16) -> RowsOut {
        let mut buffer = BytesMut::new();
        buffer.put_slice(SIGNATURE);
        buffer.put_i64(0);
        RowsOut { buffer, fields }
    }

    pub(super) fn finish(mut self) -> Bytes {
        self.buffer.put_i16(END);
        self.buffer.freeze()
    }

    /// Begins the next row; its fields follow.
    pub(super) fn row(&mut self) -> &mut RowsOut {
        self.buffer.put_i16(self.fields);
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut RowsOut {
        let length = i32::try_from(bytes.len()).expect("no field of ours has two gigabytes");
        self.buffer.put_i32(length);
        self.buffer.put_slice(bytes);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut RowsOut {
        self.bytes(text.as_bytes())
    }

    pub(super) fn small(&mut self, number: i16) -> &mut RowsOut {
        self.bytes(&number.to_be_bytes())
    }

    pub(super) fn int(&mut self, number: i32) -> &mut RowsOut {
        self.bytes(&number.to_be_bytes())
    }

    pub(super) fn big(&mut self, number: i64) -> &mut RowsOut {
        self.bytes(&number.to_be_bytes())
    }

    pub(super) fn instant(&mut self, instant: UnixMillis) -> &mut RowsOut {
        self.big(timestamp(instant))
    }

    /// From an instant, inclusive, to another one, exclusive.
    pub(super) fn during(&mut self, from: UnixMillis, to: UnixMillis) -> &mut RowsOut {
        let mut range = Vec::with_capacity(25);
        range.put_u8(RANGE_LOWER_INCLUSIVE);
        for end in [from, to] {
            range.put_i32(8);
            range.put_i64(timestamp(end));
        }
        self.bytes(&range)
    }

    pub(super) fn jsonb(&mut self, json: &str) -> &mut RowsOut {
        let mut value = Vec::with_capacity(json.len() + 1);
        value.put_u8(JSONB);
        value.put_slice(json.as_bytes());
        self.bytes(&value)
    }

    /// The field of a value that may be missing.
    pub(super) fn or_null<T>(
        &mut self,
        value: Option<T>,
        put: impl FnOnce(&mut RowsOut, T) -> &mut RowsOut,
    ) -> &mut RowsOut {
        match value {
            Some(value) => put(self, value),
            None => {
                self.buffer.put_i32(NULL);
                self
            }
        }
    }
}

/// One row on its way out of a table, read field by field.
pub(super) struct RowIn<'a> {
    rest: &'a [u8],
}

impl<'a> RowIn<'a> {
    /// None where it is the end of the rows, or nothing but the header.
    pub(super) fn of(message: &'a [u8], fields: i16) -> Result<Option<RowIn<'a>>, Fault> {
        let mut row = RowIn { rest: message };
        if message.starts_with(SIGNATURE) {
            row.take(HEADER_BYTES)?;
        }
        if row.rest.is_empty() {
            return Ok(None);
        }
        match i16::from_be_bytes(row.array()?) {
            END => Ok(None),
            found if found == fields => Ok(Some(row)),
            _ => Err(damaged()),
        }
    }

    /// The next field; None is NULL.
    pub(super) fn field(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        match i32::from_be_bytes(self.array()?) {
            NULL => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| damaged())?;
                self.take(length).map(Some)
            }
        }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        self.field()?.ok_or_else(damaged)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| damaged())
    }

    /// A field of this many bytes: an id, a digest, a number.
    pub(super) fn exactly<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.bytes()?.try_into().map_err(|_| damaged())
    }

    pub(super) fn exactly_or_null<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Fault> {
        let field = self.field()?;
        field
            .map(|bytes| bytes.try_into().map_err(|_| damaged()))
            .transpose()
    }

    pub(super) fn int(&mut self) -> Result<i32, Fault> {
        self.exactly().map(i32::from_be_bytes)
    }

    pub(super) fn big(&mut self) -> Result<i64, Fault> {
        self.exactly().map(i64::from_be_bytes)
    }

    pub(super) fn instant(&mut self) -> Result<UnixMillis, Fault> {
        self.big().map(instant)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| damaged())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(damaged)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn damaged() -> Fault {
    Fault::Lost("a row is not of the form that this program writes".into())
}
