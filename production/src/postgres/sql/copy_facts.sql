COPY facts (position, at, fact, reservation, successor, booking, channel, services, secret, deadline,
            ticket)
FROM STDIN (FORMAT binary)
