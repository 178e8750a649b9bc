COPY release_facts (position, at, office, day, minute, event, fact) FROM STDIN (FORMAT binary)
