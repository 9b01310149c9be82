-- Forgets a name in so many milliseconds, 0 for at once, if it is still this one's.
--
-- KEYS[1] the name; ARGV[1] whose it is, ARGV[2] milliseconds

if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
