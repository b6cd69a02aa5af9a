"""Names of coins as a user or a venue writes them."""

from __future__ import annotations

REST = "REST"  # coin that stands for all coins of a venue without bars: modelled, no coin of any venue


def coin_name(text: str) -> str:
    """Return the name that symbols and columns have for a coin: in capitals, a builder's prefix before a dash.

    Hyperliquid writes ``kPEPE`` for a thousand PEPE and ``xyz:SILVER`` for a market of a builder.

    Examples
    --------
    >>> coin_name("kPEPE"), coin_name("xyz:SILVER"), coin_name(" btc ")
    ('KPEPE', 'XYZ-SILVER', 'BTC')
    """
    return text.strip().upper().replace(":", "-")


def symbol_name(text: str) -> str:
    """Return the unified symbol, or the coin, that a user means.

    Examples
    --------
    >>> symbol_name("btc/usdt:usdt"), symbol_name("kPEPE/USDC:USDC"), symbol_name("kPEPE")
    ('BTC/USDT:USDT', 'KPEPE/USDC:USDC', 'KPEPE')
    """
    coin, slash, settled = text.strip().partition("/")
    return coin_name(coin) + slash + settled.upper()


def is_rest(symbol: str) -> bool:
    """Return whether a symbol or coin is the rest of the venue.

    Examples
    --------
    >>> is_rest("REST/USDC:USDC"), is_rest("REST"), is_rest("RESTO/USDC:USDC")
    (True, True, False)
    """
    return symbol.partition("/")[0] == REST
