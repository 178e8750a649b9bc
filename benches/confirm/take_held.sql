WITH taken AS (
    UPDATE held_slots SET status = 'booked'
     WHERE id = $1 AND status = 'held' AND secret = $2 AND expires_at > now()
    RETURNING id
)
INSERT INTO held_bookings (slot, manage, name, email, phone)
SELECT id, $3, $4, $5, $6 FROM taken
