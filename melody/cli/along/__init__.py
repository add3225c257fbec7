"""Commands that stay beside somebody: `melody mcp`, for assistants."""
