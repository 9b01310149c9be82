-- ARGV[2] currency, and five for each movement: kind, class, reference, amount, note
-- All are posted, or none: the first says whether they were before.

return run(function()
    for at = 3, #ARGV, 5 do
        local outcome = post(ARGV[2], ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
        if outcome == 'repeated' and at == 3 then
            return { outcome, shown(ARGV[2]) }
        end
        if outcome ~= 'done' then
            -- What was changed so far is not written.
            error({ 'ok', outcome == 'repeated' and 'conflict' or outcome })
        end
    end
    return { 'done', shown(ARGV[2]) }
end)
