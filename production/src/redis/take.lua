-- Takes the ledger over, at once if it is the caller's already, else when its lease has run out.
-- Whoever had it before cannot write any more.
--
-- KEYS: stream, meta.
-- ARGV: owner, session, length of a lease in ms.
--
-- Answers: OK | {'held', age of the lease in ms} | {'refused', why}
--
-- The clock is the server's own. A lease from its future means that the clock was put back: then
-- its age says nothing, and once it is further off than a lease is long, it counts as run out.

local stream, meta = KEYS[1], KEYS[2]

local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local known = redis.call('HMGET', meta, 'owner', 'seen')
if known[1] and known[1] ~= ARGV[1] then
  local age = now - (tonumber(known[2]) or 0)
  if math.abs(age) < tonumber(ARGV[3]) then
    return {'held', string.format('%.0f', age)}
  end
end

-- Redis refuses what needs memory only as the first write of a script. A full Redis has to be taken
-- over all the same: room is made by bringing its records into the store. This takes nothing.
redis.call('HDEL', meta, '')

-- No stream takes this id: it only shows whether we may append.
local tried = redis.pcall('XADD', stream, 'NOMKSTREAM', '0-0', 'r', '')
if type(tried) == 'table' and not string.find(tried.err, 'must be greater than 0-0', 1, true) then
  return {'refused', tried.err}
end

redis.call('HSET', meta, 'owner', ARGV[1], 'session', ARGV[2], 'seen', string.format('%.0f', now))
return redis.status_reply('OK')
