"""The section on cross margin: contagion, support, and accounts that lost several coins at once."""

from __future__ import annotations

import polars as pl
from markupsafe import Markup

from backtest.formatting import coin, plural
from backtest.report import markup as m
from backtest.report.findings import Findings, covered
from backtest.report.sections.section import Part, Section
from backtest.report.tables import columns, table

LARGEST = 12
ALL = 2**31 - 1
CONTAGION = columns("""
    symbol         head   symbol
    margin_mode    text   margin
    side           side   side
    accounts       count  accounts
    positions      count  positions
    opening_usd    cents  at the start, USD
    liquidated     count  liquidated
    contagion      count  by contagion
    contagion_usd  cents  by contagion, USD
    supported      count  supported
    supported_usd  cents  supported, USD
""")
BREACHES = columns("""
    ts            clock  UTC
    account_id    text   account
    name          text   name
    margin_mode   text   margin
    symbols       text   coins
    sides         text   sides
    notional_usd  cents  in breach, USD
    closed_usd    cents  of it closed, USD
""")


def answer(f: Findings) -> Markup:
    """Return how much was liquidated by contagion, how much was supported, and who lost several coins in one step."""
    cross = [row for row in covered(f.rows("cross_contagion")) if row["margin_mode"] == "cross"]
    total = {
        name: sum(row[name] for row in cross) for name in ("contagion", "contagion_usd", "supported", "supported_usd")
    }
    accounts = _breaches(f)["account_id"].n_unique()
    return m.fill(
        "{usd} in {contagion} cross {positions} was liquidated although the price of its own coin would not have done "
        "it; {held} in {supported}, whose own collateral would not have been enough, stood on that of other coins. "
        "{several} {noun} lost several coins in one step.",
        usd=m.usd(total["contagion_usd"]),
        contagion=m.count(total["contagion"]),
        positions=plural(total["contagion"], "position"),
        held=m.usd(total["supported_usd"]),
        supported=m.count(total["supported"]),
        several=m.count(accounts),
        noun=plural(accounts, "account"),
    )


def contagion_table(f: Findings) -> Markup:
    """List contagion and support by coin, margin mode and side."""
    return table([{**row, "symbol": coin(row["symbol"])} for row in f.rows("cross_contagion")], CONTAGION)


def breaches_table(f: Findings) -> Markup:
    """List the accounts that lost most in several coins at once."""
    rows = [
        {**row, "symbols": ", ".join(map(coin, row["symbols"].split(", ")))}
        for row in _breaches(f).head(LARGEST).to_dicts()
    ]
    return table(rows, BREACHES) if rows else m.empty("No account lost positions in several coins within one step.")


def _breaches(f: Findings) -> pl.DataFrame:
    return f.frame("multi_coin_breaches", limit=ALL)


SECTION = Section(
    id="cross",
    label="Cross margin",
    question="What did cross margin change?",
    answer=answer,
    parts=(
        Part(
            "Contagion: liquidated although its own price would not have done it. Supported: the other way round",
            contagion_table,
            ("cross_contagion",),
            folded=True,
        ),
        Part(
            "Accounts that lost several coins in one step, the largest",
            breaches_table,
            ("multi_coin_breaches",),
            folded=True,
        ),
    ),
    shown=lambda f: f.meta.cross,
)
