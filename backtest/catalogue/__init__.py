"""The catalogue of crashes: windows, samples, published facts and what a run may be compared with.

``events`` reads ``data/events``; ``facts`` are the typed rows of an event; ``priors`` reads the ranges of what is not
known.
"""

__all__ = ["events", "facts", "priors"]
