-- The tables of a data directory. They are meant to be read by people too: see the views at the
-- end (`SELECT * FROM appointments`).

-- What the ledger knows about itself, e.g. the version of this schema.
CREATE TABLE IF NOT EXISTS meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every fact in the order in which it became true. No personal data. Times never go back here,
-- even where the clock did, so that the newest facts can be found from the end.
CREATE TABLE IF NOT EXISTS ledger (
    position    INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    fact        TEXT    NOT NULL,
    reservation BLOB    NOT NULL,
    successor   BLOB,    -- moved: the new reservation
    channel     INTEGER, -- held: 0 public, 1 call centre, 2 walk-in
    services    TEXT,    -- held, booked, moved: number:quantity, comma separated
    secret      BLOB,    -- held: digest of the hold's secret
    deadline_ms INTEGER  -- held, extended, stretched
) STRICT;

-- What became of every hold that was confirmed. A booking keeps its id when it moves.
CREATE TABLE IF NOT EXISTS bookings (
    id              BLOB PRIMARY KEY,
    reservation     BLOB    NOT NULL UNIQUE, -- the id of the seat it has now
    status          TEXT    NOT NULL CHECK (status IN ('booked', 'cancelled')),
    code            TEXT    NOT NULL,
    office          INTEGER NOT NULL,
    day             INTEGER NOT NULL,        -- days since 2000-01-01
    counter         INTEGER NOT NULL,
    start_unit      INTEGER NOT NULL,
    units           INTEGER NOT NULL,
    starts_at       TEXT    NOT NULL,        -- local, with the offset of that day
    start_ms        INTEGER NOT NULL,
    end_ms          INTEGER NOT NULL,
    channel         INTEGER NOT NULL,
    services        TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    secret          BLOB    NOT NULL,
    manage          BLOB    NOT NULL,
    request         BLOB    NOT NULL,
    idempotency_key BLOB,
    booked_at_ms    INTEGER NOT NULL,
    position        INTEGER NOT NULL         -- of the last fact about it
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS bookings_by_day ON bookings (day, office);

-- Who comes. The only table with personal data.
CREATE TABLE IF NOT EXISTS persons (
    booking BLOB PRIMARY KEY,
    name    TEXT NOT NULL,
    email   TEXT NOT NULL,
    phone   TEXT,
    answers TEXT NOT NULL -- JSON object by question id
) STRICT, WITHOUT ROWID;

-- Names for the numbers, as the configuration had them at the last start.
CREATE TABLE IF NOT EXISTS offices (
    number INTEGER PRIMARY KEY,
    id     TEXT NOT NULL,
    name   TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS services (
    number INTEGER PRIMARY KEY,
    id     TEXT NOT NULL,
    name   TEXT NOT NULL
) STRICT;

CREATE VIEW IF NOT EXISTS appointments AS
SELECT bookings.code,
       bookings.status,
       offices.name                    AS office,
       bookings.starts_at,
       (end_ms - start_ms) / 60000     AS minutes,
       counter,
       bookings.services,
       persons.name,
       persons.email
  FROM bookings
  LEFT JOIN offices ON offices.number = bookings.office
  LEFT JOIN persons ON persons.booking = bookings.id
 ORDER BY start_ms, office, counter;

CREATE VIEW IF NOT EXISTS history AS
SELECT position,
       datetime(at_ms / 1000, 'unixepoch')             AS at_utc,
       fact,
       hex(reservation)                                AS reservation,
       services,
       datetime(deadline_ms / 1000, 'unixepoch')       AS deadline_utc
  FROM ledger
 ORDER BY position;
