"""The catalogue of crashes: windows, samples, published facts and what a run may be compared with.

``events`` reads ``data/events``; ``facts`` are the typed rows of an event.
"""

__all__ = ["events", "facts"]
