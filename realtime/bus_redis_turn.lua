-- Gives one asker the topic's turn, unless somebody had it less than ARGV[1]
-- milliseconds ago by the clock of Redis. KEYS[1] = time of the last turn.
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[1]))
if last and now >= last and now - last < tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], string.format('%.0f', now), 'PX', 10 * ARGV[1])
return 1
