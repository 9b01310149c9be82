-- Whether there is room for one more event of a name; if so and it is wanted, it is counted. As
-- accounting/limit.rs. Answers 0, or after how many milliseconds there may be room.
-- KEYS[1] counts by piece; ARGV[1] most, ARGV[2] length of a piece (ms), ARGV[3] '1' to count.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local most, piece_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local current = now - now % piece_ms
local since = current - 10 * piece_ms

local function text(number)
    return string.format('%.0f', number)
end

local seen, oldest, stored = 0, now, redis.call('HGETALL', KEYS[1])
for at = 1, #stored, 2 do
    local piece = tonumber(stored[at])
    if piece < since then
        redis.call('HDEL', KEYS[1], stored[at])
    else
        seen = seen + tonumber(stored[at + 1])
        oldest = math.min(oldest, piece)
    end
end
if seen >= most then
    return math.max(oldest + 11 * piece_ms - now, 1)
end
if ARGV[3] == '1' then
    redis.call('HINCRBY', KEYS[1], text(current), 1)
    redis.call('PEXPIRE', KEYS[1], text(11 * piece_ms))
end
return 0
