-- ARGV[2] a currency. Takes back what has expired of its grants; what holds may still spend waits for them.
-- Answers '1' if something waits, else '0', and what expired: reference, amount.

return run(function()
    local currency, answer, expired = ARGV[2], { '0' }, {}
    for _, lot in ipairs(lots_of(currency)) do
        if lot.expires and lot.expires <= NOW then
            table.insert(expired, { lot.reference, lot.left })
        end
    end
    for _, lot in ipairs(expired) do
        local reference, left = lot[1], lot[2]
        if left > account(currency).available then
            answer[1] = '1'
        elseif post(currency, 'grant_expired', 'expire', reference, text(left), '-') == 'done' then
            table.insert(answer, reference)
            table.insert(answer, text(left))
        end
    end
    keep_lots(currency, lots_of(currency))
    return answer
end)
