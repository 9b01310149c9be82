-- As `accounting/top_up.rs`, advance.
--
-- ARGV[2…8] id, whether it is finished then (0 or 1), its state (JSON), for how long those without a
--           charge are kept (ms), the state that it must be in (JSON, or '' for any), and if it is
--           credited: the PaymentIntent and the amount. Credited ones stay: a dispute may come
--           months later
-- Answers what became of it, and the record.

local id, finished, how, kept_ms = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

-- A client that never paid and never comes back leaves nothing behind, once all of its currencies
-- rest.
local function expire_if_worthless(after_ms)
    for _, field in ipairs(redis.call('HKEYS', TOP_UPS)) do
        if field == 'credited' or string.find(field, '^open:') then
            return
        end
    end
    redis.call('PEXPIRE', TOP_UPS, text(after_ms))
    redis.call('PEXPIRE', DATED, text(after_ms))
end

return run(function()
    local stored, now = top_up(id)
    if not stored then
        return { 'unknown' }
    end
    -- Money that was taken after all, though the charge had been given up, is credited.
    if now.finished and not (ARGV[7] and is_uncharged(now)) then
        return { 'finished', id, stored }
    end
    if ARGV[6] ~= '' and ARGV[6] ~= now.state then
        return { 'moved', id, stored }
    end
    if ARGV[7] then
        local posted = post(now.currency, 'top_up', 'credit', ARGV[7], ARGV[8], '-')
        -- A PaymentIntent is credited once, whichever top-up claims it.
        if posted ~= 'done' and posted ~= 'repeated' then
            return { posted }
        end
    end
    local record = table.concat({
        finished, now.units, text(now.created), now.currency, now.card, now.name, how,
    }, '\n')
    redis.call('HSET', TOP_UPS, id, record)
    if finished == '1' then
        -- Another one may be under way by now.
        if redis.call('HGET', TOP_UPS, 'open:' .. now.currency) == id then
            redis.call('HDEL', TOP_UPS, 'open:' .. now.currency)
        end
        if ARGV[7] then
            redis.call('ZREM', DATED, id)
            redis.call('HSET', TOP_UPS, 'credited', '1')
            redis.call('PERSIST', TOP_UPS)
        else
            redis.call('ZADD', DATED, text(NOW + kept_ms), id)
            expire_if_worthless(kept_ms)
        end
    end
    return { 'done', id, record }
end)
