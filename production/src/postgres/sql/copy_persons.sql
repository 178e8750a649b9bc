COPY persons (booking, name, email, phone, answers) FROM STDIN (FORMAT binary)
