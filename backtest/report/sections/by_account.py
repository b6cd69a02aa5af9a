"""The section on cross accounts: contagion, support, and who lost several coins at once."""

from __future__ import annotations

from markupsafe import Markup

from backtest.report.figures.canvas import base_coin
from backtest.report.findings import Findings, Row
from backtest.report.numbers import count, plural, say, usd
from backtest.report.tables import columns, empty, table

LOST = 12
EVERY = 2**31 - 1
CONTAGION = columns("""
    symbol         head   symbol
    margin_mode    words  margin
    side           side   side
    accounts       whole  accounts
    positions      whole  positions
    opening_usd    cents  at the start, USD
    liquidated     whole  liquidated
    contagion      whole  by contagion
    contagion_usd  cents  by contagion, USD
    supported      whole  supported
    supported_usd  cents  supported, USD
""")
SEVERAL = columns("""
    ts            clock  UTC
    account_id    words  account
    name          words  name
    margin_mode   words  margin
    symbols       words  coins
    sides         words  sides
    notional_usd  cents  in breach, USD
    closed_usd    cents  of it closed, USD
""")


def contagion_answer(f: Findings) -> Markup:
    """Say how much cross margin took along, how much it held, and who lost several coins in one step."""
    cross = [row for row in f.rows("cross_contagion") if row["margin_mode"] == "cross"]
    totals = {
        name: sum(row[name] for row in cross) for name in ("contagion", "contagion_usd", "supported", "supported_usd")
    }
    accounts = len({row["account_id"] for row in _lost(f)})
    return say(
        "{usd} in {contagion} cross {positions} was liquidated although the price of its own coin would not have done "
        "it; {held} in {supported}, whose own collateral would not have been enough, stood on that of other coins. "
        "{several} {noun} lost several coins in one step.",
        usd=usd(totals["contagion_usd"]),
        contagion=count(totals["contagion"]),
        positions=plural(totals["contagion"], "position"),
        held=usd(totals["supported_usd"]),
        supported=count(totals["supported"]),
        several=count(accounts),
        noun=plural(accounts, "account"),
    )


def contagion_table(f: Findings) -> Markup:
    """List both effects by coin, margin mode and side."""
    rows = [{**row, "symbol": base_coin(row["symbol"])} for row in f.rows("cross_contagion")]
    return table(rows, CONTAGION)


def several_table(f: Findings) -> Markup:
    """List the accounts that lost most in several coins at once."""
    rows = _lost(f)[:LOST]
    if not rows:
        return empty("No account lost positions in several coins within one step.")
    return table([{**row, "symbols": _coins(row)} for row in rows], SEVERAL)


def _lost(f: Findings) -> list[Row]:
    return f.rows("multi_coin_breaches", limit=EVERY)


def _coins(row: Row) -> str:
    return ", ".join(base_coin(symbol) for symbol in row["symbols"].split(", "))
