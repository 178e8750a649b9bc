COPY room_facts (position, at, room, day, event, fact) FROM STDIN (FORMAT binary)
