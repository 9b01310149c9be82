-- Voids and charges of one client, in this order, as `ledger/charge.rs` says.
--
-- KEYS[4]  sums: `n:<hour>:<currency>:<route>` = how many, `u:…` = how many units
-- KEYS[5…] buckets of charges by the time of minting: id = "amount balance_after currency route",
--          'v' (voided), or 'r' (refused in advance)
-- ARGV[2…4] how long charges are remembered, how far clocks may be ahead, a bucket's length (ms)
-- ARGV[5…] seven for each void or charge: 'v' or 'c', its bucket's index in KEYS, id, when minted
--          (ms), currency, amount, route (the last three '' for a void)

local SUMS = KEYS[4]
local memory, skew, bucket_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local oldest = math.max(0, NOW - math.floor(memory / 2))
local forgotten_before = math.max(0, NOW - memory)
local newest = NOW + skew

local written, tallied = {}, {}

local function find(bucket, id)
    local own = written[bucket] and written[bucket][id]
    return own or redis.call('HGET', bucket, id)
end

local function write(bucket, id, value)
    written[bucket] = written[bucket] or {}
    written[bucket][id] = value
end

local function parse(value)
    local units, after, currency, route = string.match(value, '^(%d+) (%d+) (%l%l%l) (.*)$')
    if not units then
        fail('a charge')
    end
    return { units = units, after = after, currency = currency, route = route }
end

local function tally(minted, currency, route, count, units)
    local hour = text(math.floor(minted / 3600000))
    table.insert(tallied, { hour .. ':' .. currency .. ':' .. route, count, units })
end

local function charge(bucket, id, minted, currency, units, route)
    if minted < oldest or minted > newest then
        return 'stale'
    end
    local known = find(bucket, id)
    if known == 'v' or known == 'r' then
        return 'voided'
    end
    if known then
        local was = parse(known)
        if was.units == units and was.currency == currency and was.route == route then
            return 'charged ' .. was.after
        end
        return 'conflict'
    end
    local from = account(currency)
    if from.frozen then
        return 'frozen'
    end
    local wanted = amount(units, 'the price')
    if from.available < wanted then
        return 'insufficient'
    end
    change(currency)
    from.available = from.available - wanted
    local after = text(from.available)
    tally(minted, currency, route, '1', units)
    write(bucket, id, units .. ' ' .. after .. ' ' .. currency .. ' ' .. route)
    return 'charged ' .. after
end

local function void(bucket, id, minted)
    if minted < forgotten_before or minted > newest then
        return 'stale'
    end
    local known = find(bucket, id)
    if known == 'v' or known == 'r' then
        return 'repeated'
    end
    if not known then
        write(bucket, id, 'r')
        return 'marked'
    end
    local was = parse(known)
    change(was.currency)
    -- Only an account at the largest amount could not take its own units back; it keeps them.
    credit(account(was.currency), amount(was.units, 'a charge'))
    local back = was.units == '0' and '0' or '-' .. was.units
    tally(minted, was.currency, was.route, '-1', back)
    write(bucket, id, 'v')
    return 'voided'
end

local function write_all()
    for _, sum in ipairs(tallied) do
        redis.call('HINCRBY', SUMS, 'n:' .. sum[1], sum[2])
        redis.call('HINCRBY', SUMS, 'u:' .. sum[1], sum[3])
    end
    for bucket, records in pairs(written) do
        for id, value in pairs(records) do
            redis.call('HSET', bucket, id, value)
        end
        if redis.call('PTTL', bucket) < 0 then
            local begins = tonumber(string.match(bucket, '%d+$')) * bucket_ms
            redis.call('PEXPIREAT', bucket, text(begins + bucket_ms + memory))
        end
    end
end

return run(function()
    local answers = {}
    for at = 5, #ARGV, 7 do
        local bucket, id, minted = KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2], tonumber(ARGV[at + 3])
        if ARGV[at] == 'v' then
            table.insert(answers, void(bucket, id, minted))
        else
            table.insert(answers,
                charge(bucket, id, minted, ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]))
        end
    end
    write_all()
    return answers
end)
