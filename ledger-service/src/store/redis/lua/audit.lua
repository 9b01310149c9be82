-- Appends an entry to the audit record, unless there is one in its place: what is in it stays.
-- KEYS[1] the record: members "place entry", all of one score, so that they sort by their places.
-- ARGV[1] the place, ARGV[2] the entry.

local start = ARGV[1] .. ' '
-- '!' is the next character after the space.
local known = redis.call('ZRANGEBYLEX', KEYS[1], '[' .. start, '(' .. ARGV[1] .. '!', 'LIMIT', 0, 1)
if #known == 0 then
    redis.call('ZADD', KEYS[1], 0, start .. ARGV[2])
end
return #known
