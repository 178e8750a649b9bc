INSERT INTO offices (number, id, name, name_en, department, address)
SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
ON CONFLICT (number) DO UPDATE
   SET id = excluded.id, name = excluded.name, name_en = excluded.name_en,
       department = excluded.department, address = excluded.address
