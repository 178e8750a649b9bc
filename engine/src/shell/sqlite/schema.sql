-- The tables of a data directory. They are meant to be read by people too: see the views at the
-- end (`SELECT * FROM appointments`).

-- What the ledger knows about itself, e.g. the version of this schema.
CREATE TABLE IF NOT EXISTS meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is durable and not in the tables below yet: seldom more than a moment old, and empty when the
-- service has been stopped. Each line of `records` is a fact as JSON, with personal data.
CREATE TABLE IF NOT EXISTS tail (
    position INTEGER PRIMARY KEY, -- of the last of them
    at_ms    INTEGER NOT NULL,
    records  TEXT    NOT NULL
) STRICT;

-- Every fact in the order in which it became true. No personal data. Times never go back here,
-- even where the clock did, so that the newest facts can be found from the end.
CREATE TABLE IF NOT EXISTS ledger (
    position    INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    fact        TEXT    NOT NULL,
    reservation BLOB    NOT NULL, -- room: number and day of the room instead, 2 bytes each;
                                  -- wish: its number, 8 bytes; release: office, day and minute,
                                  -- 2 bytes each
    successor   BLOB,    -- moved: the new reservation
    channel     INTEGER, -- held: 0 public, 1 call centre, 2 walk-in, 3 wishes
    services    TEXT,    -- held, booked, moved: number:quantity, comma separated
    secret      BLOB,    -- held: digest of the hold's secret
    deadline_ms INTEGER, -- held, extended, stretched; rested: until when
    ticket      BLOB     -- held with a pass: the room, and the ticket's number in 4 bytes
) STRICT;
CREATE INDEX IF NOT EXISTS ledger_rests ON ledger (at_ms) WHERE fact = 'rested';

-- What happened in waiting rooms; also the bookings that came of them. Of whoever booked there are
-- keyed digests until the room has ended. Whoever may read this knows what a draw follows from
-- before it is drawn.
CREATE TABLE IF NOT EXISTS room_facts (
    position INTEGER PRIMARY KEY, -- that of the ledger
    at_ms    INTEGER NOT NULL,
    room     INTEGER NOT NULL,    -- number of the room * 65536 + day
    day      INTEGER NOT NULL,    -- of its release, days since 2000-01-01
    event    TEXT    NOT NULL,
    fact     TEXT    NOT NULL     -- JSON object with the event and what belongs to it
) STRICT;
CREATE INDEX IF NOT EXISTS room_facts_by_room ON room_facts (day, room, event);

-- What was decided about releases, with who decided it and why. Whoever may read this knows the
-- moments of a drip before they have come.
CREATE TABLE IF NOT EXISTS release_facts (
    position INTEGER PRIMARY KEY, -- that of the ledger
    at_ms    INTEGER NOT NULL,
    release  INTEGER NOT NULL,    -- number of the office * 2^32 + day * 65536 + minute of the day
    day      INTEGER NOT NULL,    -- of the release, days since 2000-01-01
    event    TEXT    NOT NULL,
    fact     TEXT    NOT NULL     -- JSON object with the event and what belongs to it
) STRICT;
CREATE INDEX IF NOT EXISTS release_facts_by_day ON release_facts (day);

-- What happened to wishes; also the bookings that came of them. Without personal data.
CREATE TABLE IF NOT EXISTS wish_facts (
    position INTEGER PRIMARY KEY, -- that of the ledger
    at_ms    INTEGER NOT NULL,
    wish     INTEGER NOT NULL,
    event    TEXT    NOT NULL,
    fact     TEXT    NOT NULL     -- JSON object with the event and what belongs to it
) STRICT;
CREATE INDEX IF NOT EXISTS wish_facts_by_wish ON wish_facts (wish, event);

-- Who wishes, until the wish has ended and everybody was told. The table for their personal data.
CREATE TABLE IF NOT EXISTS wishers (
    wish    INTEGER PRIMARY KEY,
    contact TEXT    NOT NULL      -- JSON object
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

-- Who comes. The table for personal data.
CREATE TABLE IF NOT EXISTS persons (
    booking BLOB PRIMARY KEY,
    name    TEXT NOT NULL,
    email   TEXT NOT NULL,
    phone   TEXT,
    answers TEXT NOT NULL -- JSON object by question id
) STRICT, WITHOUT ROWID;

-- Facts that a rule of these tables forbids: each is a mistake of the program, so it should be empty.
-- Can hold personal data.
CREATE TABLE IF NOT EXISTS quarantine (
    position INTEGER PRIMARY KEY,
    reason   TEXT NOT NULL,
    record   TEXT NOT NULL
) STRICT;

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

-- One row for each waiting room, without what its draw follows from.
CREATE VIEW IF NOT EXISTS rooms AS
SELECT room,
       room >> 16                                             AS number,
       date('2000-01-01', day || ' days')                     AS day,
       datetime(min(at_ms) FILTER (WHERE event = 'announced') / 1000, 'unixepoch') AS opened_utc,
       max(json_extract(fact, '$.tickets')) FILTER (WHERE event = 'drawn') AS drawn,
       count(*) FILTER (WHERE event = 'passed')               AS passes,
       count(*) FILTER (WHERE event = 'spent')                AS bookings,
       max(json_extract(fact, '$.how')) FILTER (WHERE event = 'ended')     AS ended
  FROM room_facts
 GROUP BY day, room
 ORDER BY day, room;

-- What staff decided about releases.
CREATE VIEW IF NOT EXISTS release_decisions AS
SELECT position,
       datetime(at_ms / 1000, 'unixepoch')                        AS at_utc,
       offices.id                                                 AS office,
       date('2000-01-01', day || ' days')                         AS day,
       printf('%02d:%02d', (release & 65535) / 60, (release & 65535) % 60) AS time,
       event,
       json_extract(fact, '$.by')                                 AS decided_by,
       json_extract(fact, '$.reason')                             AS reason
  FROM release_facts
  LEFT JOIN offices ON offices.number = release >> 32
 WHERE event <> 'announced'
 ORDER BY position;

-- One row for each wish.
CREATE VIEW IF NOT EXISTS wishes AS
SELECT wish,
       datetime(min(at_ms) / 1000, 'unixepoch')               AS laid_utc,
       count(*) FILTER (WHERE event = 'offered')              AS offers,
       count(*) FILTER (WHERE event = 'declined')             AS declined,
       count(*) FILTER (WHERE event = 'lapsed')               AS lapsed,
       count(*) FILTER (WHERE event = 'booked')               AS bookings,
       max(json_extract(fact, '$.how')) FILTER (WHERE event = 'ended') AS ended
  FROM wish_facts
 GROUP BY wish
 ORDER BY wish;

CREATE VIEW IF NOT EXISTS history AS
SELECT position,
       datetime(at_ms / 1000, 'unixepoch')             AS at_utc,
       fact,
       hex(reservation)                                AS reservation,
       services,
       datetime(deadline_ms / 1000, 'unixepoch')       AS deadline_utc
  FROM ledger
 ORDER BY position;
