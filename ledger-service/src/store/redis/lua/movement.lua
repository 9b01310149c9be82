-- Posting a movement, as `accounting/movement.rs` says: for scripts over `account.lua` and `grants.lua`.

-- What each class of movements does to an account; answers a refusal, or nothing.
local effects = {
    credit = function(to, units)
        return not credit(to, units) and 'too_large' or nil
    end,
    forced = function(from, units, paid)
        local taken = math.min(units, from.available, paid)
        local debt = from.debt + (units - taken)
        if debt > MOST_UNITS then
            return 'too_large'
        end
        from.available, from.debt = from.available - taken, debt
    end,
    debit = function(from, units)
        if from.available < units then
            return 'insufficient'
        end
        from.available = from.available - units
    end,
    hold = function(of, units)
        if of.available < units or of.pending + units > MOST_UNITS then
            return 'insufficient'
        end
        of.available, of.pending = of.available - units, of.pending + units
    end,
    capture = function(of, units)
        if of.pending < units then
            return 'no_such_hold'
        end
        of.pending = of.pending - units
    end,
    release = function(of, units)
        if of.pending < units then
            return 'no_such_hold'
        end
        if not credit(of, units) then
            return 'too_large'
        end
        of.pending = of.pending - units
    end,
    none = function() end,
    freeze = function(of)
        of.frozen = true
    end,
    unfreeze = function(of)
        of.frozen = false
    end,
}

local function open_hold(currency, reference, units)
    return movement(currency, 'hold', reference) == units
        and not movement(currency, 'capture', reference)
        and not movement(currency, 'release', reference)
end

effects.expire = effects.debit

-- Debt is about money: what is granted does not settle it.
effects.grant = function(to, units)
    if to.available + units > MOST_UNITS then
        return 'too_large'
    end
    to.available = to.available + units
end

-- 'done', 'repeated', or a refusal. `units` is the amount as text, `note` begins with - or +; a grant may
-- expire (ms).
local function post(currency, kind, class, reference, units, note, expires)
    local known = movement(currency, kind, reference)
    if known then
        return known == units and 'repeated' or 'conflict'
    end
    if (class == 'capture' or class == 'release')
        and not open_hold(currency, reference, units) then
        return 'no_such_hold'
    end
    if expires and expires <= NOW then
        return 'expired'
    end
    local of, number = account(currency), amount(units, 'the amount')
    local refusal = may_move(currency, class, number) or effects[class](of, number, paid_for(currency))
        or moved(currency, class, reference, number, expires)
    if refusal then
        return refusal
    end
    change(currency)
    append(currency, kind, reference, units, note)
    return 'done'
end
