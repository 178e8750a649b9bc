-- Wishes: what happened to them, and who laid them for as long as that matters; seats that were given
-- back and are for wishes alone for a while; seats that a lottery gives to the wishes of a room.

COMMENT ON COLUMN facts.reservation IS
    'The seat it is about; of a move the one given up; of a waiting room, a release or a wish NULL';
COMMENT ON COLUMN facts.deadline IS 'held, extended, stretched, rested: until when';
-- The older checks let the same rows pass that the newer ones do: nobody needs to look at them.
ALTER TABLE facts
    DROP CONSTRAINT facts_fact_check,
    ADD CONSTRAINT facts_fact_check CHECK (fact IN (
        'held', 'extended', 'stretched', 'released', 'expired', 'booked', 'cancelled', 'moved',
        'rested', 'room', 'release', 'wish')) NOT VALID,
    DROP CONSTRAINT facts_reservation,
    ADD CONSTRAINT facts_reservation
        CHECK ((fact IN ('room', 'release', 'wish')) = (reservation IS NULL)) NOT VALID,
    DROP CONSTRAINT facts_channel_check,
    ADD CONSTRAINT facts_channel_check CHECK (channel IN (
        'public', 'call-centre', 'walk-in', 'agent')) NOT VALID;
ALTER TABLE bookings
    DROP CONSTRAINT bookings_channel_check,
    ADD CONSTRAINT bookings_channel_check CHECK (channel IN (
        'public', 'call-centre', 'walk-in', 'agent')) NOT VALID;
ALTER TABLE room_facts
    DROP CONSTRAINT room_facts_event_check,
    ADD CONSTRAINT room_facts_event_check CHECK (event IN (
        'announced', 'reserved', 'unsure', 'frozen', 'drawn', 'called', 'passed', 'missed',
        'lapsed', 'left', 'preferred', 'paused', 'resumed', 'spent', 'allotted', 'ended')) NOT VALID;
CREATE INDEX facts_rests ON facts (at) WHERE fact = 'rested';

CREATE TABLE wish_facts (
    position bigint      PRIMARY KEY,
    at       timestamptz NOT NULL,
    wish     bigint      NOT NULL,
    event    text        NOT NULL CHECK (event IN (
        'laid', 'changed', 'offered', 'prolonged', 'declined', 'lapsed', 'booked', 'told', 'ended',
        'forgotten')),
    fact     jsonb       NOT NULL
);
COMMENT ON TABLE wish_facts IS 'What happened to wishes, in order; no personal data';
COMMENT ON COLUMN wish_facts.position IS 'facts.position';
COMMENT ON COLUMN wish_facts.at IS 'When it became true';
COMMENT ON COLUMN wish_facts.wish IS 'Number of the wish, from 1 on';
COMMENT ON COLUMN wish_facts.event IS 'What happened; booked: a booking came of it, or one moved for it';
COMMENT ON COLUMN wish_facts.fact IS 'The event with what belongs to it';
CREATE INDEX wish_facts_wish ON wish_facts (wish, event);

CREATE TABLE wishers (
    wish    bigint PRIMARY KEY,
    contact jsonb  NOT NULL
);
COMMENT ON TABLE wishers IS
    'Who wishes, until the wish has ended and everybody was told. Personal data, and the secrets that '
    'manage wishes';
COMMENT ON COLUMN wishers.wish IS 'wish_facts.wish';
COMMENT ON COLUMN wishers.contact IS
    'Name, addresses, answers to the questions of the offices, language, and how to tell them';

CREATE VIEW wishes AS
SELECT wish,
       min(at) FILTER (WHERE event = 'laid')                   AS laid_at,
       count(*) FILTER (WHERE event = 'offered')               AS offers,
       count(*) FILTER (WHERE event = 'declined')              AS declined,
       count(*) FILTER (WHERE event = 'lapsed')                AS lapsed,
       min(at) FILTER (WHERE event = 'booked')                 AS booked_at,
       min(at) FILTER (WHERE event = 'ended')                  AS ended_at,
       min(fact ->> 'how') FILTER (WHERE event = 'ended')      AS ended_by
  FROM wish_facts
 GROUP BY wish;
COMMENT ON VIEW wishes IS 'Every wish: what was offered for it, and how it ended; no personal data';
