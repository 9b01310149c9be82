-- What is left of one client's grants, as `accounting/grant.rs` says: for scripts over `account.lua`.
--
-- `grants:<currency>` of the state is a list of [reference, how much it was, how much is left, when that
-- expires (ms) or ''], the one that is spent next first; `reckoned:<currency>` is the account when that was
-- reckoned: "available pending debt".

-- `MOST_GRANTS` of the accounting.
local MOST_GRANTS = 100

local granted = {}

local function stored_lots(currency)
    local lots, stored = {}, state['grants:' .. currency]
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
            expires = of[4] ~= '' and tonumber(of[4]) or nil,
        }
    end
    return lots
end

local function total(lots)
    local sum = 0
    for _, lot in ipairs(lots) do
        sum = sum + lot.left
    end
    return sum
end

local function spend(lots, units)
    for _, lot in ipairs(lots) do
        local taken = math.min(lot.left, units)
        lot.left, units = lot.left - taken, units - taken
    end
end

local function put_back(lots, units)
    for _, lot in ipairs(lots) do
        local back = math.min(lot.granted - lot.left, units)
        lot.left, units = lot.left + back, units - back
    end
end

-- Reckoned as of the account as it is, without anything having been spent. There is never more left than it
-- holds.
local function reckoned_now(currency, lots)
    local of, rest = account(currency), {}
    local beyond = total(lots) - (of.available + of.pending)
    if beyond > 0 then
        spend(lots, beyond)
    end
    for _, lot in ipairs(lots) do
        if lot.left > 0 then
            table.insert(rest, lot)
        end
    end
    rest.available, rest.pending, rest.debt = of.available, of.pending, of.debt
    granted[currency] = rest
    return rest
end

-- With what was deducted since taken from them, and what came back put back.
local function reckon(currency, lots)
    local of = account(currency)
    local spent = (lots.available - of.available) + (lots.pending - of.pending) - (lots.debt - of.debt)
    if spent > 0 then
        spend(lots, spent)
    else
        put_back(lots, -spent)
    end
    return reckoned_now(currency, lots)
end

-- What is left of each.
local function lots_of(currency)
    local known = granted[currency]
    if known then
        return known
    end
    known = stored_lots(currency)
    if #known == 0 then
        return reckoned_now(currency, known)
    end
    local available, pending, debt = match(state['reckoned:' .. currency] or '', '^(%d+) (%d+) (%d+)$')
    known.available, known.pending = amount(available, 'grants'), amount(pending, 'grants')
    known.debt = amount(debt, 'grants')
    return reckon(currency, known)
end

local function keep_lots(currency, lots)
    local list = {}
    for at, lot in ipairs(lots) do
        list[at] = { lot.reference, text(lot.granted), text(lot.left), lot.expires and text(lot.expires) or '' }
    end
    if #list > 0 then
        set_grants(currency, cjson.encode(list), lots.available, lots.pending, lots.debt)
    elseif state['grants:' .. currency] then
        set_grants(currency, nil, 0, 0, 0)
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
    if added.left == 0 then
        return nil
    elseif #lots >= MOST_GRANTS then
        return 'too_many_grants'
    elseif total(lots) + added.left > MAX then
        return 'too_large'
    end
    local place = 1
    while lots[place] and not comes_before(added, lots[place]) do
        place = place + 1
    end
    table.insert(lots, place, added)
end

local function take_from_lot(lots, reference, units)
    for _, lot in ipairs(lots) do
        if lot.reference == reference then
            if lot.left < units then
                return 'no_such_grant'
            end
            lot.left = lot.left - units
            return nil
        end
    end
    return 'no_such_grant'
end

-- Takes part in a movement: before it, and after it, when the account had so much before. Each answers a
-- refusal, or nothing.
local function may_move(currency, class, units)
    local of = account(currency)
    if class == 'hold' and units > math.max(0, of.available - total(lots_of(currency))) then
        return 'insufficient'
    end
end

local function moved(currency, class, reference, units, expires, had)
    local lots, refusal = granted[currency], nil
    if class == 'grant' then
        local left = account(currency).available - had
        refusal = add_lot(lots, { reference = reference, granted = left, left = left, expires = expires })
    elseif class == 'expire' then
        refusal = take_from_lot(lots, reference, units)
    end
    if refusal then
        return refusal
    end
    -- A correction is as if it had been spent.
    keep_lots(currency, class == 'debit' and reckon(currency, lots) or reckoned_now(currency, lots))
end
