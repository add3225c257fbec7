"""Commands that stay beside somebody: `melody jam` for players, `melody bridge` for DAWs, `melody mcp` for assistants."""
