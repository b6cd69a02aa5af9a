"""The values that a user gives for the parameters of a query, checked against what the run has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from backtest.errors import ParameterError, nearest_of
from backtest.formatting import coin
from backtest.schema.coins import symbol_name
from backtest.sql.params import convert

if TYPE_CHECKING:
    import duckdb

    from backtest.sql.header import Query

# Where the values stand that a parameter may have: one that the run lacks would merely answer with no row.
HELD = {
    "wave_id": ("wave", "adl_events", "crashbook query adl_waves"),
    "account_id": ("account", "accounts", "crashbook sql 'select account_id from accounts'"),
    "name": ("position", "accounts", "crashbook query hedges"),
}


def symbols_of(text: str, symbols: Iterable[str], where: str) -> str:
    """Return the coins or symbols of a text, joined by ``+``, as the run names them.

    Raises
    ------
    ParameterError
        Listing what the run has, if it lacks one.

    Examples
    --------
    >>> symbols_of("btc + SOL/USDC:USDC", ["BTC/USDC:USDC", "SOL/USDC:USDC"], "query x")
    'BTC+SOL/USDC:USDC'
    >>> symbols_of("eth", ["BTC/USDC:USDC", "SOL/USDC:USDC"], "query x")
    Traceback (most recent call last):
    backtest.errors.ParameterError: query x: symbol ETH is not in this run; it has BTC, SOL
    """
    known = list(symbols)
    coins = list(map(coin, known))
    named = [symbol_name(part) for part in text.split("+")]
    for name in named:
        if name not in {*known, *coins}:
            listed = nearest_of(name, coins)
            raise ParameterError(f"{where}: symbol {name[:60]} is not in this run; it has {listed}")
    return "+".join(named)


def checked(
    query: Query, given: Mapping[str, Any], symbols: Iterable[str], con: duckdb.DuckDBPyConnection
) -> dict[str, Any]:
    """Return the values given for the parameters of a query, as the run names them.

    Raises
    ------
    ParameterError
        If the run lacks the symbol, wave, account or position that one names.
    """
    values, where = dict(given), f"query {query.name}"
    kinds = {param.name: param for param in query.params}
    if "symbol" in kinds and isinstance(values.get("symbol"), str):
        values["symbol"] = symbols_of(values["symbol"], symbols, where)
    for name, (noun, table, see) in HELD.items():
        value = values.get(name)
        if name not in kinds or value is None or not str(value).isprintable():
            continue
        value = convert(query.name, kinds[name], value)
        there = con.execute(f"SELECT 1 FROM {table} WHERE {name}::VARCHAR = $1 LIMIT 1", [str(value)]).fetchall()
        if not there:
            raise ParameterError(f"{where}: {noun} {str(value)[:60]} is not in this run; see {see}")
    return values
