-- melody: the selected bars of a MIDI item go to `melody`, and its answer is put in their place, or behind them.
-- Installed by `melody bridge reaper`, which has written the two paths below. Load it in REAPER: Actions > Load ReaScript.
-- All that needs REAPER is in the functions of `daw`; all else is tested without it (tests/test_bridge.py).

local PYTHON = "@PYTHON@"  -- that melody is installed for
local FOLDER = "@FOLDER@"  -- where files are exchanged

local M = {}

-- The file of a request: lines of "name value", the notes as "note onset duration pitch velocity" in quarter notes.
function M.request(asked)
  local lines = { "melody-bridge 1" }
  for _, name in ipairs({ "task", "model", "first", "last", "numerator", "denominator", "tempo", "options" }) do
    lines[#lines + 1] = name .. " " .. tostring(asked[name])
  end
  for _, n in ipairs(asked.notes) do
    lines[#lines + 1] = string.format("note %.6f %.6f %d %d", n.onset, n.duration, n.pitch, n.velocity)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- What came back: notes, or the sentence that refuses.
function M.answer(text)
  local notes, first = {}, text:match("^[^\r\n]*")
  if first ~= "melody-answer 1" then
    return nil, text:match("^refused ([^\r\n]*)") or "melody gave no answer"
  end
  for onset, duration, pitch, velocity in text:gmatch("\nnote (%S+) (%S+) (%d+) (%d+)") do
    notes[#notes + 1] = {
      onset = tonumber(onset), duration = tonumber(duration), pitch = tonumber(pitch), velocity = tonumber(velocity),
    }
  end
  return notes
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- Ask melody and wait: `run` starts a command and returns when it has ended.
function M.ask(asked, run)
  local request, answer = FOLDER .. "/request.txt", FOLDER .. "/answer.txt"
  os.remove(answer)
  write(request, M.request(asked))
  run('"' .. PYTHON .. '" -m melody bridge answer "' .. request .. '" "' .. answer .. '"')
  return M.answer(read(answer) or "")
end

-- What is done with a DAW: `daw` has selected(), form(), run(command), put(notes, first, last, replaces), say(text).
function M.main(daw)
  local asked, why = daw.selected()
  if not asked then return daw.say(why) end
  local form = daw.form()
  if not form then return end
  for name, value in pairs(form) do asked[name] = value end
  local notes, refused = M.ask(asked, daw.run)
  if not notes then return daw.say(refused) end
  daw.put(notes, asked)
end

local function reaper_daw()
  local daw = {}

  function daw.say(text) reaper.ShowMessageBox(text, "melody", 0) end

  function daw.run(command) reaper.ExecProcess(command, 120000) end

  function daw.form()
    local ok, text = reaper.GetUserInputs("melody", 3, "vary or continue,model,limits (--key Dm ...),extrawidth=160", "vary,fiddle,")
    if not ok then return nil end
    local task, model, options = text:match("^([^,]*),([^,]*),(.*)$")
    return { task = task, model = model, options = options or "" }
  end

  -- The notes of the selected item's take in whole bars of the time selection; quarter notes from the first bar on.
  function daw.selected()
    local item = reaper.GetSelectedMediaItem(0, 0)
    local take = item and reaper.GetActiveTake(item)
    if not take or not reaper.TakeIsMIDI(take) then return nil, "select a MIDI item first" end
    local from, to = reaper.GetSet_LoopTimeRange(false, false, 0, 0, false)
    if to <= from then return nil, "select the bars to rewrite on the time line first" end
    local start = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
    local _, first = reaper.TimeMap2_timeToBeats(0, from + 1e-6)
    local _, last = reaper.TimeMap2_timeToBeats(0, to - 1e-6)
    local _, zero = reaper.TimeMap2_timeToBeats(0, start + 1e-6)
    local numerator, denominator, tempo = reaper.TimeMap_GetTimeSigAtTime(0, from)
    local _, origin = reaper.TimeMap_GetMeasureInfo(0, zero)
    daw.item, daw.take, daw.origin, daw.quarters = item, take, origin, numerator * 4 / denominator
    local asked = {
      first = first - zero + 1, last = last - zero + 1, numerator = numerator, denominator = denominator, tempo = tempo, notes = {},
    }
    local _, count = reaper.MIDI_CountEvts(take)
    for i = 0, count - 1 do
      local _, _, muted, begins, ends, _, pitch, velocity = reaper.MIDI_GetNote(take, i)
      if not muted then
        local onset = reaper.MIDI_GetProjQNFromPPQPos(take, begins) - origin
        local duration = reaper.MIDI_GetProjQNFromPPQPos(take, ends) - origin - onset
        if onset > -1e-3 then  -- what the item has before its first bar is not shown either
          asked.notes[#asked.notes + 1] = { onset = onset, duration = duration, pitch = pitch, velocity = velocity }
        end
      end
    end
    return asked
  end

  -- The notes of the bars are replaced by those of the answer, as one step to undo.
  function daw.put(notes, asked)
    local take, from, to = daw.take, (asked.first - 1) * daw.quarters, asked.last * daw.quarters
    reaper.Undo_BeginBlock()
    if asked.task == "vary" then
      local _, count = reaper.MIDI_CountEvts(take)
      for i = count - 1, 0, -1 do
        local _, _, _, begins = reaper.MIDI_GetNote(take, i)
        local onset = reaper.MIDI_GetProjQNFromPPQPos(take, begins) - daw.origin
        if onset >= from - 1e-3 and onset < to - 1e-3 then reaper.MIDI_DeleteNote(take, i) end
      end
    end
    for _, n in ipairs(notes) do
      local begins = reaper.MIDI_GetPPQPosFromProjQN(take, daw.origin + n.onset)
      local ends = reaper.MIDI_GetPPQPosFromProjQN(take, daw.origin + n.onset + n.duration)
      reaper.MIDI_InsertNote(take, false, false, begins, ends, 0, n.pitch, n.velocity, true)
    end
    reaper.MIDI_Sort(take)
    if asked.task == "continue" then  -- the item reaches to the end of the new bars
      local position = reaper.GetMediaItemInfo_Value(daw.item, "D_POSITION")
      local stop = daw.origin + to + (asked.last - asked.first + 1) * daw.quarters
      reaper.MIDI_SetItemExtents(daw.item, reaper.TimeMap2_timeToQN(0, position), stop)
    end
    reaper.Undo_EndBlock("melody: " .. asked.task, -1)
    reaper.UpdateArrange()
  end

  return daw
end

if reaper then M.main(reaper_daw()) end
return M
