"""Many scenarios from one file: expanded, priced, run by workers or on a cluster, each a row of one table.

``plan`` reads the file, ``row`` runs one scenario, ``place`` keeps rows in a folder or in the cloud, ``sweep`` has them
run and skips what is finished, ``table`` puts the rows side by side.
"""

__all__ = ["place", "plan", "row", "sweep", "table"]
