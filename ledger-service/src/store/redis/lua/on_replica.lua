-- Writes a field of a hash once more, as it is, so that what is waited for comes after it in the
-- stream to the replicas. Answers 0 if it is not there: the master that had it is no master any more.
--
-- KEYS[1] the hash, ARGV[1] the field

local there = redis.call('HGET', KEYS[1], ARGV[1])
if not there then
    return 0
end
redis.call('HSET', KEYS[1], ARGV[1], there)
return 1
