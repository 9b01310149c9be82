-- What is left of one client's grants, as `accounting/grant.rs` says: for scripts over `account.lua`.
--
-- `grants:<currency>` of the state is a list of [reference, how much it was, how much is left, when that
-- expires (ms) or '', since when nothing is left (ms) or ''], the one that is spent next first;
-- `reckoned:<currency>` is the account when that was reckoned, and more: "available pending debt beyond born
-- early", where beyond is what was spent beyond the grants, born when the first was made, and early what came
-- back since of deductions from before that.

local granted = {}

local function stored_lots(currency)
    local lots, stored = { beyond = 0, born = 0, early = 0 }, state['grants:' .. currency]
    if not stored then
        return lots
    end
    local ok, list = pcall(cjson.decode, stored)
    if not ok or type(list) ~= 'table' then
        fail('grants')
    end
    for at, of in ipairs(list) do
        lots[at] = {
            reference = of[1], granted = amount(of[2], 'grants'), left = amount(of[3], 'grants'),
            expires = of[4] ~= '' and tonumber(of[4]) or nil, spent = of[5] ~= '' and tonumber(of[5]) or nil,
        }
    end
    local available, pending, debt, beyond, born, early =
        match(state['reckoned:' .. currency] or '', '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
    lots.available, lots.pending = amount(available, 'grants'), amount(pending, 'grants')
    lots.debt, lots.beyond = amount(debt, 'grants'), amount(beyond, 'grants')
    lots.born, lots.early = amount(born, 'grants'), amount(early, 'grants')
    return lots
end

local function total(lots)
    local sum = 0
    for _, lot in ipairs(lots) do
        sum = sum + lot.left
    end
    return sum
end

-- Answers what is beyond all of them.
local function spend(lots, units)
    for _, lot in ipairs(lots) do
        local taken = math.min(lot.left, units)
        lot.left, units = lot.left - taken, units - taken
    end
    return units
end

-- What was spent last comes back first.
local function put_back(lots, units)
    for at = #lots, 1, -1 do
        local lot = lots[at]
        local back = math.min(lot.granted - lot.left, units)
        lot.left, units = lot.left + back, units - back
    end
end

-- Reckoned as of the account as it is, without anything having been spent. There is never more left than it
-- holds.
local function reckoned_now(currency, lots)
    local of = account(currency)
    local rest = { beyond = lots.beyond, born = lots.born, early = 0 }
    local more = total(lots) - (of.available + of.pending)
    if more > 0 then
        spend(lots, more)
    end
    for _, lot in ipairs(lots) do
        if lot.granted > 0 then
            table.insert(rest, lot)
        end
    end
    if #rest == 0 then
        rest.beyond, rest.born = 0, 0
    end
    rest.available, rest.pending, rest.debt = of.available, of.pending, of.debt
    granted[currency] = rest
    return rest
end

-- With what was deducted since taken from them, and what came back put back.
local function reckon(currency, lots)
    local of = account(currency)
    local spent = (lots.available - of.available) + (lots.pending - of.pending) - (lots.debt - of.debt)
        + lots.early
    if spent > 0 then
        lots.beyond = math.min(lots.beyond + spend(lots, spent), MOST_UNITS)
    else
        local paid = math.min(-spent, lots.beyond)
        lots.beyond = lots.beyond - paid
        put_back(lots, -spent - paid)
    end
    return reckoned_now(currency, lots)
end

local function lots_of(currency)
    local known = granted[currency]
    if known then
        return known
    end
    known = stored_lots(currency)
    if #known == 0 then
        return reckoned_now(currency, known)
    end
    return reckon(currency, known)
end

-- Without what was spent too long ago to come back.
local function kept(lots)
    for at = #lots, 1, -1 do
        local lot = lots[at]
        -- At its end once more: what comes back later is still its own.
        if lot.spent and lot.expires and lot.spent < lot.expires and lot.expires <= NOW then
            lot.spent = NOW
        end
        lot.spent = lot.left == 0 and (lot.spent or NOW) or nil
        if lot.spent and lot.spent + SPENT_KEPT_MS <= NOW then
            table.remove(lots, at)
        end
    end
    while #lots > 2 * MOST_GRANTS do
        local oldest
        for at, lot in ipairs(lots) do
            if lot.spent and (not oldest or lot.spent < lots[oldest].spent) then
                oldest = at
            end
        end
        if not oldest then
            break
        end
        table.remove(lots, oldest)
    end
    if #lots == 0 then
        lots.beyond, lots.born = 0, 0
    end
end

local function keep_lots(currency, lots)
    kept(lots)
    local list = {}
    for at, lot in ipairs(lots) do
        list[at] = {
            lot.reference, text(lot.granted), text(lot.left), lot.expires and text(lot.expires) or '',
            lot.spent and text(lot.spent) or '',
        }
    end
    if #list > 0 then
        set_grants(currency, cjson.encode(list), text(lots.available) .. ' ' .. text(lots.pending) .. ' '
            .. text(lots.debt) .. ' ' .. text(lots.beyond) .. ' ' .. text(lots.born) .. ' '
            .. text(lots.early))
    elseif state['grants:' .. currency] then
        set_grants(currency, nil, nil)
    end
end

local function comes_before(one, other)
    local expires, others = one.expires or math.huge, other.expires or math.huge
    if expires == others then
        return one.reference < other.reference
    end
    return expires < others
end

-- Adds a lot in its place; answers a refusal, or nothing.
local function add_lot(lots, added)
    local left = 0
    for _, lot in ipairs(lots) do
        left = left + (lot.left > 0 and 1 or 0)
    end
    if added.left == 0 then
        return nil
    elseif left >= MOST_GRANTS then
        return 'too_many_grants'
    elseif total(lots) + added.left > MOST_UNITS then
        return 'too_large'
    end
    if #lots == 0 then
        lots.born = NOW
    end
    local place = 1
    while lots[place] and not comes_before(added, lots[place]) do
        place = place + 1
    end
    table.insert(lots, place, added)
end

-- What stands between a grant's reference and how much was left, where more of it expires than once.
local REST = ' (of the last '

local function rest_name(lot)
    return lot.reference .. REST .. text(lot.left) .. ')'
end

local function is_named(lot, name)
    local length = #lot.reference
    return name == lot.reference
        or string.sub(name, 1, length) == lot.reference and string.sub(name, length + 1, length + #REST) == REST
end

local function take_from_lot(lots, name, units)
    for _, lot in ipairs(lots) do
        if is_named(lot, name) and lot.left >= units then
            lot.left, lot.granted = lot.left - units, lot.granted - units
            return nil
        end
    end
    return 'no_such_grant'
end

-- How much of what is available was paid for.
local function paid_for(currency)
    return math.max(0, account(currency).available - total(lots_of(currency)))
end

-- Takes part in a movement before it; answers a refusal, or nothing.
local function may_move(currency, class, units)
    if class == 'hold' and units > paid_for(currency) then
        return 'insufficient'
    end
end

-- The same after it.
local function moved(currency, class, reference, units, expires)
    local lots, refusal = granted[currency], nil
    if class == 'grant' then
        refusal = add_lot(lots, { reference = reference, granted = units, left = units, expires = expires })
    elseif class == 'expire' then
        refusal = take_from_lot(lots, reference, units)
    end
    if refusal then
        return refusal
    end
    -- A correction is as if it had been spent.
    keep_lots(currency, class == 'debit' and reckon(currency, lots) or reckoned_now(currency, lots))
end
