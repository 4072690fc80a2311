"""An MCP server over stdio: what the commands of a project say, as tools for an agent."""
