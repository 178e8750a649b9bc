INSERT INTO quarantine (position, reason, record) VALUES ($1, $2, $3::text::json)
