-- One table for each way to take a slot, so that neither pays for the other's indexes. No index
-- knows the status, and half of each page is left free: a changed row stays on its page and no
-- index is touched.

CREATE TABLE open_slots (
    id         bigint PRIMARY KEY,
    office     smallint NOT NULL,
    starts_at  timestamptz NOT NULL,
    status     text NOT NULL CHECK (status IN ('free', 'booked'))
) WITH (fillfactor = 50);
CREATE INDEX open_slots_by_start ON open_slots (office, starts_at);

CREATE TABLE held_slots (
    id         bigint PRIMARY KEY,
    office     smallint NOT NULL,
    starts_at  timestamptz NOT NULL,
    status     text NOT NULL CHECK (status IN ('held', 'booked')),
    secret     bytea NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX held_slots_by_expiry ON held_slots (expires_at);

-- The key forbids that a slot is booked twice.
CREATE TABLE open_bookings (
    slot       bigint PRIMARY KEY,
    manage     bytea NOT NULL,
    booked_at  timestamptz NOT NULL DEFAULT now(),
    name       text NOT NULL,
    email      text NOT NULL,
    phone      text
);
CREATE TABLE held_bookings (LIKE open_bookings INCLUDING ALL);
