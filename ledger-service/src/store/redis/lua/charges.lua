-- Voids, captures, deductions and holds of some clients, of each in this order, as
-- `accounting/deduction.rs` and `accounting/hold.rs` say: for scripts over `holds.lua`. One client's part is
-- carried out after the other's; what goes wrong in one has changed nothing of that client, and the others go
-- on.
--
-- KEYS     of each client: those of `account.lua`, the sums and, if it is a client of kind 'n', the other two of
--          `holds.lua`; then the buckets of its deductions, by the time of minting: id =
--          "amount balance_after currency route" (deducted), "h amount balance_after currency route" (held),
--          "c held balance_after currency captured left count route" (captured), "v currency" (voided), 'r'
--          (refused in advance), "m amount count" (captured in advance)
-- ARGV[1…3] how long ids are remembered, how far clocks may be ahead, a bucket's length (ms)
-- ARGV[4]  '1' if all these clients are in the index of accounts
-- ARGV[5]  on which id's word deductions are made: the generation of the clients' own, or '-' for a card or a key
-- ARGV[6…] for each client: 'p' if it has nothing but plain deductions, else 'n'; the number of its keys; the
--          number of its entries' arguments; and then for each entry: its kind, its bucket's index in KEYS, id,
--          when minted (ms), and 'v' (void): nothing more; 'k' (capture): amount, for how many requests; 'c' (deduction): currency,
--          amount, route; 'h' (hold): currency, amount, route, when it ends (ms), what is captured then, a lease's
--          share in percent or -
-- Answers for each client, in one list: 'ok' and what became of each entry, 'damaged' and what is, or 'unlisted'.

local SIZES = { v = 4, k = 6, c = 7, h = 10 }

local memory, skew, bucket_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local oldest = math.max(0, NOW - math.floor(memory / 2))
local forgotten_before = math.max(0, NOW - memory)
local newest = NOW + skew
local spender = tonumber(ARGV[5])

-- The arguments of the client's entries: where they begin, and where the next client's begin.
local entries_at, next_at

-- Commands cost more than what is done with their answers: each bucket is read and written by one.
local found, written

-- Lua's stack holds some 8,000 values.
local PIECE = 2000

local function in_pieces(list, act, bucket)
    for first = 1, #list, PIECE do
        act(bucket, list, first, math.min(first + PIECE - 1, #list))
    end
end

local function find_these(bucket, ids, first, last)
    for at, value in ipairs(call('HMGET', bucket, unpack(ids, first, last))) do
        found[ids[first + at - 1]] = value
    end
end

local function write_these(bucket, records, first, last)
    call('HSET', bucket, unpack(records, first, last))
end

-- Reads the records of all ids: those of one bucket that follow each other at once.
local function find_all()
    local at, ids, bucket = entries_at, {}, nil
    found, written = {}, {}
    while at < next_at do
        if bucket and bucket ~= ARGV[at + 1] then
            in_pieces(ids, find_these, KEYS[tonumber(bucket)])
            ids = {}
        end
        bucket = ARGV[at + 1]
        ids[#ids + 1] = ARGV[at + 2]
        at = at + SIZES[ARGV[at]]
    end
    in_pieces(ids, find_these, KEYS[tonumber(bucket)])
end

local function write(bucket, id, value)
    found[id] = value
    local records = written[bucket]
    if not records then
        records = {}
        written[bucket] = records
    end
    records[#records + 1] = id
    records[#records + 1] = value
end

local function parse(value)
    local units, after, currency, route = match(value, '^(%d+) (%d+) (%l%l%l) (.*)$')
    if units then
        return { units = units, after = after, currency = currency, route = route }
    end
    units, after, currency, route = match(value, '^h (%d+) (%d+) (%l%l%l) (.*)$')
    if units then
        return { units = units, after = after, currency = currency, route = route, held = true }
    end
    local captured, left, count
    units, after, currency, captured, left, count, route =
        match(value, '^c (%d+) (%d+) (%l%l%l) (%d+) (%d+) (%d+) (.*)$')
    if not units then
        fail('a charge')
    end
    return {
        units = units, after = after, currency = currency, route = route, held = true,
        captured = captured, left = left, count = tonumber(count),
    }
end

local function is_void(value)
    return value and (value == 'r' or string.sub(value, 1, 2) == 'v ')
end

-- The amount of a capture that came first, and for how many requests it is.
local function mark(value)
    if value then
        return match(value, '^m (%d+) (%d+)$')
    end
end

-- Why there is not enough; leases that may bring it back are called back.
local function short(currency, from, wanted)
    if is_leased(from, wanted) then
        recall(currency, from)
        return 'leased'
    end
    return from.debt > 0 and 'in_debt ' .. text(from.debt) or 'insufficient'
end

local function is_remembered(minted)
    return minted >= forgotten_before and minted <= newest
end

-- Exact for every amount: products of amounts are not.
local function is_within_share(units, available, percent)
    local hundredth = math.floor(available / 100)
    local rest = available - hundredth * 100
    return units <= hundredth * percent + math.floor(rest * percent / 100)
end

local function may_lease(from, units, percent)
    return units > 0 and not from.recalled and from.leases < MOST_LEASES
        and is_within_share(units, from.available, math.min(percent, 100))
end

-- Whether the id spends no more: `Rotation::is_over`.
local function is_over()
    if not state.rotation or not spender then
        return false
    end
    local generation, first, until_ms = match(state.rotation, '^(%d+) (%d+) (%d+) %d+$')
    return spender < amount(first, 'rotation')
        or spender < amount(generation, 'rotation') and amount(until_ms, 'rotation') <= NOW
end

-- `ends`, `at_end` and `lease` if it is a hold.
local function charge(bucket, id, minted, currency, units, route, ends, at_end, lease)
    if minted < oldest or minted > newest then
        return 'stale'
    end
    local known = found[id]
    if is_void(known) then
        return 'voided'
    end
    local wanted, first, count = tonumber(units), mark(known)
    if first then
        if not ends then
            return 'conflict'
        end
        -- Its capture came first: only that is taken.
        wanted = math.min(wanted, amount(first, 'a capture'))
    elseif known then
        local was = parse(known)
        if was.units == units and was.currency == currency and was.route == route
            and (was.held or false) == (ends ~= nil) then
            return 'charged ' .. was.after
        end
        return 'conflict'
    end
    local from = account(currency)
    if not first then
        if ends and ends <= NOW then
            return 'stale'
        end
        if is_over() then
            return 'rotated'
        end
        if from.frozen then
            return 'frozen'
        end
    end
    local is_lease = ends and lease ~= '-' and not first
    if is_lease and not may_lease(from, wanted, tonumber(lease)) then
        return 'lease_refused'
    end
    if from.available < wanted then
        return short(currency, from, wanted)
    end
    change(currency)
    from.available = from.available - wanted
    local after = text(from.available)
    if not ends then
        tally(minted, currency, route, 1, wanted)
        write(bucket, id, units .. ' ' .. after .. ' ' .. currency .. ' ' .. route)
        return 'charged ' .. after
    end
    local opened = {
        ends = ends, at_end = at_end, units = tonumber(units), after = after, currency = currency,
        lease = lease, route = route,
    }
    if first then
        count = tonumber(count)
        tally(minted, currency, route, count, wanted)
        write(bucket, id, captured_record(opened, text(wanted), after, count))
    else
        if is_lease then
            from.leased, from.leases = from.leased + wanted, from.leases + 1
        end
        from.pending = from.pending + wanted
        set_hold(id, opened)
        write(bucket, id, 'h ' .. units .. ' ' .. after .. ' ' .. currency .. ' ' .. route)
    end
    return 'charged ' .. after
end

local function take_hold(bucket, id, minted, asked, count)
    local known = hold(id)
    local captured, left = capture(id, minted, asked, count)
    if not captured then
        return 'conflict'
    end
    if is_remembered(minted) then
        write(bucket, id, captured_record(known, captured, left, count))
    end
    return 'captured ' .. captured .. ' ' .. left
end

local function capture_hold(bucket, id, minted, asked, count)
    local known = found[id]
    if (not known or string.sub(known, 1, 2) == 'h ' or not is_remembered(minted)) and hold(id) then
        return take_hold(bucket, id, minted, amount(asked, 'a capture'), tonumber(count))
    end
    if not is_remembered(minted) then
        return 'stale'
    end
    if is_void(known) then
        return 'voided'
    end
    if not known then
        write(bucket, id, 'm ' .. asked .. ' ' .. count)
        return 'marked'
    end
    if mark(known) then
        return 'marked'
    end
    local was = parse(known)
    if was.captured then
        return 'captured ' .. was.captured .. ' ' .. was.left
    end
    return 'conflict'
end

-- What comes back of a deduction from before the grants was paid for.
local function void_before_grants(currency, minted, units)
    local stored = state['reckoned:' .. currency]
    if stored then
        local front, born, early = match(stored, '^(%d+ %d+ %d+ %d+) (%d+) (%d+)$')
        if minted < amount(born, 'grants') then
            early = math.min(amount(early, 'grants') + units, MOST_UNITS)
            set_grants(currency, state['grants:' .. currency], front .. ' ' .. born .. ' ' .. text(early))
        end
    end
end

local function void(bucket, id, minted)
    local known = found[id]
    if (known and string.sub(known, 1, 2) == 'h ' or not is_remembered(minted)) and hold(id) then
        local open = hold(id)
        if not settle(id, open, 0) then
            return 'conflict'
        end
        if is_remembered(minted) then
            write(bucket, id, 'v ' .. open.currency)
        end
        return 'voided'
    end
    if not is_remembered(minted) then
        return 'stale'
    end
    if is_void(known) then
        return 'repeated'
    end
    if not known then
        write(bucket, id, 'r')
        return 'marked'
    end
    if mark(known) then
        write(bucket, id, 'r')
        return 'marked'
    end
    local was = parse(known)
    if was.held and not was.captured then
        return 'conflict'
    end
    change(was.currency)
    -- Only an account at the largest amount could not take its own units back; it keeps them.
    local units = amount(was.captured or was.units, 'a charge')
    credit(account(was.currency), units)
    void_before_grants(was.currency, minted, units)
    tally(minted, was.currency, was.route, -(was.count or 1), -units)
    write(bucket, id, 'v ' .. was.currency)
    return 'voided'
end

local function write_all()
    check_holds()
    write_sums()
    write_holds()
    for bucket, records in pairs(written) do
        in_pieces(records, write_these, bucket)
        if call('PTTL', bucket) < 0 then
            -- From near its end: a pattern is tried at each place of a text.
            local begins = tonumber(match(bucket, ':(%d+)$', -20)) * bucket_ms
            call('PEXPIREAT', bucket, text(begins + bucket_ms + memory))
        end
    end
end

local function entry(at)
    local kind, bucket, id, minted =
        ARGV[at], KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2], tonumber(ARGV[at + 3])
    if kind == 'c' then
        return charge(bucket, id, minted, ARGV[at + 4], ARGV[at + 5], ARGV[at + 6])
    elseif kind == 'v' then
        return void(bucket, id, minted)
    elseif kind == 'k' then
        return capture_hold(bucket, id, minted, ARGV[at + 4], ARGV[at + 5])
    end
    return charge(bucket, id, minted, ARGV[at + 4], ARGV[at + 5], ARGV[at + 6],
        tonumber(ARGV[at + 7]), amount(ARGV[at + 8], 'a hold'), ARGV[at + 9])
end

local function all_entries()
    find_all()
    local answers, at = {}, entries_at
    while at < next_at do
        answers[#answers + 1] = entry(at)
        at = at + SIZES[ARGV[at]]
    end
    write_all()
    return answers
end

-- Carries out the parts of clients: their arguments begin at `at`, their keys at `first_key`. One list for
-- all: Redis looks many times into each list of an answer.
local function run_parts(at, first_key)
    local said = {}
    while ARGV[at] do
        turn_to_holds(first_key, ARGV[4], ARGV[at] == 'n')
        first_key = first_key + tonumber(ARGV[at + 1])
        entries_at = at + 3
        next_at = entries_at + tonumber(ARGV[at + 2])
        local outcome, answer = attempt(all_entries)
        if outcome == 'failed' then
            return answer
        end
        said[#said + 1] = outcome
        if outcome == 'ok' then
            for _, of_entry in ipairs(answer) do
                said[#said + 1] = of_entry
            end
        elseif outcome == 'damaged' then
            said[#said + 1] = answer
        end
        at = next_at
    end
    return said
end
