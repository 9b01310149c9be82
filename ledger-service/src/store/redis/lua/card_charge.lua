-- Before a charge whose client the gateway does not know: whose it is, for a void without a name.
-- KEYS[1] the charge's entry: `client`, `void`. ARGV[1] the client, ARGV[2] kept for (ms).
-- Answers 'voided' if a void came first, 'conflict' if it is another client's, else 'ok'.

if redis.call('HGET', KEYS[1], 'void') then
    return 'voided'
end
local known = redis.call('HGET', KEYS[1], 'client')
if known and known ~= ARGV[1] then
    return 'conflict'
end
if not known then
    redis.call('HSET', KEYS[1], 'client', ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 'ok'
