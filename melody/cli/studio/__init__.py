"""`melody studio`."""
