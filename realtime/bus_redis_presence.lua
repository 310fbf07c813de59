-- Says who is present in a topic, and returns everybody who is.
--
-- KEYS: who (sorted set of "<process> <actor>" by the time in ms at which it ends)
-- ARGV: age (ms), how many of the members that follow are there; the others are gone
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local there = tonumber(ARGV[2])
for i = 3, #ARGV do
  if i - 2 <= there then
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[1]), ARGV[i])
  else
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if there > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return {}
end
return redis.call('ZRANGE', KEYS[1], 0, -1)
