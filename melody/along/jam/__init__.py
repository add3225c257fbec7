"""Playing together: a player's MIDI in, the model's answer out, in time.

Conventions
-----------
A *tick* is a place in the music, on the model's grid, 0 at the first beat of bar 1, perhaps a fraction. A *time* is seconds
of `time.perf_counter`. The clock alone turns one into the other. A message is MIDI's bytes as a tuple. What thinks
(`partner`) is slow and may be in another process (`apart`); what plays (`playing`) is quick, has no model, and never waits.
"""
