-- Wishes that sleep after an offer was not answered, that are told once more of one that is open, and
-- that wait on after a seat was given back.

ALTER TABLE wish_facts
    DROP CONSTRAINT wish_facts_event_check,
    ADD CONSTRAINT wish_facts_event_check CHECK (event IN (
        'laid', 'changed', 'offered', 'prolonged', 'reminded', 'declined', 'lapsed', 'confirmed',
        'booked', 'returned', 'told', 'ended', 'forgotten')) NOT VALID;
COMMENT ON COLUMN wish_facts.event IS
    'What happened; booked: a booking came of it, or one moved for it; returned: that was given back '
    'for another one';

CREATE OR REPLACE VIEW wishes AS
SELECT wish,
       min(at) FILTER (WHERE event = 'laid')                   AS laid_at,
       count(*) FILTER (WHERE event = 'offered')               AS offers,
       count(*) FILTER (WHERE event = 'declined')              AS declined,
       count(*) FILTER (WHERE event = 'lapsed')                AS lapsed,
       CASE WHEN count(*) FILTER (WHERE event = 'booked')
               > count(*) FILTER (WHERE event = 'returned')
            THEN max(at) FILTER (WHERE event = 'booked') END   AS booked_at,
       min(at) FILTER (WHERE event = 'ended')                  AS ended_at,
       min(fact ->> 'how') FILTER (WHERE event = 'ended')      AS ended_by,
       count(*) FILTER (WHERE event = 'returned')              AS returned
  FROM wish_facts
 GROUP BY wish;
