"""What a replay knows of prices: the rows of the lake, checked, aligned on one clock and put into integer units.

``path`` builds the whole market path of a replay, ``shock`` one that falls deeper. It walks a ``tape`` of trade bars;
``mark_model`` reads or models the marks, ``funding`` the settlements, ``depth`` the order book, ``actual_fills`` what
the venue really closed; ``align`` lays bars of several coins on one clock, ``units`` turns them into ticks and lots,
``pre_roll`` says where positions were opened, ``rest`` models the coins without bars. ``terms`` are a contract's tick,
lot and margin table on a day. ``inputs`` and ``notes`` say what a reader must know of all that; ``suspects`` refuses
doubtful values unless they are allowed. ``sample_check`` holds the committed sample against the lake.
"""

__all__ = [
    "actual_fills",
    "align",
    "depth",
    "funding",
    "inputs",
    "mark_model",
    "notes",
    "path",
    "pre_roll",
    "rest",
    "sample_check",
    "shock",
    "suspects",
    "tape",
    "terms",
    "units",
]
