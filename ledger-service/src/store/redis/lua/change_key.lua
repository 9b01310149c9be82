-- KEYS[1]  one client's keys: SHA-256 = "revision record"
-- ARGV[1…3] a key's SHA-256, its revision and record. Answers '1', or '0' if the key has changed since.

local stored = redis.call('HGET', KEYS[1], ARGV[1])
local before = stored and tonumber(string.match(stored, '^%d+')) or 0
if before + 1 ~= tonumber(ARGV[2]) then
    return '0'
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
return '1'
