DELETE FROM wishers WHERE wish = ANY ($1::bigint[])
