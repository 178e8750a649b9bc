COPY bookings (id, reservation, status, code, office, counter, during, day, channel, services,
               sequence, secret, manage, request, idempotency_key, booked_at, cancelled_at, position)
FROM STDIN (FORMAT binary)
