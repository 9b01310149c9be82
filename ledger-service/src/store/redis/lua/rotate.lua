-- KEYS[1]  a client's state. ARGV[1…2] its rotation, as `account.lua` keeps it, and what comes in its place.
-- Answers '1', or '0' if another one is there by now.

if (redis.call('HGET', KEYS[1], 'rotation') or '0 0 0 0') ~= ARGV[1] then
    return '0'
end
redis.call('HSET', KEYS[1], 'rotation', ARGV[2])
return '1'
