"""The commands that look at networks: side by side on somebody's music."""
