-- As `on_replica.lua`, for a name: writes it once more, as it is. Answers 0 if it is not there.
--
-- KEYS[1] the name

local there = redis.call('GET', KEYS[1])
if not there then
    return 0
end
redis.call('SET', KEYS[1], there, 'KEEPTTL')
return 1
