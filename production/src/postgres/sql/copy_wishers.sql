COPY wishers (wish, contact) FROM STDIN (FORMAT binary)
