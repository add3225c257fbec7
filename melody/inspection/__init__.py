"""A look inside: what a model expected at each note of a tune, from which notes, and what its gates and cells did.

Torch is not needed. `melody.inspection.inspecting` is the door.
"""
