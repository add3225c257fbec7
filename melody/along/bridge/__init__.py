"""A DAW beside the model: bars of its go out as a file, the answer comes back as one."""
