//! The thread that makes records durable.
//!
//! A failed commit is of one of two kinds. *Refused*: SQLite says that nothing was written (the
//! disk is full, the file is locked). Then whoever waits is told so at once, and only relaxed
//! records are kept for the next try. *Unclear*: the disk reported an error while it was synced,
//! so the batch may or may not survive. Then nobody is told anything and the same batch is tried
//! until it is certain: a seat whose fate is unclear is neither freed nor given twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError};
use jiff::tz::TimeZone;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};

use super::{Message, Options, Shared};
use crate::rules::ids::ReservationId;
use crate::rules::need::Services;
use crate::rules::record::{Booked, Confirmed, Fact, Position, Record};
use crate::rules::time::UnixMillis;
use crate::shell::ledger::{Entry, Health, NotKept};

/// How often the disk is tried while nobody asks for anything.
const IDLE_PROBE: Duration = Duration::from_secs(5);
/// How long records that nobody waits for are gathered before they are written. In a rush of holds
/// the disk is then asked a few hundred times a second, not as often as it can.
const GATHERING: Duration = Duration::from_millis(2);

pub(super) struct Writer {
    connection: Connection,
    queue: Receiver<Message>,
    options: Options,
    /// The city's, for the times that people read.
    zone: TimeZone,
    shared: Arc<Shared>,
    /// Position of the last durable record.
    last: Position,
    /// Time of the last durable record: times in the ledger never go back.
    last_at: UnixMillis,
    /// Whether the previous try may have been durable although it failed.
    unclear: bool,
}

/// How a commit failed.
enum Failure {
    Refused(rusqlite::Error),
    Unclear(rusqlite::Error),
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        queue: Receiver<Message>,
        options: Options,
        zone: TimeZone,
        shared: Arc<Shared>,
    ) -> rusqlite::Result<Writer> {
        connection.set_prepared_statement_cache_capacity(32);
        let (last, last_at) = newest(&connection)?;
        Ok(Writer {
            connection,
            queue,
            options,
            zone,
            shared,
            last,
            last_at,
            unclear: false,
        })
    }

    pub(super) fn run(mut self) {
        let mut batch: Vec<Entry> = Vec::with_capacity(self.options.batch_max);
        let mut closing = false;
        while !(closing && batch.is_empty()) {
            if !closing {
                closing = self.gather(&mut batch);
            }
            match self.commit(&batch) {
                Ok((first, records)) => {
                    self.report(Health::Ready);
                    for (position, entry) in (first.0..).zip(batch.drain(..records)) {
                        if let Some(done) = entry.done {
                            done(Ok(Position(position)));
                        }
                    }
                }
                Err(failure) => {
                    self.fail(failure, &mut batch);
                    if closing || self.shared.closing.load(Ordering::Acquire) {
                        // The disk does not come back for our sake; what is left is not
                        // acknowledged to anybody.
                        return;
                    }
                    std::thread::sleep(self.options.retry);
                }
            }
        }
    }

    /// Waits for a first record and gathers what comes with it; true when the ledger closes.
    /// It returns without one when the disk is to be tried: after a pause while the ledger is
    /// away, and now and then while nobody asks, so that readiness stays true.
    fn gather(&self, batch: &mut Vec<Entry>) -> bool {
        if batch.is_empty() {
            let closing = self.shared.closing.load(Ordering::Acquire);
            let patience = if self.shared.ready.load(Ordering::Acquire) && !closing {
                IDLE_PROBE
            } else {
                Duration::ZERO
            };
            match self.queue.recv_timeout(patience) {
                Ok(Message::Append(entry)) => batch.push(entry),
                Err(RecvTimeoutError::Timeout) => return closing,
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
        let mut closing = self.take_arrived(batch);
        let somebody_waits = batch.iter().any(|entry| entry.done.is_some());
        if !closing && !somebody_waits && batch.len() < self.options.batch_max {
            // Whoever appends a record that somebody waits for ends this early.
            std::thread::park_timeout(GATHERING);
            closing = self.take_arrived(batch);
        }
        closing
    }

    /// Takes what has arrived, as far as it fits into the batch; true when the ledger closes.
    fn take_arrived(&self, batch: &mut Vec<Entry>) -> bool {
        while batch.len() < self.options.batch_max {
            match self.queue.try_recv() {
                Ok(Message::Append(entry)) => batch.push(entry),
                Ok(Message::Close) => return true,
                Err(_) => break,
            }
        }
        false
    }

    /// Makes the batch durable, or learns that the previous try has done so with its first
    /// records. Returns the position of the first record and how many are durable.
    fn commit(&mut self, batch: &[Entry]) -> Result<(Position, usize), Failure> {
        let first = Position(self.last.0 + 1);
        let unclear = self.unclear;
        // Until the file was read, what was unclear stays so, whatever the error.
        let unread = |error| {
            if unclear {
                Failure::Unclear(error)
            } else {
                classify(error)
            }
        };
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(unread)?;
        let (durable, durable_at) = newest(&transaction).map_err(unread)?;
        self.unclear = false;
        if durable > self.last {
            let records = usize::try_from(durable.0 - self.last.0).unwrap_or(usize::MAX);
            (self.last, self.last_at) = (durable, durable_at);
            return Ok((first, records.min(batch.len())));
        }
        let last = Position(self.last.0 + batch.len() as u64);
        let mut at = self.last_at;
        let mut write = || {
            for (position, entry) in (first.0..).zip(batch) {
                at = at.max(entry.record.at);
                insert(
                    &transaction,
                    &self.zone,
                    Position(position),
                    at,
                    &entry.record,
                )?;
            }
            if batch.is_empty() {
                // A write of its own, to see whether the disk is back.
                let probe = "INSERT OR REPLACE INTO meta (key, value) VALUES ('probe', ?1)";
                transaction.execute(probe, [first.0.to_string()])?;
            }
            Ok(())
        };
        write().map_err(classify)?;
        transaction.commit().map_err(classify)?;
        (self.last, self.last_at) = (last, at);
        Ok((first, batch.len()))
    }

    fn fail(&mut self, failure: Failure, batch: &mut Vec<Entry>) {
        let at = (self.options.clock)();
        let (reason, refused) = match failure {
            Failure::Refused(error) => (error.to_string(), true),
            Failure::Unclear(error) => (error.to_string(), false),
        };
        self.report(Health::Away { since: at, reason });
        self.unclear |= !refused;
        if refused {
            let (waiting, relaxed) = batch.drain(..).partition(|entry| entry.done.is_some());
            *batch = relaxed;
            let waiting: Vec<Entry> = waiting;
            for done in waiting.into_iter().filter_map(|entry| entry.done) {
                done(Err(NotKept { at }));
            }
        }
    }

    fn report(&self, health: Health) {
        if self.shared.ready.swap(health.is_ready(), Ordering::AcqRel) != health.is_ready() {
            *self.shared.health.lock() = health;
        }
    }
}

impl Drop for Writer {
    /// However the thread ends, nobody is told that the ledger is ready any more.
    fn drop(&mut self) {
        let since = (self.options.clock)();
        self.report(Health::Away {
            since,
            reason: "the ledger is closed".into(),
        });
    }
}

fn classify(error: rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => Failure::Unclear(error),
        _ => Failure::Refused(error),
    }
}

/// Position and time of the newest fact.
fn newest(connection: &Connection) -> rusqlite::Result<(Position, UnixMillis)> {
    let newest = "SELECT position, at_ms FROM ledger ORDER BY position DESC LIMIT 1";
    let mut statement = connection.prepare_cached(newest)?;
    let mut rows = statement.query([])?;
    match rows.next()? {
        Some(row) => Ok((Position(row.get(0)?), UnixMillis(row.get(1)?))),
        None => Ok((Position(0), UnixMillis(0))),
    }
}

fn insert(
    connection: &Connection,
    zone: &TimeZone,
    position: Position,
    at: UnixMillis,
    record: &Record,
) -> rusqlite::Result<()> {
    let mut row = LedgerRow {
        position,
        at,
        ..LedgerRow::of(record)
    };
    match &record.fact {
        Fact::Held {
            services,
            channel,
            secret,
            deadline,
            ..
        } => {
            row.services = Some(*services);
            row.channel = Some(*channel as u8);
            row.secret = Some(secret.0);
            row.deadline = Some(*deadline);
        }
        Fact::Extended { deadline, .. } | Fact::Stretched { deadline, .. } => {
            row.deadline = Some(*deadline);
        }
        Fact::Released { .. } | Fact::Expired { .. } => {}
        Fact::Booked(booked) => {
            row.services = Some(booked.confirmed.services);
            insert_booking(connection, zone, position, at, booked)?;
        }
        Fact::Cancelled {
            origin, sequence, ..
        } => {
            let cancel = "UPDATE bookings SET status = 'cancelled', sequence = ?2, position = ?3
                           WHERE id = ?1";
            let mut statement = connection.prepare_cached(cancel)?;
            statement.execute(params![origin.to_bytes(), sequence, position.0])?;
        }
        Fact::Moved { to, .. } => {
            row.services = Some(to.services);
            row.successor = Some(to.id);
            move_booking(connection, zone, position, to)?;
        }
    }
    row.insert(connection)
}

struct LedgerRow {
    position: Position,
    at: UnixMillis,
    fact: &'static str,
    reservation: ReservationId,
    successor: Option<ReservationId>,
    channel: Option<u8>,
    services: Option<Services>,
    secret: Option<[u8; 16]>,
    deadline: Option<UnixMillis>,
}

impl LedgerRow {
    fn of(record: &Record) -> LedgerRow {
        LedgerRow {
            position: Position(0),
            at: record.at,
            fact: record.fact.name(),
            reservation: record.fact.id(),
            successor: None,
            channel: None,
            services: None,
            secret: None,
            deadline: None,
        }
    }

    fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let insert = "INSERT INTO ledger (position, at_ms, fact, reservation, successor, channel,
                                          services, secret, deadline_ms)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        connection.prepare_cached(insert)?.execute(params![
            self.position.0,
            self.at.0,
            self.fact,
            self.reservation.to_bytes(),
            self.successor.map(ReservationId::to_bytes),
            self.channel,
            self.services.map(services_text),
            self.secret,
            self.deadline.map(|deadline| deadline.0),
        ])?;
        Ok(())
    }
}

fn insert_booking(
    connection: &Connection,
    zone: &TimeZone,
    position: Position,
    at: UnixMillis,
    booked: &Booked,
) -> rusqlite::Result<()> {
    let Confirmed { id, contract, .. } = booked.confirmed;
    let insert = "INSERT INTO bookings (id, reservation, status, code, office, day, counter,
                                        start_unit, units, starts_at, start_ms, end_ms,
                                        channel, services, sequence, secret, manage, request,
                                        idempotency_key, booked_at_ms, position)
                  VALUES (?1, ?2, 'booked', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                          ?15, ?16, ?17, ?18, ?19, ?20)";
    let seat = id.seat();
    connection.prepare_cached(insert)?.execute(params![
        contract.origin.to_bytes(),
        id.to_bytes(),
        id.code(),
        seat.key.office,
        seat.key.day.0,
        seat.counter + 1,
        seat.start,
        seat.units,
        local(zone, booked.confirmed.start),
        booked.confirmed.start.0,
        booked.confirmed.end.0,
        booked.confirmed.channel as u8,
        services_text(booked.confirmed.services),
        contract.sequence,
        booked.confirmed.secret.0,
        contract.manage.0,
        contract.request.0,
        booked.idempotency_key.map(|key| key.0),
        at.0,
        position.0,
    ])?;
    let person = &booked.person;
    let answers = serde_json::to_string(&person.answers).expect("texts are always JSON");
    let insert = "INSERT INTO persons (booking, name, email, phone, answers)
                  VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(insert)?.execute(params![
        contract.origin.to_bytes(),
        person.name,
        person.email,
        person.phone,
        answers,
    ])?;
    Ok(())
}

/// The request stays the one that made the booking: its repetition is recognised by it.
fn move_booking(
    connection: &Connection,
    zone: &TimeZone,
    position: Position,
    to: &Confirmed,
) -> rusqlite::Result<()> {
    let update = "UPDATE bookings
                     SET reservation = ?2, code = ?3, office = ?4, day = ?5, counter = ?6,
                         start_unit = ?7, units = ?8, starts_at = ?9, start_ms = ?10, end_ms = ?11,
                         channel = ?12, services = ?13, sequence = ?14, secret = ?15, position = ?16
                   WHERE id = ?1";
    let seat = to.id.seat();
    connection.prepare_cached(update)?.execute(params![
        to.contract.origin.to_bytes(),
        to.id.to_bytes(),
        to.id.code(),
        seat.key.office,
        seat.key.day.0,
        seat.counter + 1,
        seat.start,
        seat.units,
        local(zone, to.start),
        to.start.0,
        to.end.0,
        to.channel as u8,
        services_text(to.services),
        to.contract.sequence,
        to.secret.0,
        position.0,
    ])?;
    Ok(())
}

/// As people of the city write it, with the offset that tells the two hours of autumn apart.
fn local(zone: &TimeZone, instant: UnixMillis) -> String {
    let zoned = instant.to_jiff().to_zoned(zone.clone());
    zoned.strftime("%Y-%m-%d %H:%M %:z").to_string()
}

/// `number:quantity`, comma separated.
fn services_text(services: Services) -> String {
    let mut text = String::with_capacity(24);
    for (number, quantity) in services.iter() {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&number.to_string());
        text.push(':');
        text.push_str(&quantity.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use rusqlite::ffi;
    use tempfile::TempDir;

    use super::*;
    use crate::rules::ids::{DayKey, Seat};
    use crate::rules::time::DayNumber;
    use crate::shell::sqlite::{DATABASE, open_database};

    const NOON: UnixMillis = UnixMillis(1_796_122_800_000);

    fn writer(data: &TempDir) -> Writer {
        let connection = open_database(data.path()).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        let options = Options {
            batch_max: 8,
            queue_max: 8,
            retry: Duration::ZERO,
            clock: || NOON,
        };
        let (_, queue) = crossbeam::channel::bounded(options.queue_max);
        Writer::new(connection, queue, options, TimeZone::UTC, Arc::default()).unwrap()
    }

    /// A record for which somebody waits.
    fn entry(at: UnixMillis) -> (Entry, Receiver<Result<Position, NotKept>>) {
        let key = DayKey {
            office: 1,
            day: DayNumber(9_832),
        };
        let seat = Seat {
            key,
            counter: 0,
            start: 96,
            units: 2,
        };
        let id = ReservationId::new(seat, 0, 0);
        let fact = Fact::Released { id };
        let (done, answer) = channel();
        let entry = Entry {
            record: Record { at, fact },
            done: Some(Box::new(move |outcome| done.send(outcome).unwrap_or(()))),
        };
        (entry, answer)
    }

    /// What a disk that reports an error after everything was written leaves behind.
    fn written_but_reported_lost(writer: &mut Writer, batch: &mut Vec<Entry>) {
        let before = (writer.last, writer.last_at);
        assert!(writer.commit(batch).is_ok());
        (writer.last, writer.last_at) = before;
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None);
        writer.fail(classify(error), batch);
    }

    /// The batch has grown by the time of the second try: what is durable is recognised, and the
    /// rest follows it. Nobody is refused, and times do not go back.
    #[test]
    fn a_batch_that_was_durable_after_all_is_not_refused() {
        let data = tempfile::tempdir().unwrap();
        let mut writer = writer(&data);
        let ((first, told), (second, _also)) = (entry(NOON), entry(UnixMillis(0)));
        let mut batch = vec![first];
        written_but_reported_lost(&mut writer, &mut batch);
        batch.push(second);
        assert_eq!(writer.commit(&batch).ok(), Some((Position(1), 1)));
        batch.remove(0);
        assert_eq!(writer.commit(&batch).ok(), Some((Position(2), 1)));
        assert_eq!((writer.last, writer.last_at), (Position(2), NOON));
        assert!(told.try_recv().is_err(), "only the ledger's thread answers");
    }

    /// The second try cannot even look, because the file is locked: what was unclear stays so.
    #[test]
    fn what_is_unclear_is_not_refused_by_another_error() {
        let data = tempfile::tempdir().unwrap();
        let mut writer = writer(&data);
        let (first, told) = entry(NOON);
        let mut batch = vec![first];
        written_but_reported_lost(&mut writer, &mut batch);
        let other = Connection::open(data.path().join(DATABASE)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let Err(failure) = writer.commit(&batch) else {
            panic!("it is locked")
        };
        writer.fail(failure, &mut batch);
        assert_eq!((batch.len(), told.try_recv().is_err()), (1, true));
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(writer.commit(&batch).ok(), Some((Position(1), 1)));
    }
    /// The disk is full: whoever waits is told so, nothing of it is kept, and when there is room
    /// again the ledger goes on where it was.
    #[test]
    fn a_full_disk_refuses_and_keeps_nothing() {
        let data = tempfile::tempdir().unwrap();
        let mut writer = writer(&data);
        writer
            .connection
            .pragma_update(None, "max_page_count", 1)
            .unwrap();
        let (mut batch, told): (Vec<Entry>, Vec<_>) = (0..1_000).map(|_| entry(NOON)).unzip();
        let Err(failure) = writer.commit(&batch) else {
            panic!("a thousand facts need room")
        };
        writer.fail(failure, &mut batch);
        assert!(batch.is_empty());
        assert!(
            told.iter()
                .all(|told| told.try_recv() == Ok(Err(NotKept { at: NOON })))
        );
        assert!(!writer.shared.health.lock().is_ready());
        writer
            .connection
            .pragma_update(None, "max_page_count", 1 << 20)
            .unwrap();
        let (next, _told) = entry(NOON);
        assert_eq!(writer.commit(&[next]).ok(), Some((Position(1), 1)));
    }
}
