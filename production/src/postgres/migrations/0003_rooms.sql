-- Waiting rooms: what happened in them, and whose pass a hold was made with.

ALTER TABLE facts ADD COLUMN ticket bytea;
COMMENT ON COLUMN facts.ticket IS 'held with a pass: the ticket it belongs to';
COMMENT ON COLUMN facts.reservation IS
    'The seat it is about; of a move the one given up; of a waiting room NULL';
-- The older check lets the same rows pass that the newer one does: nobody needs to look at them.
ALTER TABLE facts
    ALTER COLUMN reservation DROP NOT NULL,
    DROP CONSTRAINT facts_fact_check,
    ADD CONSTRAINT facts_fact_check CHECK (fact IN (
        'held', 'extended', 'stretched', 'released', 'expired', 'booked', 'cancelled', 'moved',
        'room')) NOT VALID,
    ADD CONSTRAINT facts_reservation CHECK ((fact = 'room') = (reservation IS NULL)) NOT VALID;

CREATE TABLE room_facts (
    position bigint      PRIMARY KEY,
    at       timestamptz NOT NULL,
    room     integer     NOT NULL,
    day      date        NOT NULL,
    event    text        NOT NULL CHECK (event IN (
        'announced', 'reserved', 'drawn', 'called', 'passed', 'missed', 'lapsed', 'left',
        'preferred', 'paused', 'resumed', 'spent', 'ended')),
    fact     jsonb       NOT NULL
);
COMMENT ON TABLE room_facts IS
    'What happened in waiting rooms, in order. Tells what a draw follows from before it is drawn';
COMMENT ON COLUMN room_facts.position IS 'facts.position';
COMMENT ON COLUMN room_facts.at IS 'When it became true';
COMMENT ON COLUMN room_facts.room IS 'Number of the room in the configuration';
COMMENT ON COLUMN room_facts.day IS 'Local date of the release that the room belongs to';
COMMENT ON COLUMN room_facts.event IS 'What happened; spent: a booking came of it';
COMMENT ON COLUMN room_facts.fact IS
    'The event with what belongs to it; spent: with keyed digests of who booked until the room ends';
CREATE INDEX room_facts_room ON room_facts (day, room, event);

-- The ticket that a pass belongs to: number and day of its room, and its own number.
CREATE FUNCTION ticket_room(ticket bytea) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN get_byte(ticket, 0) * 256 + get_byte(ticket, 1);
CREATE FUNCTION ticket_day(ticket bytea) RETURNS date
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN date '2000-01-01' + (get_byte(ticket, 2) * 256 + get_byte(ticket, 3));
CREATE FUNCTION ticket_number(ticket bytea) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ((get_byte(ticket, 4)::bigint * 256 + get_byte(ticket, 5)) * 256
            + get_byte(ticket, 6)) * 256 + get_byte(ticket, 7);

CREATE VIEW rooms AS
SELECT room,
       day,
       min(at) FILTER (WHERE event = 'announced')                     AS opened_at,
       min(at) FILTER (WHERE event = 'drawn')                         AS drawn_at,
       min((fact ->> 'tickets')::bigint) FILTER (WHERE event = 'drawn') AS drawn,
       count(*) FILTER (WHERE event = 'passed')                       AS passes,
       count(*) FILTER (WHERE event = 'spent')                        AS booked,
       min(at) FILTER (WHERE event = 'ended')                         AS ended_at,
       min(fact ->> 'how') FILTER (WHERE event = 'ended')             AS ended_by
  FROM room_facts
 GROUP BY room, day;
COMMENT ON VIEW rooms IS
    'Every waiting room, without what its draw follows from and without anything about people';
