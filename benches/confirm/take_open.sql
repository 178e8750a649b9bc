WITH slot AS (
    SELECT id
      FROM open_slots
     WHERE office = $1 AND starts_at = to_timestamp($2) AND status = 'free'
     LIMIT 1
       FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE open_slots SET status = 'booked' FROM slot WHERE open_slots.id = slot.id
    RETURNING open_slots.id
)
INSERT INTO open_bookings (slot, manage, name, email, phone)
SELECT id, $3, $4, $5, $6 FROM taken
