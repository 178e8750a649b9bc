INSERT INTO services (number, id, name, name_en, department)
SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[])
ON CONFLICT (number) DO UPDATE
   SET id = excluded.id, name = excluded.name, name_en = excluded.name_en,
       department = excluded.department
