UPDATE room_facts
   SET fact = room_facts.fact - 'identities'
  FROM room_facts AS ended
  JOIN unnest($1::integer[], $2::date[]) AS told (room, day)
    ON ended.day = told.day AND ended.room = told.room
 WHERE ended.event = 'ended'
   AND room_facts.day = ended.day AND room_facts.room = ended.room
   AND room_facts.event = 'spent' AND room_facts.fact ? 'identities'
