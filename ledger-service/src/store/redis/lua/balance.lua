-- ARGV[2] a currency. Answers how many lots there are left of its grants, four for each (reference, how much
-- it was, how much is left, when that expires (ms) or ''), and the account.

return run(function()
    local answer = { '0' }
    for _, lot in ipairs(lots_of(ARGV[2])) do
        if lot.left > 0 then
            answer[1] = text(tonumber(answer[1]) + 1)
            table.insert(answer, lot.reference)
            table.insert(answer, text(lot.granted))
            table.insert(answer, text(lot.left))
            table.insert(answer, lot.expires and text(lot.expires) or '')
        end
    end
    for _, part in ipairs({ shown(ARGV[2]) }) do
        table.insert(answer, part)
    end
    return answer
end)
