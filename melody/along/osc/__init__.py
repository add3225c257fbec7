"""Live music by Open Sound Control (OSC 1.0, Wright 2002): for Pure Data, SuperCollider, Max or a script of one's own."""
