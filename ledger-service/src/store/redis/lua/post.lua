-- ARGV[2…9] currency, kind, class (what it does to the account), reference, amount, note, '1' if only
--            what is available and was paid for is to be taken, when a grant expires (ms) or ''
-- Answers what became of it, and the account.

return run(function()
    local currency, kind, reference, units = ARGV[2], ARGV[3], ARGV[5], ARGV[6]
    if ARGV[8] == '1' then
        -- What it took the first time is what it keeps to.
        local most = text(math.min(amount(units, 'the amount'), paid_for(currency)))
        units = movement(currency, kind, reference) or most
    end
    local outcome = post(currency, kind, ARGV[4], reference, units, ARGV[7], tonumber(ARGV[9]))
    return { outcome, shown(currency) }
end)
