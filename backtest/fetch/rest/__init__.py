"""Venues over REST: a client that repeats requests until their answers may be read, and whole days from its pages.

``ccxt_info`` alone imports ccxt. ``responses`` says which answers may be read, ``markets`` finds a coin's perpetual,
``session`` reads answers bounded, ``stated`` compares what a venue says of its rows with what was asked, ``rows`` turns
ccxt's rows into those of the lake, ``paging`` turns pages into days, ``client`` asks and ``opening`` opens it.
"""

__all__ = ["ccxt_info", "client", "markets", "opening", "paging", "responses", "rows", "session", "stated"]
