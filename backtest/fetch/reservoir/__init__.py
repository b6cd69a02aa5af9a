"""The public archive of Hyperliquid's positions and fills (Reservoir): from a folder or an S3 bucket onto the disk.

``layout`` is the documented layout as data; ``place`` lists and reads a folder or a bucket by ranges of bytes;
``parquet`` reads only the columns and row groups wanted; ``plan`` finds the files of a crash and what they cost;
``pull`` keeps what was read beside the lake; ``to_lake`` turns it into bars, forced fills and contracts of the lake;
``snapshots`` finds what a roll takes.
"""

__all__ = ["layout", "parquet", "place", "plan", "pull", "snapshots", "to_lake"]
