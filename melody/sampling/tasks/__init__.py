"""What a model is asked for: a new tune, more of one, some bars of it anew, voices under it, music as it is played."""
