-- ARGV[2] a currency. Answers the account: available, pending, debt, frozen; then of leases: how much, how many,
-- whether they are called back; then the rotation.

return run(function()
    return { shown(ARGV[2]) }
end)
