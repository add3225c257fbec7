"""What a model can do, as tools for assistants: MCP, the Model Context Protocol, over standard input and output."""
