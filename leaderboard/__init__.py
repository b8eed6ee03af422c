"""The leaderboard: result rows in, a static site out. Free of torch."""

from leaderboard.site import Summary, build
from leaderboard.table import board_table

__all__ = ["Summary", "board_table", "build"]
