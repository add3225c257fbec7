"""What a model is asked for: a new tune, more of one, some bars of it again, voices under it, music as it is played."""
