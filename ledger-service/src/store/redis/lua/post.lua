-- ARGV[2…7] currency, kind, class (what it does to the account), reference, amount, note
-- Answers what became of it, and the account.

return run(function()
    local outcome = post(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
    return { outcome, shown(ARGV[2]) }
end)
