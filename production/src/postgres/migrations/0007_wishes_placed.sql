-- The places of wishes that were tickets of a waiting room, once that is drawn.

ALTER TABLE wish_facts
    DROP CONSTRAINT wish_facts_event_check,
    ADD CONSTRAINT wish_facts_event_check CHECK (event IN (
        'laid', 'changed', 'placed', 'offered', 'prolonged', 'reminded', 'declined', 'lapsed',
        'confirmed', 'booked', 'returned', 'told', 'ended', 'forgotten')) NOT VALID;
