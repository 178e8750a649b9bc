-- Not "status = 'booked'": that would offer the index of what is booked, from one end to the other,
-- as a way to these rows.
UPDATE bookings
   SET status = 'cancelled', cancelled_at = cancelled.at, sequence = cancelled.sequence,
       position = cancelled.position
  FROM unnest($1::bytea[], $2::bytea[], $3::timestamptz[], $4::bigint[], $5::bigint[])
    AS cancelled (id, seat, at, sequence, position)
 WHERE bookings.id = cancelled.id AND bookings.reservation = cancelled.seat
   AND bookings.cancelled_at IS NULL
