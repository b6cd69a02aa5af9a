"""The acts of a step, one file each: arithmetic that ends in moves of the ledger.

1 ``funding``; 4 and 5 ``liquidate`` (at ``fill_prices``) and ``takeover``; 6 ``deleverage`` (``waves`` over
``candidates``, first those of the ``front``; compared in ``turns``), ``socialise`` and ``pool_adl``; 8 ``unwind`` and
``exits``. ``hedge_netting`` nets the legs of one account before either, ``drawdown`` watches the funds. Acts 2, 3, 7
and 9 are in ``ledger``, ``detect``, ``prices`` and ``step``.
"""

__all__ = [
    "candidates", "claims", "deleverage", "drawdown", "exits", "fill_prices", "front", "funding", "hedge_netting",
    "liquidate", "pool_adl", "socialise", "takeover", "turns", "unwind", "vaults", "waves",
]  # fmt: skip
