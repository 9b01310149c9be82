-- Settles holds of one client that have ended: what their terms say is taken.
--
-- KEYS[7…] the bucket of each hold, as in `charges.lua`
-- ARGV[2] how long ids are remembered (ms); ARGV[3…] two for each: id, when minted (ms)
-- Answers for each: 'open' (it has not ended), 'gone', or 'settled' and the hold as it is kept.

local forgotten_before = math.max(0, NOW - tonumber(ARGV[2]))

turn_to_holds(1, ARGV[1], true)

return run_part(function()
    local answers, records = {}, {}
    for at = 3, #ARGV, 2 do
        local id, minted, bucket = ARGV[at], tonumber(ARGV[at + 1]), KEYS[7 + (at - 3) / 2]
        local known = hold(id)
        local stored = known and call('HGET', HOLDS, id)
        if not known then
            table.insert(answers, 'gone')
        elseif known.ends > NOW then
            table.insert(answers, 'open')
        else
            -- What a lease has paid for is not known: it is given to the client.
            local count = known.lease == '-' and 1 or 0
            local captured, left = capture(id, minted, known.at_end, count)
            if not captured then
                fail('a hold')
            end
            table.insert(answers, 'settled')
            table.insert(answers, stored)
            if minted >= forgotten_before then
                table.insert(records, { bucket, id, captured_record(known, captured, left, count) })
            end
        end
    end
    check_holds()
    write_sums()
    write_holds()
    for _, record in ipairs(records) do
        call('HSET', record[1], record[2], record[3])
    end
    return answers
end)
