-- Voids, captures, deductions and holds of one client, in this order, as `accounting/deduction.rs` and
-- `accounting/hold.rs` say.
--
-- KEYS[7…] buckets by the time of minting: id = "amount balance_after currency route" (deducted),
--          "h amount balance_after currency route" (held),
--          "c held balance_after currency captured left route" (captured), "v currency" (voided), 'r'
--          (refused in advance), "m amount" (captured in advance)
-- ARGV[2…4] how long ids are remembered, how far clocks may be ahead, a bucket's length (ms)
-- ARGV[5…] for each: its kind, its bucket's index in KEYS, id, when minted (ms), and
--          'v' (void): nothing more; 'k' (capture): amount; 'c' (deduction): currency, amount, route;
--          'h' (hold): currency, amount, route, when it ends (ms), what is captured then

local SIZES = { v = 4, k = 5, c = 7, h = 9 }
local memory, skew, bucket_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local oldest = math.max(0, NOW - math.floor(memory / 2))
local forgotten_before = math.max(0, NOW - memory)
local newest = NOW + skew

-- Commands cost more than what is done with their answers: each bucket is read and written by one.
local found, written = {}, {}

-- Lua's stack holds some 8,000 values.
local PIECE = 2000

local function in_pieces(list, act)
    for first = 1, #list, PIECE do
        act(first, unpack(list, first, math.min(first + PIECE - 1, #list)))
    end
end

local function find_all()
    local wanted, at = {}, 5
    while ARGV[at] do
        local bucket = KEYS[tonumber(ARGV[at + 1])]
        wanted[bucket] = wanted[bucket] or {}
        table.insert(wanted[bucket], ARGV[at + 2])
        at = at + SIZES[ARGV[at]]
    end
    for bucket, ids in pairs(wanted) do
        found[bucket] = {}
        in_pieces(ids, function(first, ...)
            for at, value in ipairs(redis.call('HMGET', bucket, ...)) do
                found[bucket][ids[first + at - 1]] = value
            end
        end)
    end
end

local function find(bucket, id)
    return found[bucket][id]
end

local function write(bucket, id, value)
    found[bucket][id] = value
    written[bucket] = written[bucket] or {}
    table.insert(written[bucket], id)
    table.insert(written[bucket], value)
end

local function parse(value)
    local units, after, currency, route = string.match(value, '^(%d+) (%d+) (%l%l%l) (.*)$')
    if units then
        return { units = units, after = after, currency = currency, route = route }
    end
    units, after, currency, route = string.match(value, '^h (%d+) (%d+) (%l%l%l) (.*)$')
    if units then
        return { units = units, after = after, currency = currency, route = route, held = true }
    end
    local captured, left
    units, after, currency, captured, left, route =
        string.match(value, '^c (%d+) (%d+) (%l%l%l) (%d+) (%d+) (.*)$')
    if not units then
        fail('a charge')
    end
    return {
        units = units, after = after, currency = currency, route = route, held = true,
        captured = captured, left = left,
    }
end

local function is_void(value)
    return value and (value == 'r' or string.sub(value, 1, 2) == 'v ')
end

-- The amount of a capture that came first.
local function mark(value)
    return value and string.match(value, '^m (%d+)$')
end

local function short(from)
    return from.debt > 0 and 'in_debt ' .. text(from.debt) or 'insufficient'
end

local function is_remembered(minted)
    return minted >= forgotten_before and minted <= newest
end

-- `ends` and `at_end` if it is a hold.
local function charge(bucket, id, minted, currency, units, route, ends, at_end)
    if minted < oldest or minted > newest then
        return 'stale'
    end
    local known = find(bucket, id)
    if is_void(known) then
        return 'voided'
    end
    local wanted, first = amount(units, 'the price'), mark(known)
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
        if from.frozen then
            return 'frozen'
        end
    end
    if from.available < wanted then
        return short(from)
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
        route = route,
    }
    if first then
        tally(minted, currency, route, 1, wanted)
        write(bucket, id, captured_record(opened, text(wanted), after))
    else
        from.pending = from.pending + wanted
        set_hold(id, opened)
        write(bucket, id, 'h ' .. units .. ' ' .. after .. ' ' .. currency .. ' ' .. route)
    end
    return 'charged ' .. after
end

local function take_hold(bucket, id, minted, asked)
    local known = hold(id)
    local captured, left = capture(id, minted, asked)
    if not captured then
        return 'conflict'
    end
    if is_remembered(minted) then
        write(bucket, id, captured_record(known, captured, left))
    end
    return 'captured ' .. captured .. ' ' .. left
end

local function capture_hold(bucket, id, minted, asked)
    local known = find(bucket, id)
    if (not known or string.sub(known, 1, 2) == 'h ' or not is_remembered(minted)) and hold(id) then
        return take_hold(bucket, id, minted, amount(asked, 'a capture'))
    end
    if not is_remembered(minted) then
        return 'stale'
    end
    if is_void(known) then
        return 'voided'
    end
    if not known then
        write(bucket, id, 'm ' .. asked)
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

local function void(bucket, id, minted)
    local known = find(bucket, id)
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
    tally(minted, was.currency, was.route, -1, units)
    write(bucket, id, 'v ' .. was.currency)
    return 'voided'
end

local function write_all()
    write_sums()
    write_holds()
    for bucket, records in pairs(written) do
        in_pieces(records, function(_, ...)
            redis.call('HSET', bucket, ...)
        end)
        if redis.call('PTTL', bucket) < 0 then
            local begins = tonumber(string.match(bucket, '%d+$')) * bucket_ms
            redis.call('PEXPIREAT', bucket, text(begins + bucket_ms + memory))
        end
    end
end

return run(function()
    local answers = {}
    find_all()
    local at = 5
    while ARGV[at] do
        local kind, bucket, id, minted =
            ARGV[at], KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2], tonumber(ARGV[at + 3])
        if kind == 'v' then
            table.insert(answers, void(bucket, id, minted))
        elseif kind == 'k' then
            table.insert(answers, capture_hold(bucket, id, minted, ARGV[at + 4]))
        elseif kind == 'c' then
            table.insert(answers,
                charge(bucket, id, minted, ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]))
        else
            table.insert(answers,
                charge(bucket, id, minted, ARGV[at + 4], ARGV[at + 5], ARGV[at + 6],
                    tonumber(ARGV[at + 7]), amount(ARGV[at + 8], 'a hold')))
        end
        at = at + SIZES[kind]
    end
    write_all()
    return answers
end)
