-- Remembers a client's Stripe customer in the shared record; the first one stays.
-- KEYS[1] the record; ARGV[2] the customer, ARGV[3] the one that is gone, or ''. Answers the one
-- that is remembered.

return run(function()
    local known = redis.call('HGET', RECORD, 'stripeCustomerId')
    if known and known ~= '' and known ~= ARGV[3] then
        return { known }
    end
    redis.call('HSET', RECORD, 'stripeCustomerId', ARGV[2], 'updatedAt', updated_at())
    redis.call('HSETNX', RECORD, 'clientId', string.match(RECORD, '[^:]*$'))
    redis.call('HSETNX', RECORD, 'balance', '0')
    redis.call('HSETNX', RECORD, 'createdAt', updated_at())
    return { ARGV[2] }
end)
