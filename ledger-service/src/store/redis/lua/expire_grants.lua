-- ARGV[2…3] a currency, and when the grants expire (ms) that made somebody look. Takes back what has expired of
-- the currency's; what holds may still spend waits for them.
-- Answers when to look again at these (ms) or '', and what expired: reference, amount.

return run(function()
    local currency, expires, answer, expired = ARGV[2], tonumber(ARGV[3]), { '' }, {}
    for _, lot in ipairs(lots_of(currency)) do
        if lot.expires and lot.expires <= NOW and lot.left > 0 then
            table.insert(expired, { lot.reference, lot.left, rest_name(lot) })
        end
    end
    for _, lot in ipairs(expired) do
        local reference, units = lot[1], math.min(lot[2], account(currency).available)
        local name = movement(currency, 'grant_expired', reference) and lot[3] or reference
        if units > 0 and post(currency, 'grant_expired', 'expire', name, text(units), '-') == 'done' then
            table.insert(answer, reference)
            table.insert(answer, text(units))
        end
    end
    keep_lots(currency, lots_of(currency))
    for _, lot in ipairs(lots_of(currency)) do
        if lot.expires == expires then
            local look = NOW + (lot.expires <= NOW and LOOK_AGAIN_MS or 1000)
            if lot.spent and lot.spent >= lot.expires then
                look = lot.spent + SPENT_KEPT_MS
            end
            answer[1] = text(answer[1] == '' and look or math.min(look, tonumber(answer[1])))
        end
    end
    return answer
end)
