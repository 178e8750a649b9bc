-- The tables of a store. docs/STORE.md explains them with examples. Every table and column says
-- here, too, what it holds, so that a database tool shows it.

CREATE TABLE meta (
    key   text PRIMARY KEY,
    value text NOT NULL
);
COMMENT ON TABLE meta IS 'What the store knows about itself: schema_version, lineage, zone';

CREATE TABLE watermark (
    partition smallint    PRIMARY KEY,
    position  bigint      NOT NULL,
    at        timestamptz NOT NULL
);
COMMENT ON TABLE watermark IS 'How far the store has followed the ledger; one row';
COMMENT ON COLUMN watermark.position IS 'Position of the newest fact that is here';
COMMENT ON COLUMN watermark.at IS 'When that fact became true';
INSERT INTO watermark VALUES (0, 0, 'epoch');

CREATE TABLE departments (
    id      text PRIMARY KEY,
    name    text NOT NULL,
    name_en text NOT NULL
);
COMMENT ON TABLE departments IS 'Departments (Ämter), as the configuration had them last';

CREATE TABLE offices (
    number     integer PRIMARY KEY,
    id         text NOT NULL,
    name       text NOT NULL,
    name_en    text NOT NULL,
    department text NOT NULL,
    address    text NOT NULL
);
COMMENT ON TABLE offices IS 'Offices (Standorte), as the configuration had them last';
COMMENT ON COLUMN offices.number IS 'Stable; bookings.office names it';

CREATE TABLE services (
    number     integer PRIMARY KEY,
    id         text NOT NULL,
    name       text NOT NULL,
    name_en    text NOT NULL,
    department text NOT NULL
);
COMMENT ON TABLE services IS 'Services (Dienstleistungen), as the configuration had them last';
COMMENT ON COLUMN services.number IS 'Stable; bookings.services names it';

-- No foreign keys to the names: a booking outlives the configuration that it was made under.

CREATE TABLE facts (
    position    bigint      PRIMARY KEY,
    at          timestamptz NOT NULL,
    fact        text        NOT NULL CHECK (fact IN (
        'held', 'extended', 'stretched', 'released', 'expired', 'booked', 'cancelled', 'moved')),
    reservation bytea       NOT NULL,
    successor   bytea,
    booking     bytea,
    channel     text        CHECK (channel IN ('public', 'call-centre', 'walk-in')),
    services    text,
    secret      bytea,
    deadline    timestamptz
);
COMMENT ON TABLE facts IS 'Everything that ever happened to a seat, in order; no personal data';
COMMENT ON COLUMN facts.position IS 'Place in the ledger, from 1 on without gaps';
COMMENT ON COLUMN facts.at IS 'When it became true; never before the fact before it';
COMMENT ON COLUMN facts.reservation IS 'The seat it is about; of a move the one given up';
COMMENT ON COLUMN facts.successor IS 'moved: the new seat';
COMMENT ON COLUMN facts.booking IS 'booked, cancelled, moved: bookings.id';
COMMENT ON COLUMN facts.channel IS 'held, booked, moved: who asked';
COMMENT ON COLUMN facts.services IS 'held, booked, moved: service number:quantity, comma separated';
COMMENT ON COLUMN facts.secret IS 'held: digest of the secret that goes with the hold';
COMMENT ON COLUMN facts.deadline IS 'held, extended, stretched: until when';
-- Facts come in the order of both, so these indexes grow at one end.
CREATE INDEX facts_at ON facts (at);
CREATE INDEX facts_reservation ON facts (reservation);
CREATE INDEX facts_successor ON facts (successor) WHERE successor IS NOT NULL;
CREATE INDEX facts_booking ON facts (booking) WHERE booking IS NOT NULL;

CREATE TABLE bookings (
    id              bytea       PRIMARY KEY,
    reservation     bytea       NOT NULL,
    status          text        NOT NULL CHECK (status IN ('booked', 'cancelled')),
    code            text        NOT NULL,
    office          integer     NOT NULL,
    counter         smallint    NOT NULL,
    during          tstzrange   NOT NULL CHECK (NOT isempty(during)),
    day             date        NOT NULL,
    channel         text        NOT NULL CHECK (channel IN ('public', 'call-centre', 'walk-in')),
    services        text        NOT NULL,
    sequence        bigint      NOT NULL,
    secret          bytea       NOT NULL,
    manage          bytea       NOT NULL,
    request         bytea       NOT NULL,
    idempotency_key bytea,
    booked_at       timestamptz NOT NULL,
    cancelled_at    timestamptz,
    position        bigint      NOT NULL,
    CONSTRAINT bookings_cancelled CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    -- Judged when a transaction ends, so that seats can be exchanged within it.
    CONSTRAINT bookings_no_overlap
        EXCLUDE USING gist (office WITH =, counter WITH =, during WITH &&)
        WHERE (status = 'booked')
        DEFERRABLE INITIALLY DEFERRED
);
COMMENT ON TABLE bookings IS 'Every appointment that was ever confirmed, as it stands now';
COMMENT ON COLUMN bookings.id IS 'For life; the seat it was first booked on';
COMMENT ON COLUMN bookings.reservation IS 'The seat it has now; differs from id after a move';
COMMENT ON COLUMN bookings.code IS 'The short reference, unique within office and day';
COMMENT ON COLUMN bookings.office IS 'offices.number';
COMMENT ON COLUMN bookings.counter IS 'Number of the counter, from 1 on';
COMMENT ON COLUMN bookings.during IS 'From the start, inclusive, to the end, exclusive';
COMMENT ON COLUMN bookings.day IS 'Local date';
COMMENT ON COLUMN bookings.services IS 'services.number:quantity, comma separated';
COMMENT ON COLUMN bookings.sequence IS 'Rises with every move and with the cancellation';
COMMENT ON COLUMN bookings.secret IS 'Digest of the secret of the hold it came from';
COMMENT ON COLUMN bookings.manage IS 'Digest of the secret that manages the booking';
COMMENT ON COLUMN bookings.request IS 'Digest of the request that made it';
COMMENT ON COLUMN bookings.idempotency_key IS 'Digest of the key of that request';
COMMENT ON COLUMN bookings.position IS 'facts.position of the last fact about it';
CREATE INDEX bookings_day ON bookings (day, office);

CREATE TABLE persons (
    booking bytea PRIMARY KEY REFERENCES bookings ON DELETE CASCADE,
    name    text  NOT NULL,
    email   text  NOT NULL,
    phone   text,
    answers jsonb NOT NULL
);
COMMENT ON TABLE persons IS 'Who comes. Personal data';
COMMENT ON COLUMN persons.booking IS 'bookings.id';
COMMENT ON COLUMN persons.answers IS 'Answers to the questions of the office, by question id';

-- The record is json and not jsonb: byte for byte what the ledger has, so that it can be applied
-- later, and nothing that JSON can say is refused.
CREATE TABLE quarantine (
    position       bigint      PRIMARY KEY,
    quarantined_at timestamptz NOT NULL DEFAULT now(),
    reason         text        NOT NULL,
    record         json        NOT NULL
);
COMMENT ON TABLE quarantine IS
    'Facts that a rule of this database forbids. Should be empty. Can hold personal data';
COMMENT ON COLUMN quarantine.position IS 'facts.position';
