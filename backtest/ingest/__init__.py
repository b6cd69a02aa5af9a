"""Market data: the lake of fetched day files, the committed sample, and the checks both pass."""
