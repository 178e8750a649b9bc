-- Confirms a held slot. KEYS: the slot, the index of expiries. ARGV: the slot's number, the hold's
-- secret, now in ms, the person as JSON, the secret for managing it.
local slot = redis.call('HMGET', KEYS[1], 'status', 'secret', 'expires_at')
if slot[1] ~= 'held' or slot[2] ~= ARGV[2] or tonumber(slot[3]) <= tonumber(ARGV[3]) then
  return 0
end
redis.call('HSET', KEYS[1], 'status', 'booked', 'booked_at', ARGV[3], 'person', ARGV[4],
           'manage', ARGV[5])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
