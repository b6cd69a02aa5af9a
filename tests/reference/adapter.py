"""Run the fast engine on a world of the exact cases and shape its outcome like theirs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from backtest.engine.prices import flow_of
from backtest.engine.records import ACCOUNT, FUND, VAULT
from backtest.engine.run import Outcome, simulate
from backtest.engine.world import Exits, FundingEvent, Positions, World
from backtest.mechanics.contract import Contract
from backtest.mechanics.drawdown import DrawdownTrigger
from backtest.mechanics.feedback import Feedback
from backtest.mechanics.fund import PoolRule
from backtest.mechanics.impact import OrderBook
from backtest.mechanics.margin import Tiers
from backtest.mechanics.path import HIGH, LOW, walk
from backtest.mechanics.rules import BlockTerms, PartTerms, Rules
from backtest.mechanics.vault import VaultRule
from tests.reference.slow_funds import in_parts
from tests.reference.slow_vaults import vault_sets

BILLION = 10**9


def run_fast(case: dict[str, Any]) -> dict[str, Any]:
    """Return the fast engine's result in the format of the exact worlds."""
    return shape(simulate(build(case)), case)


def build(case: dict[str, Any]) -> World:
    """Turn a JSON world into the engine's input."""
    names = list(case["symbols"])
    rows = sorted(case["accounts"], key=lambda row: (names.index(row["symbol"]), -row["side"], row["id"]))
    trade = _bars(case, names, "trade")

    def column(name: str) -> Any:
        return np.array([row[name] for row in rows], dtype=np.int64)

    per_tick = tuple(case["symbols"][name].get("mark_per_tick", 1) for name in names)
    return World(
        symbols=tuple(names),
        contracts=tuple(
            Contract(case["symbols"][name]["quanta_per_tick_lot"] // ticks, case["symbols"][name].get("inverse", 0))
            for name, ticks in zip(names, per_tick, strict=True)
        ),
        mark_per_tick=per_tick,
        tiers=tuple(
            Tiers.of(case["symbols"][name]["tiers"], on_entry=case["symbols"][name].get("on_entry", False))
            for name in names
        ),
        walk=walk(trade, _bars(case, names, "mark"), case["intrabar"], case.get("pieces", 1)),
        bar_s=case["bar_seconds"],
        trade_low=trade[..., LOW],
        trade_high=trade[..., HIGH],
        volume=np.array([[bar[name]["volume_lots"] for bar in case["bars"]] for name in names], dtype=np.int64),
        funding=tuple(
            FundingEvent(
                bar=row["bar"],
                symbol=names.index(row["symbol"]),
                rate_e9=row["rate_e9"],
                oracle=row.get("oracle", 0),
            )
            for row in case["funding"]
        ),
        book=Positions(
            account=column("id"),
            symbol=np.array([names.index(row["symbol"]) for row in rows], dtype=np.int64),
            side=column("side"),
            lots=column("lots"),
            entry_value=column("cost"),
            collateral=column("wallet"),
            cross=np.array([row.get("cross", False) for row in rows], dtype=np.bool_),
        ),
        watched=(),
        rules=_rules(case, len(names)),
        **_depth_and_feedback(case),
    )


def _depth_and_feedback(case: dict[str, Any]) -> dict[str, Any]:
    """Return the order books, and what a feedback run knows of its baseline, where there are any."""
    found: dict[str, Any] = {}
    if "depth" in case:
        books = [case["depth"][name] for name in case["symbols"]]
        found["order_books"] = tuple(
            OrderBook(tuple(book["distances_e9"]), np.array([book["bids"], book["asks"]]).swapaxes(0, 1))
            for book in books
        )
    if "exits" in case:
        found["exits"] = _exits(case)
    if "feedback" in case:
        rules = case["feedback"]
        world = build({key: part for key, part in {**case, **rules["baseline"]}.items() if key != "feedback"})
        flow = flow_of(simulate(world).record, len(world.symbols), world.steps)
        found["feedback"] = Feedback(
            rules["decay_e9"],
            rules["max_rounds"],
            flow.forced,
            flow.total,
            world.rules.impact,
            world.rules.strength,
            world.rules.scale,
        )
    return found


def _exits(case: dict[str, Any]) -> Exits:
    """Return the voluntary exits with the rows of the fast engine's book."""
    names = list(case["symbols"])
    rows = sorted(case["accounts"], key=lambda row: (names.index(row["symbol"]), -row["side"], row["id"]))
    place = {(row["symbol"], row["side"], row["id"]): n for n, row in enumerate(rows)}
    listed = [(s, place[name, 1, long], place[name, -1, short], lots) for s, name, long, short, lots in case["exits"]]
    step, long, short, lots = np.array(listed, dtype=np.int64).reshape(-1, 4).T
    return Exits(step=step, long=long, short=short, lots=lots)


def _bars(case: dict[str, Any], names: list[str], kind: str) -> Any:
    return np.array([[bar[name][kind] for bar in case["bars"]] for name in names], dtype=np.int64)


def _rules(case: dict[str, Any], count: int) -> Rules:
    profile, liquidity = case["profile"], case["liquidity"]
    fund, vault = profile["fund"], profile.get("vault")
    sigma_e9 = BILLION if liquidity["impact"] == "depth" else liquidity["sigma_e9"]
    literal = profile["ranking"] == "hyperliquid" and profile.get("hl_literal")
    return Rules(
        inclusive=profile["threshold"] == "<=",
        liquidation_rule=profile.get("liquidation_rule", "full_position"),
        part=_part(profile),
        block=BlockTerms(**profile["block"]) if "block" in profile else None,
        max_candidates=profile.get("max_candidates", 0),
        adl_allocation=profile.get("adl_allocation", "queue"),
        fund_start=fund["start"],
        fund_floor=fund["floor"],
        fund_divisible=fund["shortfall"] == "divisible",
        fund_takes_over=fund["takeover"] == "bankruptcy",
        inventory_limit=fund["inventory_limit"],
        inventory_adl=profile["inventory_adl"],
        inventory_stop=profile["inventory_stop"],
        **_funds(fund, list(case["symbols"])),
        quiet_steps=profile["vault_quiet_steps"],
        vault=_vault(vault, list(case["symbols"])) if vault else None,
        residual_owner=profile["residual_owner"],
        fee_e9=profile["fee_e9"],
        fee_owner=profile["fee_owner"],
        ranking="hyperliquid_literal" if literal else profile["ranking"],
        losers=profile["losers"],
        close_price=profile["close_price"],
        on_exhausted=profile["on_exhausted"],
        impact=liquidity["impact"],
        strength=Fraction(liquidity["impact_y_e9"] * sigma_e9, BILLION**2),
        scale=(Fraction(liquidity["scale_e9"], BILLION),) * count,
        participation=Fraction(liquidity["participation_e9"], BILLION),
        seed=case["seed"],
        queue_not_reached=3,
        **{key: profile[key] for key in ("cross_allocation", "cross_order") if key in profile},
    )


def _funds(fund: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the rules of several funds and of their drop, where a world has them."""
    out: dict[str, Any] = {}
    if pools := fund.get("pools"):
        out["pools"] = tuple(PoolRule(pool["start"], pool["inventory_limit"]) for pool in pools)
        out["fund_of"] = tuple(
            next(number for number, pool in enumerate(pools) if name in pool["symbols"]) for name in names
        )
    if drop := fund.get("drop"):
        shares = (tuple(Fraction(*drop[key][name]) for name in names) for key in ("trigger", "stop"))
        out["drawdown"] = DrawdownTrigger(drop["kind"], *shares, drop["above"], drop["window_s"])
    return out


def _vault(vault: dict[str, Any], names: list[str]) -> VaultRule:
    """Return the rule of one vault, or of several where a world has sets."""
    sets = vault.get("sets") or [{"symbols": names, "capital": vault["capital"]}]
    return VaultRule(
        capitals=tuple(each["capital"] for each in sets),
        of=tuple(next(n for n, each in enumerate(sets) if name in each["symbols"]) for name in names),
        num=vault["num"],
        den=vault["den"],
        margin=vault.get("margin", "none"),
    )


def _part(profile: dict[str, Any]) -> PartTerms | None:
    if profile.get("liquidation_rule") != "part_first":
        return None
    num, den = profile["first_share"]
    return PartTerms(num, den, profile["first_above"], profile["pause_s"])


def shape(out: Outcome, case: dict[str, Any]) -> dict[str, Any]:
    """Return an outcome in the format of the exact worlds."""
    world, ledger, names = out.world, out.ledger, list(case["symbols"])
    accounts = world.book.account.tolist()

    def owner(cash: int, lots: list[int] | None = None) -> dict[str, Any]:
        return {"cash": cash, "lots": dict(zip(names, lots or [0] * len(names), strict=True))}

    owners: dict[str, Any] = {
        "fund": owner(
            sum(fund.cash for fund in ledger.funds),
            [sum(fund.lots[k] for fund in ledger.funds) for k in range(len(names))],
        ),
        "market": owner(ledger.market.cash, ledger.market.lots),
        "venue": owner(ledger.venue.cash),
        "rounding": owner(ledger.rounding.cash),
        "uncovered": owner(ledger.uncovered.cash),
        "opening": owner(ledger.opening.cash),
    }
    if case["profile"].get("vault"):
        owners["vault"] = owner(
            sum(vault.cash for vault in ledger.vaults),
            [sum(vault.lots[k] for vault in ledger.vaults) for k in range(len(names))],
        )
    held: dict[int, dict[str, Any]] = {account: owner(0) for account in accounts}
    signed = (world.book.side * ledger.lots).tolist()
    for account, cash, lots, symbol in zip(
        accounts, ledger.cash.tolist(), signed, world.book.symbol.tolist(), strict=True
    ):
        held[account]["cash"] += cash
        held[account]["lots"][names[symbol]] += lots
    owners["accounts"] = {str(account): row for account, row in held.items()}
    b = out.record.breaches.columns()
    moved = np.flatnonzero(b["book_lots"] + b["takeover_lots"] + b["adl_lots"])
    columns = (
        "step",
        "row",
        "symbol",
        "side",
        "book_lots",
        "book_value",
        "takeover_lots",
        "adl_lots",
        "residual",
        "fee",
    )
    liquidations = [list(row) for row in zip(*(b[name][moved].tolist() for name in columns), strict=True)]
    for row in liquidations:
        row[1], row[2] = accounts[row[1]], names[row[2]]
    s = out.record.slices.columns()
    source = {FUND: "fund", VAULT: "vault"}
    adl = [
        [step, names[symbol], accounts[bankrupt] if code == ACCOUNT else source[code], accounts[winner], lots, amount]
        for step, symbol, code, bankrupt, winner, lots, amount in zip(
            *(s[n].tolist() for n in ("step", "symbol", "source", "bankrupt_row", "winner_row", "lots", "close_value")),
            strict=True,
        )
    ]
    funds = [owner(fund.cash, fund.lots) for fund in ledger.funds]
    events = [
        [row.step, row.number, names[row.symbol] if row.symbol >= 0 else "", row.event, row.cause, row.equity]
        for row in out.record.fund_events
        if row.pool == FUND
    ]
    result = {
        "owners": owners,
        **({"fund_events": events, "funds": funds} if in_parts(case) else {}),
        **({"vaults": [owner(vault.cash, vault.lots) for vault in ledger.vaults]} if vault_sets(case) else {}),
        **_refusals(out, case),
        "liquidations": liquidations,
        "adl": adl,
        "skipped": [[row.step, names[row.symbol], accounts[row.row]] for row in out.record.skipped],
        "unmatched": [
            [row.step, names[row.symbol], accounts[row.row], row.lots, row.to] for row in out.record.unmatched
        ],
        "steps": world.steps,
    }
    if world.feedback is not None:
        rounds = {each.step: (len(each.marks), each.capped) for each in out.record.rounds}
        walked = [
            [dict(zip(names, column, strict=True)) for column in prices.T.tolist()]
            for prices in (out.prices.mark, out.prices.trade)
        ]
        result["prices"] = [
            [mark, trade, *rounds.get(n, (1, False))] for n, (mark, trade) in enumerate(zip(*walked, strict=True), 1)
        ]
    return result


def _refusals(out: Outcome, case: dict[str, Any]) -> dict[str, Any]:
    """Return the first claim that each vault refused, where the vaults of a world keep a margin."""
    vault, names = case["profile"].get("vault"), list(case["symbols"])
    if not vault or vault.get("margin") != "maintenance":
        return {}
    rows = [row for row in out.record.fund_events if row.pool == VAULT]
    assert {(row.event, row.cause) for row in rows} <= {("refused", "margin")}
    return {"vault_refusals": [[row.step, row.number, names[row.symbol], row.equity] for row in rows]}
