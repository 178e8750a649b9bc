-- What there is, as of one moment.
--
-- KEYS: stream, meta.
-- ARGV: session of the owner who asks; empty for others.
-- Answers: lineage, session, newest position and its time in ms as the hash has them, the last id
-- that the stream has given, the position of its first record. What is not there is empty.
--
-- For the owner this is a write: what a killed server finds in its file may never have been
-- synced, and only an answer that waited for a sync of that file shows that it is safe. It renews
-- the lease, and works without memory too because something that needs none is done first.

local stream, meta = KEYS[1], KEYS[2]

local state = redis.call('HMGET', meta, 'lineage', 'session', 'newest', 'at')
if state[2] and state[2] == ARGV[1] then
  local now = redis.call('TIME')
  redis.call('HDEL', meta, '')
  local seen = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
  redis.call('HSET', meta, 'seen', seen)
end
local last, first = '', ''
if redis.call('EXISTS', stream) == 1 then
  local about = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #about, 2 do
    if about[i] == 'last-generated-id' then
      last = about[i + 1]
    elseif about[i] == 'first-entry' and about[i + 1] then
      local id, fields = unpack(about[i + 1])
      local _, breaks = string.gsub(fields[2], '\n', '')
      first = string.format('%.0f', tonumber(string.match(id, '^%d+')) - breaks)
    end
  end
end
return {state[1] or '', state[2] or '', state[3] or '', state[4] or '', last, first}
