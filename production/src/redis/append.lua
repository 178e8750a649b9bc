-- Appends a batch: all of it, or nothing.
--
-- KEYS: stream, meta.
-- ARGV: session, position of the newest record as the caller knows it, time of the last record to
-- append in ms, and for each entry the number of its records and their lines. Without entries it
-- writes all the same, and so finds out whether it could.
--
-- Answers: OK | {'gone'} | {'fenced'} | {'newest', position} | {'refused', why}; nothing is written
-- but `seen` unless it is OK.
--
-- Redis looks at memory, disk, role and rights before the first write of a script, and lets it end
-- once it has written. The first HSET and the first XADD meet all that can be refused; what comes
-- after them cannot fail.

local stream, meta = KEYS[1], KEYS[2]

local known = redis.call('HMGET', meta, 'session', 'newest')
if not known[1] or not known[2] then
  return {'gone'}
end
if known[1] ~= ARGV[1] then
  return {'fenced'}
end
if known[2] ~= ARGV[2] then
  return {'newest', known[2]}
end

local now = redis.call('TIME')
local seen = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
local written = redis.pcall('HSET', meta, 'seen', seen)
if type(written) == 'table' then
  return {'refused', written.err}
end

if #ARGV > 3 then
  local position = tonumber(ARGV[2])
  local add = redis.pcall
  for i = 4, #ARGV, 2 do
    position = position + tonumber(ARGV[i])
    local id = string.format('%.0f-0', position)
    local added = add('XADD', stream, 'NOMKSTREAM', id, 'r', ARGV[i + 1])
    if not added then
      return {'gone'}
    end
    if type(added) == 'table' then
      return {'refused', added.err}
    end
    add = redis.call
  end
  redis.call('HSET', meta, 'newest', string.format('%.0f', position), 'at', ARGV[3])
end
return redis.status_reply('OK')
