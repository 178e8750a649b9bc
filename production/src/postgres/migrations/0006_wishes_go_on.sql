-- Wishes that sleep until somebody says that they still stand, offers that are told once more, and
-- seats that are given back for another one.

ALTER TABLE wish_facts
    DROP CONSTRAINT wish_facts_event_check,
    ADD CONSTRAINT wish_facts_event_check CHECK (event IN (
        'laid', 'changed', 'offered', 'prolonged', 'declined', 'lapsed', 'confirmed', 'reminded',
        'returned', 'booked', 'told', 'ended', 'forgotten')) NOT VALID;

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
