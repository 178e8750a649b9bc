-- What people ask most, with names instead of numbers. None of it shows personal data.

-- The address that a reservation carries: office, day, counter, first unit, number of units.
CREATE FUNCTION reservation_office(reservation bytea) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN get_byte(reservation, 0) * 256 + get_byte(reservation, 1);
CREATE FUNCTION reservation_day(reservation bytea) RETURNS date
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN date '2000-01-01' + (get_byte(reservation, 2) * 256 + get_byte(reservation, 3));
CREATE FUNCTION reservation_counter(reservation bytea) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN get_byte(reservation, 4) + 1;

-- The city's time zone, which says what a local date and time is.
CREATE FUNCTION city_zone() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce((SELECT value FROM meta WHERE key = 'zone'), 'Europe/Berlin');

-- Units of five minutes count from the first instant of the local day.
CREATE FUNCTION reservation_starts_at(reservation bytea) RETURNS timestamptz
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN reservation_day(reservation)::timestamp AT TIME ZONE city_zone()
         + (get_byte(reservation, 5) * 256 + get_byte(reservation, 6)) * interval '5 minutes';

CREATE VIEW booking_services AS
SELECT bookings.id                                AS booking,
       bookings.status,
       bookings.office                            AS office_number,
       bookings.day,
       split_part(item, ':', 1)::integer          AS service_number,
       services.id                                AS service_id,
       coalesce(services.name, split_part(item, ':', 1)) AS service,
       split_part(item, ':', 2)::integer          AS quantity,
       place
  FROM bookings
 CROSS JOIN LATERAL unnest(string_to_array(bookings.services, ',')) WITH ORDINALITY AS it (item, place)
  LEFT JOIN services ON services.number = split_part(item, ':', 1)::integer;
COMMENT ON VIEW booking_services IS 'One row for each service of each booking';

CREATE VIEW appointments AS
SELECT bookings.id                                            AS booking,
       bookings.code,
       bookings.status,
       departments.name                                       AS department,
       coalesce(offices.name, bookings.office::text)          AS office,
       bookings.counter,
       bookings.day,
       (lower(during) AT TIME ZONE city_zone())               AS starts,
       (upper(during) AT TIME ZONE city_zone())               AS ends,
       (extract(epoch FROM upper(during) - lower(during)) / 60)::integer AS minutes,
       (SELECT string_agg(it.quantity || ' × ' || it.service, ', ' ORDER BY it.place)
          FROM booking_services AS it WHERE it.booking = bookings.id) AS services,
       bookings.channel,
       bookings.sequence > 0 AND bookings.id <> bookings.reservation AS moved,
       bookings.booked_at,
       bookings.cancelled_at
  FROM bookings
  LEFT JOIN offices ON offices.number = bookings.office
  LEFT JOIN departments ON departments.id = offices.department;
COMMENT ON VIEW appointments IS 'Bookings with names and local times; no personal data';

CREATE VIEW holds AS
SELECT held.reservation,
       reservation_office(held.reservation)       AS office_number,
       coalesce(offices.name, reservation_office(held.reservation)::text) AS office,
       reservation_counter(held.reservation)      AS counter,
       reservation_day(held.reservation)          AS day,
       reservation_starts_at(held.reservation)    AS starts_at,
       held.channel,
       held.services,
       held.at                                    AS made_at,
       greatest(held.deadline, longer.deadline)   AS deadline,
       coalesce(longer.extended, false)           AS extended,
       ended.at                                   AS ended_at,
       ended.how                                  AS ended_by
  FROM facts AS held
  LEFT JOIN offices ON offices.number = reservation_office(held.reservation)
  LEFT JOIN LATERAL (
       SELECT max(deadline) AS deadline, bool_or(fact = 'extended') AS extended
         FROM facts
        WHERE reservation = held.reservation AND fact IN ('extended', 'stretched')
       ) AS longer ON true
  LEFT JOIN LATERAL (
       SELECT at, how
         FROM (SELECT position, at, fact AS how
                 FROM facts
                WHERE reservation = held.reservation AND fact IN ('released', 'expired', 'booked')
               UNION ALL
               SELECT position, at, 'moved'
                 FROM facts
                WHERE successor = held.reservation) AS ends
        ORDER BY position
        LIMIT 1
       ) AS ended ON true
 WHERE held.fact = 'held';
COMMENT ON VIEW holds IS
    'Every hold: made, until when, and how and when it ended; ended_by moved: a booking moved there';

CREATE VIEW cancellations AS
SELECT bookings.id                                   AS booking,
       bookings.office                               AS office_number,
       coalesce(offices.name, bookings.office::text) AS office,
       bookings.day,
       lower(during)                                 AS starts_at,
       bookings.services,
       bookings.booked_at,
       bookings.cancelled_at,
       lower(during) - bookings.cancelled_at         AS notice
  FROM bookings
  LEFT JOIN offices ON offices.number = bookings.office
 WHERE bookings.status = 'cancelled';
COMMENT ON VIEW cancellations IS 'Cancelled bookings, and how long before their start';
