-- Begins a ledger in an empty Redis, so that its first record follows on a position.
--
-- KEYS: stream, meta.
-- ARGV: session, lineage, position, time of that position in ms, id of an entry just before the
-- first. The entry is trimmed at once; the stream remembers its id.
--
-- Answers: OK | {'fenced'} | {'begun'} when there is something already.

local stream, meta = KEYS[1], KEYS[2]

local known = redis.call('HMGET', meta, 'session', 'lineage')
if known[1] ~= ARGV[1] then
  return {'fenced'}
end
if known[2] or redis.call('EXISTS', stream) == 1 then
  return {'begun'}
end
redis.call('XADD', stream, 'MAXLEN', '0', ARGV[5], 'r', '')
redis.call('HSET', meta, 'lineage', ARGV[2], 'newest', ARGV[3], 'at', ARGV[4])
return redis.status_reply('OK')
