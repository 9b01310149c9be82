-- A client's accounts: read at the beginning of the client's part of a script, written at its end, nothing
-- between. What goes wrong in the middle has therefore changed nothing of that client.
--
-- Most scripts are for one client. `charges.lua` turns to one after the other: the keys below are the first
-- three of each.
--
-- KEYS[1] the record shared with the Express middleware: `balance` is what can be spent of the
--         client's first currency, and nothing while that account is frozen
-- KEYS[2] our state: `first` (currency), `seen` (the balance we wrote last), `seq` and `ext`
--         (counters), `rotation` (which ids may spend: `shown` below), and an `account:<currency>` each: "available pending debt frozen", where
--         available is 0 if it lies in the shared record; while leases are out, a
--         `leases:<currency>`: "how much, how many, whether they are called back"; while there is a
--         rest of grants, `grants:<currency>` and `reckoned:<currency>` (`grants.lua`)
-- KEYS[3] movements: `<currency>:<kind>:<reference>` = "seq amount at -" or "seq amount at +note"
-- ARGV[1] '1' if the client is in the index of accounts, which must come first
--
-- The constants of the accounting stand before it: `script.rs` writes them.

-- Each look into a table of all scripts costs as much as what is done with it.
local call, format, match = redis.call, string.format, string.match

local RECORD, STATE, MOVEMENTS, LISTED
local record, state, accounts, changed, new_movements, new_grants
local damaged, unlisted

-- An empty table: the same one if nothing was put there.
local function empty(list)
    return list and not next(list) and list or {}
end

-- From here on all is about the client whose keys begin there.
local function turn_to(first, listed)
    RECORD, STATE, MOVEMENTS, LISTED = KEYS[first], KEYS[first + 1], KEYS[first + 2], listed
    record, accounts, changed = { balance = nil, currency = nil }, {}, {}
    -- With room for these, so that it need not grow.
    state = { first = nil, seen = nil, seq = nil, ext = nil }
    new_movements, new_grants = empty(new_movements), empty(new_grants)
    damaged, unlisted = nil, nil
end

local function fail(what)
    damaged = what
    error('damaged')
end

-- Never exponent notation, as tostring would from 1e14 on. '%d' is faster, and a C long: 32 bits on some.
local function text(number)
    if number == 0 then
        return '0'
    end
    return format(number < 2147483648 and number > -2147483648 and '%d' or '%.0f', number)
end

local function amount(stored, name)
    if type(stored) == 'string' and #stored <= 16
        and (stored == '0' or string.find(stored, '^[1-9]%d*$')) then
        local number = tonumber(stored)
        if number <= MOST_UNITS then
            return number
        end
    end
    fail(name .. ' is not an amount')
end

local clock = call('TIME')
local NOW = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

-- 2026-01-31T23:59:59.999Z. Days to a date as in Howard Hinnant's "chrono-Compatible Low-Level
-- Date Algorithms", civil_from_days.
local function iso(ms)
    local days = math.floor(ms / 86400000)
    local rest = ms - days * 86400000
    local shifted = days + 719468
    local era = math.floor(shifted / 146097)
    local doe = shifted - era * 146097
    local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
        - math.floor(doe / 146096)) / 365)
    local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
    local mp = math.floor((5 * doy + 2) / 153)
    local day = doy - math.floor((153 * mp + 2) / 5) + 1
    local month = mp < 10 and mp + 3 or mp - 9
    local year = yoe + era * 400 + (month <= 2 and 1 or 0)
    local seconds = math.floor(rest / 1000)
    return format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', year, month, day,
        math.floor(seconds / 3600), math.floor(seconds / 60) % 60, seconds % 60,
        rest - seconds * 1000)
end

-- NOW as the shared record writes it: made once, and only if it is needed.
local now_iso

local function updated_at()
    now_iso = now_iso or iso(NOW)
    return now_iso
end

local function account(currency)
    local known = accounts[currency]
    if known then
        return known
    end
    local name = 'account:' .. currency
    local stored = state[name]
    if stored then
        local available, pending, debt, frozen =
            match(stored, '^(%d+) (%d+) (%d+) ([01])$')
        known = {
            available = amount(available, name), pending = amount(pending, name),
            debt = amount(debt, name), frozen = frozen == '1', stored = stored,
            leased = 0, leases = 0, recalled = false,
        }
        local lent = state['leases:' .. currency]
        if lent then
            local leased, leases, recalled = match(lent, '^(%d+) (%d+) ([01])$')
            known.leased, known.leases = amount(leased, 'leases'), amount(leases, 'leases')
            known.recalled, known.lent = recalled == '1', lent
        end
    else
        known = {
            available = 0, pending = 0, debt = 0, frozen = false,
            leased = 0, leases = 0, recalled = false,
        }
    end
    accounts[currency] = known
    return known
end

-- Nothing is written for a client that the index of accounts does not list.
local function must_be_listed()
    if LISTED ~= '1' then
        unlisted = true
        error('unlisted')
    end
end

local function change(currency)
    changed[currency] = true
    if not state.first then
        must_be_listed()
        -- The first currency that money comes in is the one that the middleware can spend.
        state.first = currency
        state.seen = 0
    end
end

-- Debt is settled first. False if the balance would exceed the largest amount.
local function credit(known, units)
    local settled = math.min(units, known.debt)
    local after = known.available + (units - settled)
    if after > MOST_UNITS then
        return false
    end
    known.debt = known.debt - settled
    known.available = after
    return true
end

-- Whether leases that are out may bring back what is missing: what comes back settles debt first.
local function is_leased(known, units)
    return known.leases > 0
        and known.available + math.max(known.leased - known.debt, 0) >= units
end

-- None is given until all are back.
local function recall(currency, known)
    if not known.recalled then
        change(currency)
        known.recalled = true
    end
end

local function movement(currency, kind, reference)
    local name = currency .. ':' .. kind .. ':' .. reference
    local stored = new_movements[name] or call('HGET', MOVEMENTS, name)
    return stored and match(stored, '^%d+ (%d+) ')
end

local function append(currency, kind, reference, units, note)
    state.seq = (tonumber(state.seq) or 0) + 1
    new_movements[currency .. ':' .. kind .. ':' .. reference] =
        text(state.seq) .. ' ' .. units .. ' ' .. text(NOW) .. ' ' .. note
end

-- A currency's grants from now on, and as of what they were reckoned.
local function set_grants(currency, lots, reckoned)
    state['grants:' .. currency], state['reckoned:' .. currency] = lots, reckoned
    new_grants[currency] = true
end

-- What was credited without a grant was not granted.
local function credit_external(currency, known, units)
    local available, debt = known.available, known.debt
    if not credit(known, units) then
        fail('balance is too large')
    end
    local stored = state['reckoned:' .. currency]
    if stored then
        local was_available, pending, was_debt, rest = match(stored, '^(%d+) (%d+) (%d+) (.*)$')
        set_grants(currency, state['grants:' .. currency],
            text(amount(was_available, 'grants') + (known.available - available)) .. ' ' .. pending .. ' '
            .. text(amount(was_debt, 'grants') + (known.debt - debt)) .. ' ' .. rest)
    end
end

-- What the Express middleware did to `balance` since we wrote it, as a movement of its own kind.
local function post_external(currency)
    local known = account(currency)
    local balance = amount(record.balance, 'balance')
    local kind, difference
    if known.frozen then
        -- The balance was moved away: all that is there has come since.
        kind, difference = 'external_up', balance
        credit_external(currency, known, balance)
    else
        local seen = state.seen == record.balance and balance or amount(state.seen, 'seen')
        known.available = seen
        if balance == seen then
            return
        elseif balance > seen then
            kind, difference = 'external_up', balance - seen
            credit_external(currency, known, difference)
        else
            kind, difference = 'external_down', seen - balance
            known.available = balance
        end
    end
    if difference > 0 then
        local reference
        repeat
            state.ext = (tonumber(state.ext) or 0) + 1
            reference = 'ext-' .. text(state.ext)
        until not movement(currency, kind, reference)
        append(currency, kind, reference, text(difference), '-')
        changed[currency] = true
    end
end

local function load()
    local shared = call('HMGET', RECORD, 'balance', 'currency')
    record.balance, record.currency = shared[1] or nil, shared[2] or nil
    local flat = call('HGETALL', STATE)
    for at = 1, #flat, 2 do
        state[flat[at]] = flat[at + 1]
    end
    if not state.first then
        if not record.balance or (record.balance == '0' and not record.currency) then
            return -- at most a customer's name: no money came yet
        end
        -- Made by the Express middleware: from now on it is ours as well.
        local currency = record.currency and string.lower(record.currency)
        if not currency or not string.find(currency, '^%l%l%l$') then
            fail('currency is missing')
        end
        must_be_listed()
        state.first, state.seen = currency, '0'
        changed[currency] = true
    end
    post_external(state.first)
end

local function write_movements()
    local last
    for name, stored in pairs(new_movements) do
        call('HSET', MOVEMENTS, name, stored)
        last = name
    end
    if not last then
        return
    end
    if state.ext then
        call('HSET', STATE, 'seq', text(state.seq), 'ext', text(tonumber(state.ext)))
    else
        call('HSET', STATE, 'seq', text(state.seq))
    end
end

-- What the middleware sees of the first account: what can be spent, and nothing while it is frozen.
local function write_record(currency, known, spendable)
    if record.balance ~= spendable then
        call('HSET', RECORD, 'balance', spendable, 'updatedAt', updated_at())
    end
    if not record.currency then
        call('HSETNX', RECORD, 'clientId', match(RECORD, '[^:]*$'))
        call('HSETNX', RECORD, 'createdAt', updated_at())
        call('HSET', RECORD, 'currency', currency)
    end
    if not record.currency or not known.stored then
        call('HSET', STATE, 'first', currency)
    end
end

local function write_leases(currency, known)
    local name = 'leases:' .. currency
    if known.leases == 0 then
        call('HDEL', STATE, name)
        return
    end
    local lent = text(known.leased) .. ' ' .. text(known.leases) .. ' ' .. (known.recalled and '1' or '0')
    if lent ~= known.lent then
        call('HSET', STATE, name, lent)
    end
end

local function write_grants(currency)
    local grants, reckoned = 'grants:' .. currency, 'reckoned:' .. currency
    if state[grants] then
        call('HSET', STATE, grants, state[grants], reckoned, state[reckoned])
    else
        call('HDEL', STATE, grants, reckoned)
    end
end

local function save()
    write_movements()
    for currency in pairs(new_grants) do
        write_grants(currency)
    end
    for currency in pairs(changed) do
        local known = account(currency)
        local kept, seen = known.available, nil
        if currency == state.first then
            seen = known.frozen and '0' or text(kept)
            if not known.frozen then
                kept = 0
            end
            write_record(currency, known, seen)
        end
        local stored = text(kept) .. ' ' .. text(known.pending) .. ' ' .. text(known.debt)
            .. ' ' .. (known.frozen and '1' or '0')
        local is_new = stored ~= known.stored
        if seen and is_new then
            call('HSET', STATE, 'seen', seen, 'account:' .. currency, stored)
        elseif seen then
            call('HSET', STATE, 'seen', seen)
        elseif is_new then
            call('HSET', STATE, 'account:' .. currency, stored)
        end
        if known.leases > 0 or known.lent then
            write_leases(currency, known)
        end
    end
end

local function shown(currency)
    local known = account(currency)
    return text(known.available), text(known.pending), text(known.debt),
        known.frozen and '1' or '0',
        text(known.leased), text(known.leases), known.recalled and '1' or '0',
        state.rotation or '0 0 0 0' -- generation, the oldest that spends, until when (ms), the rotation's name
end

-- A key that holds something else is one client's trouble, not the server's.
local function is_of_another_type(failure)
    local said = type(failure) == 'table' and failure.err or failure
    return type(said) == 'string' and string.find(said, 'WRONGTYPE', 1, true)
end

local function load_act_and_save(body)
    load()
    local answer = body()
    save()
    return answer
end

-- Runs the client's part between reading and writing: 'ok' and what the body answers, 'damaged' and what is,
-- 'unlisted', or 'failed' and the error. What the body must write itself, it writes last.
local function attempt(body)
    local ok, answer = pcall(load_act_and_save, body)
    if ok then
        return 'ok', answer
    elseif unlisted then
        return 'unlisted'
    elseif damaged or is_of_another_type(answer) then
        return 'damaged', damaged or 'a key holds a value of another type'
    end
    return 'failed', type(answer) == 'table' and answer or redis.error_reply(tostring(answer))
end

-- A script for one client, once all is about it.
local function run_part(body)
    local outcome, answer = attempt(body)
    if outcome == 'failed' then
        return answer
    elseif outcome == 'ok' then
        table.insert(answer, 1, 'ok')
        return answer
    end
    return { outcome, answer }
end

local function run(body)
    turn_to(1, ARGV[1])
    return run_part(body)
end
