SELECT DISTINCT room_facts.room, room_facts.day
  FROM room_facts
  JOIN unnest($1::integer[], $2::date[]) AS told (room, day)
    ON room_facts.day = told.day AND room_facts.room = told.room
 WHERE room_facts.event = 'ended'
