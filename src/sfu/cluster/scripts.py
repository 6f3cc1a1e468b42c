"""What has to happen in Redis in one go. Lua scripts run there without anything in between.

They name keys that they are not given, so they need a Redis that has all keys: no Redis Cluster.
"""

from __future__ import annotations

HELLO = """
-- KEYS: epoch, grace, gone:<me>. ARGV: run_id, grace in ms
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1])
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
end
redis.call('DEL', KEYS[3])
return 1
"""
"""A Redis that began anew (another ``run_id``) may know nothing, or what was true long ago. For a while nobody takes a
meeting in it, so that those who have some can say so first.
"""

RENEW = """
-- KEYS: process:<me>, homes. ARGV: me, lease in ms, life of a home's key in ms
redis.call('SET', KEYS[1], '1', 'PX', ARGV[2])
local lost = {}
for i = 2, #KEYS do
  local home = redis.call('GET', KEYS[i])
  if home and home ~= ARGV[1] then
    lost[#lost + 1] = i - 2
  else
    redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[3])
  end
end
return lost
"""
"""Says that the process is there, and has these meetings; gives the places in the list of those that another took while
it was not.
"""

COUNTS = """
-- KEYS: homes, then as many hashes of participants. ARGV: prefix
local counts, half = {}, #KEYS / 2
for i = 1, half do
  local home = redis.call('GET', KEYS[i])
  local is_there = home and redis.call('EXISTS', ARGV[1] .. 'process:' .. home) == 1
  counts[i] = is_there and redis.call('HLEN', KEYS[half + i]) or 0
end
return counts
"""
"""How many are in each of these meetings. Where its home is gone nobody is, whatever is still written of it."""

BEAT = """
-- KEYS: process:<me>. ARGV: lease in ms. 0: the lease ran out, somebody may have taken what was ours
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""

CLAIM = """
-- KEYS: home, grace. ARGV: me, prefix, life of a home's key, time after which who does not listen is dead, lease (ms)
local home = redis.call('GET', KEYS[1])
if home == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {'home', home}
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  if not home or redis.call('EXISTS', ARGV[2] .. 'process:' .. home) == 0 then
    return {'wait', ''}
  end
end
if home and redis.call('EXISTS', ARGV[2] .. 'process:' .. home) == 1 then
  local gone = ARGV[2] .. 'gone:' .. home
  if redis.call('PUBSUB', 'NUMSUB', ARGV[2] .. 'to:' .. home)[2] > 0 then
    redis.call('DEL', gone)
    return {'home', home}
  end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local since = redis.call('GET', gone)
  if not since then
    redis.call('SET', gone, string.format('%d', now), 'PX', ARGV[5])
    return {'wait', home}
  end
  if now - tonumber(since) < tonumber(ARGV[4]) then
    return {'wait', home}
  end
  redis.call('DEL', ARGV[2] .. 'process:' .. home)
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return {'taken', home or ''}
"""
"""Whose a meeting is: the process that has it; this one from now on, if nobody has it or who had it is gone; or
``wait``: that is not known yet. A process is gone when its lease ran out, or, since a kill closes its connections at
once, when nobody listens to its channel for a moment.
"""

RELEASE = """
-- KEYS: home, and what else is to go. ARGV: me
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', unpack(KEYS))
return 1
"""
