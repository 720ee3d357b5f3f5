-- Written by ezmail-agent: changes are lost.
--
-- How many messages a user may hand in: a stolen password must not empty its spam over the world in
-- one night. Messages count, however many they are for; rspamd's own ratelimit counts recipients.
-- What is above is put off, and so not lost: the mail program tries again. A file in the folder says
-- who it is, once for each window, and brings the administrator a mail (ezmail-limits.path).

local hash = require 'rspamd_cryptobox_hash'
local logger = require 'rspamd_logger'
local lua_redis = require 'lua_redis'
local ucl = require 'ucl'
local util = require 'rspamd_util'

local folder = '{{ paths.limits }}'
local windows = {
  { name = 'hour', limit = {{ messages_hour }}, seconds = 3600 },
  { name = 'day', limit = {{ messages_day }}, seconds = 86400 },
}

-- Counts the message in all windows, or, if one is full, in none: returns the number of that window,
-- the seconds until it begins anew, and whether this is the first message above. A window begins
-- with its first message.
local script = [[
for i = 1, #KEYS do
  if tonumber(redis.call('GET', KEYS[i]) or '0') >= tonumber(ARGV[2 * i - 1]) then
    local left = redis.call('TTL', KEYS[i])
    if left < 1 then
      redis.call('EXPIRE', KEYS[i], ARGV[2 * i])
      left = tonumber(ARGV[2 * i])
    end
    local first = redis.call('INCR', KEYS[i]) == tonumber(ARGV[2 * i - 1]) + 1
    return { i, left, first and 1 or 0 }
  end
end
for i = 1, #KEYS do
  if redis.call('INCR', KEYS[i]) == 1 then
    redis.call('EXPIRE', KEYS[i], ARGV[2 * i])
  end
end
return { 0, 0, 0 }
]]

local redis = lua_redis.parse_redis_server('ezmail')
local script_id = redis and lua_redis.add_redis_script(script, redis)

-- A login of an app password has "+label" in it, and is the same user.
local function base(user)
  local name, domain = string.match(string.lower(tostring(user)), '^(.*)@([^@]*)$')
  return name and string.gsub(name, '%+.*$', '') .. '@' .. domain or string.lower(tostring(user))
end

local function in_words(seconds)
  local minutes = math.ceil(seconds / 60)
  if minutes < 120 then
    return minutes .. (minutes == 1 and ' minute' or ' minutes')
  end
  return math.ceil(minutes / 60) .. ' hours'
end

local function tell(task, user, window, left)
  local now = math.floor(util.get_time())
  local notice = {
    user = user, limit = window.limit, window = window.name, over = now, ends = now + left,
  }
  local name = hash.create(user .. window.name):hex():sub(1, 32)
  local path = string.format('%s/%s.json', folder, name)
  local file, err = io.open(path .. '.new', 'w')
  if file then
    file:write(ucl.to_format(notice, 'json-compact'), '\n')
    file:close()
    _, err = os.rename(path .. '.new', path)
  end
  if err then
    logger.errx(task, 'the administrator is not told that %s is over the limit: %s', user, err)
  end
end

rspamd_config:register_symbol({
  name = 'OVER_LIMIT',
  type = 'prefilter',
  priority = 5,
  score = 0.0,
  group = 'ezmail',
  description = 'A logged-in user has sent more messages than one may',
  callback = function(task)
    local login = task:get_user()
    if not login or task:has_pre_result() then
      return
    end
    local user = base(login)
    local function unknown(why)
      logger.errx(task, 'the messages of %s cannot be counted: %s', user, why)
      task:set_pre_result('soft reject', 'Messages cannot be counted now, try again later', 'ezmail')
    end
    if not script_id then
      return unknown('valkey is not configured')
    end
    local keys, arguments = {}, {}
    for _, window in ipairs(windows) do
      table.insert(keys, string.format('ezmail_sent_%s_%s', window.name, user))
      table.insert(arguments, tostring(window.limit))
      table.insert(arguments, tostring(window.seconds))
    end
    lua_redis.exec_redis_script(script_id, { task = task, is_write = true, key = user },
      function(err, data)
        if err or type(data) ~= 'table' then
          return unknown(err or 'valkey said nothing')
        end
        local window, left = windows[tonumber(data[1])], tonumber(data[2])
        if not window then
          return
        end
        task:insert_result('OVER_LIMIT', 1.0, window.name)
        task:set_pre_result('soft reject',
          string.format('The limit of %d messages in %s is reached: nothing is lost, try again in %s',
            window.limit, window.name == 'hour' and 'an hour' or 'a day', in_words(left)), 'ezmail')
        if tonumber(data[3]) == 1 then
          logger.messagex(task, '%s is over the limit of %s messages in %s', user, window.limit,
            window.name == 'hour' and 'an hour' or 'a day')
          tell(task, user, window, left)
        end
      end, keys, arguments)
  end,
})
