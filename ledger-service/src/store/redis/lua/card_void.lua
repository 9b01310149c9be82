-- A void without a client: marks the charge's entry, so that the charge is refused if it is yet
-- to come, and answers 'client' and whose it is if that is known; else 'marked', 'repeated', or
-- 'stale' where nothing is remembered any more.
-- KEYS[1] the entry; ARGV[1] minted, ARGV[2] memory, ARGV[3] skew (all ms).

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local minted = tonumber(ARGV[1])
if minted < now - tonumber(ARGV[2]) or minted > now + tonumber(ARGV[3]) then
    return { 'stale' }
end
local first = redis.call('HSETNX', KEYS[1], 'void', '1') == 1
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ARGV[2] + ARGV[3]))
local client = redis.call('HGET', KEYS[1], 'client')
if client then
    return { 'client', client }
end
return { first and 'marked' or 'repeated' }
