COPY wish_facts (position, at, wish, event, fact) FROM STDIN (FORMAT binary)
