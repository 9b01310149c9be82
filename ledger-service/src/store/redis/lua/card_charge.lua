-- Before a charge whose client the gateway does not know: whose it is, for a void without a name.
-- KEYS[1] the charge's entry: `client`, `void`. ARGV[1] the client, ARGV[2] kept for (ms).
-- Answers 'voided' if a void came before anybody knew whose it is, 'conflict' if it is another
-- client's, else 'ok': then the client's own record decides. Of a void that found the client here
-- the mark alone says nothing: it may be about to give back what was taken.

local known = redis.call('HGET', KEYS[1], 'client')
if known == ARGV[1] then
    return 'ok'
end
if redis.call('HGET', KEYS[1], 'void') then
    return 'voided'
end
if known then
    return 'conflict'
end
redis.call('HSET', KEYS[1], 'client', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'ok'
