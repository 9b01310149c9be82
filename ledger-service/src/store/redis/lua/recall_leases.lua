-- As `accounting/deduction.rs`, recall_leases. ARGV[2] a currency. Answers the account.

return run(function()
    local known = account(ARGV[2])
    if known.leases > 0 then
        recall(ARGV[2], known)
    end
    return { shown(ARGV[2]) }
end)
