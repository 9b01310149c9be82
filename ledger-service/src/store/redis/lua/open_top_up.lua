-- As `accounting/top_up.rs`, open.
--
-- ARGV[2…10] id, currency, amount, needed, card, idempotency key (or ''), now (Unix ms, the
--            caller's), how long a key names its top-up (ms), the record to write
-- Answers what became of it, and the record of the top-up it is about. A top-up that there is
-- already was opened by this call, whose answer was lost: 'new' again.

local id, currency, units, needed, card, name = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local now, key_life = tonumber(ARGV[8]), tonumber(ARGV[9])

-- A few at a time: as many as are made are forgotten in the long run.
local function forget_dated()
    for _, old in ipairs(redis.call('ZRANGEBYSCORE', DATED, '-inf', text(NOW), 'LIMIT', 0, 10)) do
        redis.call('ZREM', DATED, old)
        redis.call('HDEL', TOP_UPS, old)
    end
end

return run(function()
    local ours = top_up(id)
    if ours then
        return { 'new', id, ours }
    end
    local named = 'named:' .. currency .. ':' .. name
    if name ~= '' then
        local known = redis.call('HGET', TOP_UPS, named)
        local stored, of = top_up(known)
        -- One that was refused before Stripe heard of it, because there were too many, names nothing,
        -- nor does one with which Stripe failed.
        local free = stored and (string.find(of.state, '"reason":"rate_limited"', 1, true)
            or string.find(of.state, '"state":"lapsed"', 1, true))
        if stored and now < of.created + key_life and not free then
            if of.units == units and of.pays == card then
                return { 'repeated', known, stored }
            end
            return { 'mismatch' }
        end
    end
    local holder = account(currency)
    if holder.frozen then
        return { 'frozen' }
    end
    if holder.available >= amount(needed, 'what is needed') then
        return { 'enough' }
    end
    if is_leased(holder, amount(needed, 'what is needed')) then
        recall(currency, holder)
        return { 'leased' }
    end
    local open = redis.call('HGET', TOP_UPS, 'open:' .. currency)
    local stored = top_up(open)
    if stored then
        return { 'busy', open, stored }
    end
    -- Too large a balance is another matter: it is charged, and refused when it is credited.
    local after = holder.available + math.max(amount(units, 'the amount') - holder.debt, 0)
    if holder.debt > 0 and after < amount(needed, 'what is needed') then
        return { 'in_debt', text(holder.debt) }
    end
    forget_dated()
    redis.call('HSET', TOP_UPS, id, ARGV[10], 'open:' .. currency, id)
    redis.call('PERSIST', TOP_UPS)
    redis.call('PERSIST', DATED)
    if name ~= '' then
        redis.call('HSET', TOP_UPS, named, id)
        redis.call('ZADD', DATED, text(NOW + 2 * key_life), named)
    end
    return { 'new', id, ARGV[10] }
end)
