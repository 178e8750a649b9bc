INSERT INTO departments (id, name, name_en)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_en = excluded.name_en
