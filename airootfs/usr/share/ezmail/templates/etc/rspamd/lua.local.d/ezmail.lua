-- Written by ezmail-agent: changes are lost.
--
-- Who is logged in writes as himself: every address in From, Sender, Resent-From and Resent-Sender
-- has to be one that smtpd would take from him in the envelope (`senders` in smtpd.conf).
-- ezmail-filter looks them up and tells them; "+detail" and case do not count. Anything else is
-- refused, and so is a header that has twice what may be there once (RFC 5322, section 3.6; RFC 2045,
-- section 3): no signature of it would hold, and every reader shows another of the two.

local util = require 'rspamd_util'

local function base(address)
  local name, domain = string.match(string.lower(tostring(address or '')), '^(.*)@([^@]*)$')
  if not name then
    return nil
  end
  return string.gsub(name, '%+.*$', '') .. '@' .. domain
end

-- what rspamd makes no signature for that holds, if it is there twice
local once = { 'Date', 'Sender', 'Reply-To', 'To', 'Cc', 'Message-ID', 'In-Reply-To', 'References',
  'Subject', 'Content-Type', 'Content-Transfer-Encoding' }

-- the filter refuses a larger header
local largest_header = 256 * 1024

-- How often a field is in the header, by its name in lower case, however it is spelled. rspamd's own
-- list leaves out a name with a blank behind it and ends where the header is broken, and some readers'
-- lists do not. Its iterator over lines leaves empty ones out, so that it would go on into the body,
-- where quoted mail has such lines.
local function counts(task)
  local head = '\n' .. task:get_content():sub(1, largest_header):str()
  head = head:sub(1, (head:find('\n\r?\n')))
  local found = {}
  for name in string.gmatch(head, '\n([^%s:]+)[ \t]*:') do
    name = string.lower(name)
    found[name] = (found[name] or 0) + 1
  end
  return found
end

-- What stands outside of quoted strings and comments (RFC 5322, section 3.2).
local function unquoted(value)
  local rest, depth, quoted, i = {}, 0, false, 1
  while i <= #value do
    local c = value:sub(i, i)
    if c == '\\' then
      i = i + 1
    elseif c == '"' and depth == 0 then
      quoted = not quoted
    elseif not quoted and c == '(' then
      depth = depth + 1
    elseif not quoted and c == ')' and depth > 0 then
      depth = depth - 1
    elseif not quoted and depth == 0 then
      table.insert(rest, c)
    end
    i = i + 1
  end
  return table.concat(rest)
end

-- The first address in a field that is not among `own`. The parser is not the only one to judge: of
-- "a@x b@y", which is no address at all, one reader shows the one and another the other.
local function foreign(task, value, own)
  for _, mailbox in ipairs(util.parse_mail_address(value, task:get_mempool()) or {}) do
    if not own[base(mailbox.addr) or ''] then
      return mailbox.addr
    end
  end
  for address in string.gmatch(unquoted(value), '[^%s<>,;:]+@[^%s<>,;:]+') do
    if not own[base(address) or ''] then
      return address
    end
  end
  return nil
end

local function refuse(task, why)
  task:insert_result('FORGED_OWN_FROM', 1.0, why)
  task:set_pre_result('reject', 'From is not an address of the user who is logged in',
    'ezmail')
end

rspamd_config:register_symbol({
  name = 'FORGED_OWN_FROM',
  type = 'prefilter',
  priority = 10,
  score = 0.0,
  group = 'ezmail',
  description = 'A logged-in user wrote somebody else in From or Sender',
  callback = function(task)
    if not task:get_user() then
      return
    end
    local told = task:get_request_header('Ezmail-Senders')
    if not told then
      task:set_pre_result('soft reject', 'The addresses of the user are not known now',
        'ezmail')
      return
    end
    local own = {}
    for address in string.gmatch(tostring(told), '[^,]+') do
      own[base(address) or ''] = true
    end
    own[''] = nil

    local fields = task:get_header_full('From') or {}
    local lines = counts(task).from or 0
    if #fields ~= 1 or lines ~= 1 then
      return refuse(task, math.max(#fields, lines) .. ' From fields')
    end
    for _, name in ipairs({ 'From', 'Sender', 'Resent-From', 'Resent-Sender' }) do
      for _, field in ipairs(task:get_header_full(name) or {}) do
        local list = util.parse_mail_address(field.value, task:get_mempool()) or {}
        if #list == 0 then
          return refuse(task, name .. ' has no address')
        end
        local other = foreign(task, field.value, own)
        if other then
          return refuse(task, name .. ': ' .. other)
        end
      end
    end
  end,
})

rspamd_config:register_symbol({
  name = 'REPEATED_OWN_FIELD',
  type = 'prefilter',
  priority = 9,
  score = 0.0,
  group = 'ezmail',
  description = 'A logged-in user wrote a field twice that may be there once',
  callback = function(task)
    if not task:get_user() then
      return
    end
    local found = counts(task)
    for _, name in ipairs(once) do
      if (found[string.lower(name)] or 0) > 1 or (task:get_header_count(name) or 0) > 1 then
        task:insert_result('REPEATED_OWN_FIELD', 1.0, name)
        task:set_pre_result('reject', 'The header has two ' .. name .. ' fields, and may have one',
          'ezmail')
        return
      end
    end
  end,
})
