-- ARGV[2] a currency. Answers the account: available, pending, debt, frozen.

return run(function()
    return { shown(ARGV[2]) }
end)
