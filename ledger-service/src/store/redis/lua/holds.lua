-- Holds of one client that are not settled, and the sums of what is taken: for scripts over `account.lua`.
-- Read at the beginning of the client's part, written at its end, as accounts are. The keys are the next
-- three of the client.
--
-- KEYS[4] sums: `n:<hour>:<currency>:<route>` = how many, `u:…` = how many units
-- KEYS[5] holds: id = "ends at_end amount balance_after currency lease route", where the lease is its share in
--         percent, or -
-- KEYS[6] their ids by when they end (ms)

local SUMS, HOLDS, ENDS
local tallied, full
local holds, holds_changed

-- As `turn_to`, with the sums and, for whoever needs them, the holds.
local function turn_to_holds(first, listed, with_holds)
    turn_to(first, listed)
    SUMS = KEYS[first + 3]
    HOLDS = with_holds and KEYS[first + 4]
    ENDS = with_holds and KEYS[first + 5]
    tallied, full = {}, empty(full)
    holds, holds_changed = empty(holds), empty(holds_changed)
end

-- Sums up to 2^53 - 1 are exact; one that would go beyond is kept as far as it has come.
local function tally(minted, currency, route, count, units)
    local name = text(math.floor(minted / HOUR_MS)) .. ':' .. currency .. ':' .. route
    local sum = tallied[name]
    if sum and math.abs(sum.units + units) > MOST_UNITS then
        table.insert(full, sum)
        sum = nil
    end
    if not sum then
        sum = { name = name, count = 0, units = 0 }
        tallied[name] = sum
    end
    sum.count, sum.units = sum.count + count, sum.units + units
end

local function write_sum(sum)
    call('HINCRBY', SUMS, 'n:' .. sum.name, text(sum.count))
    call('HINCRBY', SUMS, 'u:' .. sum.name, text(sum.units))
end

local function write_sums()
    for _, sum in ipairs(full) do
        write_sum(sum)
    end
    for _, sum in pairs(tallied) do
        write_sum(sum)
    end
end

local function hold(id)
    if holds[id] == nil then
        local stored = call('HGET', HOLDS, id)
        if not stored then
            holds[id] = false
            return nil
        end
        local ends, at_end, units, after, currency, lease, route =
            match(stored, '^(%d+) (%d+) (%d+) (%d+) (%l%l%l) ([-%d]+) (.*)$')
        if not ends then
            fail('a hold')
        end
        holds[id] = {
            ends = tonumber(ends), at_end = amount(at_end, 'a hold'), units = amount(units, 'a hold'),
            after = after, currency = currency, lease = lease, route = route,
        }
    end
    return holds[id] or nil
end

local function set_hold(id, known)
    holds[id] = known or false
    holds_changed[id] = true
end

-- Takes so much of a hold, and credits the rest: what is left, or nothing if less is pending than is held.
-- An account at the largest amount keeps what it has.
local function settle(id, known, captured)
    local from = account(known.currency)
    local is_lease = known.lease ~= '-'
    if from.pending < known.units or is_lease and (from.leases < 1 or from.leased < known.units) then
        return nil
    end
    change(known.currency)
    if is_lease then
        from.leased, from.leases = from.leased - known.units, from.leases - 1
        from.recalled = from.recalled and from.leases > 0
    end
    from.pending = from.pending - known.units
    credit(from, known.units - captured)
    set_hold(id, nil)
    return text(from.available)
end

-- The same for so many requests, in the sums, too: what was taken, and what is left.
local function capture(id, minted, asked, count)
    local known = hold(id)
    local captured = math.min(asked, known.units)
    local left = settle(id, known, captured)
    if not left then
        return nil
    end
    if count > 0 or captured > 0 then
        tally(minted, known.currency, known.route, count, captured)
    end
    return text(captured), left
end

-- What is remembered of a hold that is settled.
local function captured_record(known, captured, left, count)
    return 'c ' .. text(known.units) .. ' ' .. known.after .. ' ' .. known.currency .. ' ' .. captured .. ' '
        .. left .. ' ' .. text(count) .. ' ' .. known.route
end

-- A key of another type must fail before anything of the client is written.
local function check_holds()
    if next(holds_changed) then
        call('HLEN', HOLDS)
        call('ZCARD', ENDS)
    end
end

local function write_holds()
    for id in pairs(holds_changed) do
        local known = holds[id]
        if known then
            call('HSET', HOLDS, id, text(known.ends) .. ' ' .. text(known.at_end) .. ' '
                .. text(known.units) .. ' ' .. known.after .. ' ' .. known.currency .. ' ' .. known.lease
                .. ' ' .. known.route)
            call('ZADD', ENDS, text(known.ends), id)
        else
            call('HDEL', HOLDS, id)
            call('ZREM', ENDS, id)
        end
    end
end
