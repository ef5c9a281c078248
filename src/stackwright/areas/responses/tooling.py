"""The tools that the server runs. There are none yet, and `Kit` offers none, so nobody asks."""

from stackwright.engine.signals import ToolReturned, ToolsListed
from stackwright.engine.state import ListTools, RunTool


class NoTools:
    """Runs nothing."""

    async def list(self, effect: ListTools) -> ToolsListed:
        """Say that there is no such server."""
        return ToolsListed(effect.item_id, (), f"There is no server '{effect.server}'.")

    async def run(self, effect: RunTool) -> ToolReturned:
        """Say that there is no such tool."""
        error = {"type": "mcp_tool_execution_error", "content": f"There is no server '{effect.server}'."}
        return ToolReturned(effect.item_id, 0, error=error)
