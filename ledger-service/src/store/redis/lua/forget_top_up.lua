-- Forgets a top-up that ended without a charge, and what its client has of it if nothing else is left.
--
-- ARGV[2…4] id, currency, the PaymentIntent that waited for its cardholder (or '')
-- Answers 'stays' if it is open or was charged after all, 'early' if it is not due yet by this server's
-- clock, else 'gone'. Then: whether the PaymentIntent was credited here (0 or 1); whether anything is left
-- of the client (0 or 1); the customer that was forgotten (or '').

local id, currency, waited = ARGV[2], ARGV[3], ARGV[4]

-- What `customer.lua` writes. A record with more in it is the Express middleware's, too.
local ours = {
    stripeCustomerId = true, updatedAt = true, clientId = true, balance = true, createdAt = true,
}

local function has_more()
    if next(state) then
        return true -- an account
    end
    for _, field in ipairs(redis.call('HKEYS', TOP_UPS)) do
        if not string.find(field, '^named:') then
            return true
        end
    end
    for _, field in ipairs(redis.call('HKEYS', RECORD)) do
        if not ours[field] then
            return true
        end
    end
end

return run(function()
    local stored, of = top_up(id)
    if stored then
        if not is_uncharged(of) then
            return { 'stays' }
        end
        local due = redis.call('ZSCORE', DATED, id)
        if due and tonumber(due) > NOW then
            return { 'early' }
        end
        local named = 'named:' .. of.currency .. ':' .. of.name
        -- Or it names a later one.
        if redis.call('HGET', TOP_UPS, named) == id then
            redis.call('HDEL', TOP_UPS, named)
            redis.call('ZREM', DATED, named)
        end
        redis.call('HDEL', TOP_UPS, id)
        redis.call('ZREM', DATED, id)
    end
    local credited = waited ~= '' and movement(currency, 'top_up', waited) and '1' or '0'
    if has_more() then
        return { 'gone', credited, '1', '' }
    end
    local customer = redis.call('HGET', RECORD, 'stripeCustomerId') or ''
    redis.call('DEL', RECORD, TOP_UPS, DATED)
    return { 'gone', credited, '0', customer }
end)
