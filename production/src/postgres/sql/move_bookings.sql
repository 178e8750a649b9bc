-- Not "status = 'booked'": that would offer the index of what is booked, from one end to the other,
-- as a way to these rows.
UPDATE bookings
   SET reservation = moved.reservation, code = moved.code, office = moved.office,
       counter = moved.counter, during = tstzrange(moved.starts_at, moved.ends_at),
       day = moved.day, channel = moved.channel, services = moved.services,
       sequence = moved.sequence, secret = moved.secret, position = moved.position,
       status = CASE WHEN moved.cancelled_at IS NULL THEN 'booked' ELSE 'cancelled' END,
       cancelled_at = moved.cancelled_at
  FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[], $5::integer[], $6::smallint[],
              $7::timestamptz[], $8::timestamptz[], $9::date[], $10::text[], $11::text[],
              $12::bigint[], $13::bytea[], $14::bigint[], $15::timestamptz[])
    AS moved (id, seat, reservation, code, office, counter, starts_at, ends_at, day, channel,
              services, sequence, secret, position, cancelled_at)
 WHERE bookings.id = moved.id AND bookings.reservation = moved.seat
   AND bookings.cancelled_at IS NULL
