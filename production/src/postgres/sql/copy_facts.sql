COPY facts (position, at, fact, reservation, successor, booking, channel, services, secret, deadline)
FROM STDIN (FORMAT binary)
