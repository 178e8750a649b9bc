-- Releases: what was announced of them, and what staff decided.

-- The older check lets the same rows pass that the newer one does: nobody needs to look at them.
ALTER TABLE facts
    DROP CONSTRAINT facts_fact_check,
    ADD CONSTRAINT facts_fact_check CHECK (fact IN (
        'held', 'extended', 'stretched', 'released', 'expired', 'booked', 'cancelled', 'moved',
        'rested', 'room', 'wish', 'release')) NOT VALID,
    DROP CONSTRAINT facts_reservation,
    ADD CONSTRAINT facts_reservation
        CHECK ((fact IN ('room', 'wish', 'release')) = (reservation IS NULL)) NOT VALID;
COMMENT ON COLUMN facts.reservation IS
    'The seat it is about; of a move the one given up; of a waiting room or a release NULL';

-- Two events that a room has had since draws wait for a beacon and crashes are remembered.
ALTER TABLE room_facts
    DROP CONSTRAINT room_facts_event_check,
    ADD CONSTRAINT room_facts_event_check CHECK (event IN (
        'announced', 'reserved', 'unsure', 'frozen', 'drawn', 'called', 'passed', 'missed',
        'lapsed', 'left', 'preferred', 'paused', 'resumed', 'spent', 'ended')) NOT VALID;

CREATE TABLE release_facts (
    position bigint      PRIMARY KEY,
    at       timestamptz NOT NULL,
    office   integer     NOT NULL,
    day      date        NOT NULL,
    minute   integer     NOT NULL CHECK (minute BETWEEN 0 AND 1439),
    event    text        NOT NULL CHECK (event IN (
        'announced', 'published', 'paused', 'resumed', 'withdrawn')),
    fact     jsonb       NOT NULL
);
COMMENT ON TABLE release_facts IS
    'What was decided about releases, in order. Tells the moments of a drip before they have come';
COMMENT ON COLUMN release_facts.position IS 'facts.position';
COMMENT ON COLUMN release_facts.at IS 'When it became true';
COMMENT ON COLUMN release_facts.office IS 'Number of the office in the configuration';
COMMENT ON COLUMN release_facts.day IS 'Local date of the release';
COMMENT ON COLUMN release_facts.minute IS 'Local minute of the release, counted from midnight';
COMMENT ON COLUMN release_facts.event IS 'What happened';
COMMENT ON COLUMN release_facts.fact IS 'The event with what belongs to it: who decided it, and why';
CREATE INDEX release_facts_day ON release_facts (day);

CREATE VIEW release_decisions AS
SELECT release_facts.at,
       offices.id                       AS office,
       day,
       make_time(minute / 60, minute % 60, 0) AS time,
       event,
       fact ->> 'by'                    AS decided_by,
       fact ->> 'reason'                AS reason
  FROM release_facts
  LEFT JOIN offices ON offices.number = release_facts.office
 WHERE event <> 'announced'
 ORDER BY release_facts.position;
COMMENT ON VIEW release_decisions IS 'What staff decided about releases, who and why';
