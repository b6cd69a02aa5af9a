"""Policies of auto-deleveraging as pure functions: how much is taken (severity), and of whom (allocation).

``shares`` allocates whole lots of a wave and serves a replay; ``level`` solves what they have in common.
"""

__all__ = ["level", "shares"]
