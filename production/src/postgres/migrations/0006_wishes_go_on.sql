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
