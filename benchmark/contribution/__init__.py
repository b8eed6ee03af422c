"""The pull-request path: what a branch may add, and how its scores become a comment. docs/pull_request.md.

Imports nothing by itself: `comment` runs where nothing is installed.
"""

__all__: list[str] = []
