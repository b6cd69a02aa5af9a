"""Small random worlds in which liquidations, take-overs and ADL really happen.

The draws are biased, not uniform: prices move by several percent within few bars, leverage is high, most funds are
small against the book. Everything is an integer and survives a round trip through JSON.
"""

from typing import Any

from hypothesis import strategies as st

from .slow_shares import BY_SHARE

SYMBOLS = ("BTC", "ETH", "SOL")
MOVES_PERMILLE = (0, 5, 10, 10, 20, 30, 30, 50, 50, 70, 70, 120, 120, 250)
LEVERAGES = (2, 4, 8, 12, 20, 20, 50)
PERMILLE = 1000
RANKINGS = (
    "bitmex", "binance", "hyperliquid", "random", "bybit", "bybit_effective", "okx", "htx", "aevo", "extended",
    "ethereal",
)  # fmt: skip
STEPPERS = ("tier_by_tier", "reduce_once", "two_tiers", "part_first")
UNITS = (1, 7, 100)
VAULTS = st.sampled_from((False, False, True))
WEIGHTS = ((1, 1, 1), (1, 2, 5), (3, 0, 1))  # of the funds or vaults of a run
HOLDINGS = ("cross", "cross", "cross", "isolated", "hedge", "mixed", "lone")


@st.composite
def symbol_rules(draw: st.DrawFn, units: tuple[int, ...]) -> dict[str, Any]:
    """Draw the unit of a symbol and a ladder whose deductions make the maintenance margin continuous."""
    mark_per_tick = draw(st.sampled_from((1, 1, 2, 10)))
    unit = draw(st.sampled_from(units))
    # Floors are multiples of 1000 quanta and rates of 1e6 e-9, so that every deduction is a whole number. Positions
    # are worth a few thousand to a few ten thousand units, on both sides of most floors.
    floors = draw(st.lists(st.integers(1, 25).map(lambda k: k * unit), max_size=4, unique=True).map(sorted))
    rates = draw(st.lists(st.integers(2, 60), min_size=len(floors) + 1, max_size=len(floors) + 1, unique=True))
    tiers = [[0, min(rates) * 10**6, 0]]
    for floor, rate in zip(floors, sorted(rates)[1:], strict=True):
        _, last_rate_e9, last_deduction = tiers[-1]
        deduction = last_deduction + floor * 1000 * (rate * 10**6 - last_rate_e9) // 10**9
        tiers.append([floor * 1000, rate * 10**6, deduction])
    rules: dict[str, Any] = {"quanta_per_tick_lot": mark_per_tick * unit, "tiers": tiers}
    if mark_per_tick > 1 or draw(st.booleans()):
        rules["mark_per_tick"] = mark_per_tick
    if draw(st.sampled_from((False, False, True))):
        rules["on_entry"] = True
    return rules


@st.composite
def bars(draw: st.DrawFn, first_px: int, mark_per_tick: int, count: int) -> list[dict[str, Any]]:
    """Draw the bars of one symbol: a tape with jumps, and marks that follow it at a small distance."""
    path = []
    last_px = first_px
    trend = draw(st.sampled_from((1, -1)))
    for _ in range(count):
        open_px = moved(last_px, draw(st.sampled_from((0, 0, 0, 5, -5, 40, -40, 90, -90))))
        close_px = moved(open_px, trend * draw(st.sampled_from((1, 1, -1))) * draw(st.sampled_from(MOVES_PERMILLE)))
        high_px = max(open_px, close_px) + draw(st.integers(0, 20))
        low_px = max(2, min(open_px, close_px) - draw(st.integers(0, 20)))
        trade = [open_px, high_px, low_px, close_px]
        distance = draw(st.tuples(*[st.integers(-mark_per_tick - 1, mark_per_tick + 1)] * 4))
        mark = [max(1, px * mark_per_tick + d) for px, d in zip(trade, distance, strict=True)]
        mark[1], mark[2] = max(mark), min(mark)
        volume_lots = draw(st.sampled_from((0, 7, 40, 300, 300, 5000, 5000)))
        path.append({"trade": trade, "volume_lots": volume_lots, "mark": mark})
        last_px = close_px
    return path


def moved(px: int, permille: int) -> int:
    """Return a price moved by some permille, at least 20 ticks.

    >>> moved(200, -120), moved(21, -250)
    (176, 20)
    """
    return max(20, px + px * permille // PERMILLE)


@st.composite
def accounts(draw: st.DrawFn, symbols: dict[str, dict[str, Any]], first_px: dict[str, int]) -> list[dict[str, Any]]:
    """Draw positions on both sides; half of the books are unbalanced, and few accounts are bankrupt at the start."""
    rows = []
    ids = draw(st.lists(st.integers(1, 99), min_size=2, max_size=14, unique=True))
    for number, account in enumerate(ids):
        symbol = draw(st.sampled_from(list(symbols)))
        lots = draw(st.integers(1, 60))
        entry_px = moved(first_px[symbol], draw(st.integers(-60, 60)))
        cost = lots * entry_px * symbols[symbol]["quanta_per_tick_lot"] + draw(st.integers(-3, 3))
        cost = max(1, cost)
        wallet = cost // draw(st.sampled_from(LEVERAGES)) + draw(st.integers(0, 7))
        if draw(st.integers(0, 19)) == 13:
            wallet = -(cost // draw(st.sampled_from((4, 15, 50))))
        # Sides in turn: a drawn side alone gives too many books without an opposite side.
        side = 1 - 2 * (number % 2) if draw(st.integers(0, 4)) else draw(st.sampled_from((1, -1)))
        rows.append({"id": account, "symbol": symbol, "side": side, "lots": lots, "cost": cost, "wallet": wallet})
    if draw(st.booleans()):
        return balanced(rows, symbols, first_px)
    return rows


def balanced(
    rows: list[dict[str, Any]], symbols: dict[str, dict[str, Any]], first_px: dict[str, int]
) -> list[dict[str, Any]]:
    """Add one account per symbol that holds what the others leave unbalanced."""
    rows = list(rows)
    for number, symbol in enumerate(symbols):
        open_lots = sum(row["side"] * row["lots"] for row in rows if row["symbol"] == symbol)
        if open_lots:
            lots = abs(open_lots)
            cost = lots * lot_value(symbols[symbol], first_px[symbol])
            side = -1 if open_lots > 0 else 1
            account = 100 + number
            rows.append(
                {"id": account, "symbol": symbol, "side": side, "lots": lots, "cost": cost, "wallet": cost // 3}
            )
    return rows


@st.composite
def profiles(draw: st.DrawFn, book_value: int, with_vault: bool | None, symbols: list[str]) -> dict[str, Any]:
    """Draw the rules of a venue; money is drawn as a share of the value of the book."""

    def share(*permille: int) -> int:
        return book_value * draw(st.sampled_from(permille)) // PERMILLE + draw(st.integers(0, 5))

    start = share(0, 0, 3, 10, 30, 100, 3000)
    floor = start * draw(st.sampled_from((0, 0, 500, 900, 1000, 1200))) // PERMILLE
    vault = draw(st.sampled_from((False, True, True))) if with_vault is None else with_vault
    profile: dict[str, Any] = {
        "threshold": draw(st.sampled_from(("<", "<="))),
        "fund": {
            "start": start,
            "floor": floor - draw(st.sampled_from((0, 0, start, 5))),
            "shortfall": draw(st.sampled_from(("divisible", "all_or_nothing"))),
            "takeover": draw(st.sampled_from(("bankruptcy", "none", "none") if vault else ("bankruptcy", "none"))),
            "inventory_limit": draw(st.none() | st.just(share(0, 20, 100, 500))),
        },
        "ranking": draw(st.sampled_from(RANKINGS)),
        "losers": draw(st.sampled_from(("last", "ranked", "excluded"))),
        "adl_allocation": draw(st.sampled_from((*("queue",) * len(BY_SHARE), *BY_SHARE))),
        "close_price": draw(st.sampled_from(("bankruptcy", "mark", "previous_mark"))),
        "residual_owner": draw(st.sampled_from(("account", "fund", "vault") if vault else ("account", "fund"))),
        "fee_e9": draw(st.sampled_from((0, 0, 400_000, 10_000_000))),
        "fee_owner": draw(st.sampled_from(("venue", "fund"))),
        "inventory_adl": draw(st.sampled_from(("none", "below_floor", "below_floor", "to_trigger"))),
        "inventory_stop": floor + draw(st.sampled_from((0, 0, start // 4, -(start // 4)))),
        "on_exhausted": draw(st.sampled_from(("uncovered", "fund_negative"))),
        "vault_quiet_steps": draw(st.sampled_from((0, 1, 2, 4, 100))),
    }
    if vault:
        num, den = draw(st.sampled_from(((2, 3), (2, 3), (2, 3), (1, 2), (1, 1))))
        profile["vault"] = draw(vaults(symbols, share(0, 0, 1, 3, 10, 500))) | {"num": num, "den": den}
    elif draw(st.booleans()):
        profile["vault"] = None
    if draw(st.booleans()):
        profile["hl_literal"] = draw(st.booleans())
    profile |= draw(stepper(book_value))
    profile["fund"] |= draw(funds(symbols, profile["fund"]))
    return profile


def divided(total: int | None, weights: tuple[int, ...]) -> list[int | None]:
    """Divide a sum by weights, the last part the rest; no sum stays none.

    >>> divided(10, (1, 2, 5)), divided(None, (1, 1))
    ([1, 2, 7], [None, None])
    """
    if total is None:
        return [None] * len(weights)
    parts = [total * weight // sum(weights) for weight in weights[:-1]]
    return [*parts, total - sum(parts)]


@st.composite
def grouped(draw: st.DrawFn, symbols: list[str]) -> list[list[str]]:
    """Draw which symbols share a fund or a vault."""
    groups: list[list[str]] = [symbols[:1]]
    for symbol in symbols[1:]:
        place = draw(st.integers(0, len(groups)))
        if place == len(groups):
            groups.append([])
        groups[place].append(symbol)
    return groups


@st.composite
def vaults(draw: st.DrawFn, symbols: list[str], capital: int) -> dict[str, Any]:
    """Draw one vault or several, and whether they keep a margin of their own."""
    out: dict[str, Any] = {"capital": capital}
    if draw(st.booleans()):
        groups = draw(st.permutations(draw(grouped(symbols))))
        capitals = divided(capital, draw(st.sampled_from(WEIGHTS))[: len(groups)])
        out["sets"] = [{"symbols": group, "capital": part} for group, part in zip(groups, capitals, strict=True)]
    margin = draw(st.sampled_from((None, "none", "maintenance", "maintenance")))
    return out | ({"margin": margin} if margin else {})


@st.composite
def funds(draw: st.DrawFn, symbols: list[str], fund: dict[str, Any]) -> dict[str, Any]:
    """Draw several funds, and the drop that switches deleveraging on; half of the worlds have neither."""
    if draw(st.booleans()):
        return {}
    out: dict[str, Any] = {}
    if draw(st.integers(0, 3)):
        groups = draw(grouped(symbols))
        weights = draw(st.sampled_from(WEIGHTS))[: len(groups)]
        starts, limits = divided(fund["start"], weights), divided(fund["inventory_limit"], weights)
        out["pools"] = [
            {"symbols": group, "start": start, "inventory_limit": limit}
            for group, start, limit in zip(groups, starts, limits, strict=True)
        ]
    if draw(st.integers(0, 3)):
        trigger = {symbol: draw(st.sampled_from(([3, 10], [3, 10], [1, 1], [1, 50], [0, 1]))) for symbol in symbols}
        part = draw(st.sampled_from((100, 83, 50, 0)))
        out["drop"] = {
            "kind": draw(st.sampled_from(("pnl_ratio", "pnl_ratio", "pool_drawdown"))),
            "trigger": trigger,
            "stop": {symbol: [num * part, den * 100] for symbol, (num, den) in trigger.items()},
            "above": draw(st.sampled_from((0, 0, 1000, fund["start"] // 2))),
            "window_s": draw(st.sampled_from((0, 20, 60, 28_800))),
        }
    return out


@st.composite
def stepper(draw: st.DrawFn, book_value: int) -> dict[str, Any]:
    """Draw the liquidation stepper; that of full positions may be left out."""
    name = draw(st.sampled_from((None, "full_position", *STEPPERS, *STEPPERS)))
    rules: dict[str, Any] = {"liquidation_rule": name} if name else {}
    if name == "part_first":
        rules["first_share"] = draw(st.sampled_from(([1, 5], [1, 5], [1, 2], [2, 3], [1, 1])))
        rules["first_above"] = book_value * draw(st.sampled_from((0, 0, 10, 30, 70, 200))) // PERMILLE
        rules["pause_s"] = draw(st.sampled_from((30, 0, 0, 1, 3, 7, 10, 20, 60)))
    return rules


@st.composite
def worlds(draw: st.DrawFn, with_vault: bool | None = None) -> dict[str, Any]:
    """Draw a world of isolated positions in linear contracts, one an account.

    Parameters
    ----------
    with_vault : bool, optional
        Always or never configure a vault; both where absent.
    """
    symbols = draw(markets((1, 1, 2, 3)))
    ticks = draw(first_prices(symbols))
    rows = draw(accounts(symbols, ticks))
    return draw(surroundings(symbols, ticks, rows, with_vault))


@st.composite
def markets(draw: st.DrawFn, counts: tuple[int, ...], units: tuple[int, ...] = UNITS) -> dict[str, dict[str, Any]]:
    """Draw the symbols and their order."""
    names = SYMBOLS[: draw(st.sampled_from(counts))]
    if draw(st.integers(0, 3)) == 0:
        names = names[::-1]
    return {name: draw(symbol_rules(units)) for name in names}


@st.composite
def first_prices(draw: st.DrawFn, symbols: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Draw about where the prices start, in ticks.

    A finer mark starts from a lower price, so that a bar has about as many marks to look at.
    """
    return {
        name: draw(st.integers(60, 150) if rules.get("mark_per_tick", 1) == 10 else st.integers(100, 900))
        for name, rules in symbols.items()
    }


@st.composite
def surroundings(
    draw: st.DrawFn,
    symbols: dict[str, dict[str, Any]],
    ticks: dict[str, int],
    rows: list[dict[str, Any]],
    with_vault: bool | None,
) -> dict[str, Any]:
    """Draw what a book meets: prices, liquidity, funding and the rules of a venue."""
    names = list(symbols)
    count = draw(st.sampled_from((2, 3, 1, 4, 5, 6)))
    paths = {name: draw(bars(ticks[name], rules.get("mark_per_tick", 1), count)) for name, rules in symbols.items()}
    rate_e9 = st.sampled_from((100_000, -375_000, 12_345_678, -30_000_001, 70_000_000, -70_000_000))
    event = st.fixed_dictionaries(
        {"bar": st.integers(0, count - 1), "symbol": st.sampled_from(names), "rate_e9": rate_e9},
        optional={"oracle": st.integers(50, 2_000)},
    )
    return {
        "symbols": symbols,
        "profile": draw(profiles(sum(row["cost"] for row in rows), with_vault, list(names))),
        "liquidity": {
            "scale_e9": draw(st.sampled_from((10**9, 10**9, 333_333_333))),
            "participation_e9": draw(st.sampled_from((0, 20_000_000, 100_000_000, 300_000_000, 10**9, 10**9))),
            "impact": draw(st.sampled_from(("sqrt", "sqrt", "none"))),
            "impact_y_e9": draw(st.sampled_from((500_000_000, 10**9))),
            "sigma_e9": draw(st.sampled_from((3_000_000, 30_000_000, 200_000_000))),
        },
        "intrabar": draw(st.sampled_from(("ohlc", "ohlc", "close", "adverse_first"))),
        "bar_seconds": draw(st.sampled_from((3, 9, 10, 30, 60))),
        "pieces": draw(st.sampled_from((1, 1, 1, 2, 3))),
        "bars": [{name: paths[name][number] for name in names} for number in range(count)],
        "funding": draw(st.lists(event, max_size=3)),
        "accounts": rows,
        "seed": draw(st.integers(0, 20)),
    }


# --- cross accounts, two legs, inverse contracts -------------------------------------------------------------------


@st.composite
def account_worlds(draw: st.DrawFn, with_vault: bool | None = None, inverse: bool | None = None) -> dict[str, Any]:
    """Draw a world with cross accounts, ids with several rows and, in half of the worlds, inverse contracts.

    Parameters
    ----------
    with_vault, inverse : bool, optional
        Always or never configure a vault, draw inverse symbols; both where absent.
    """
    with_inverse = draw(st.booleans()) if inverse is None else inverse
    symbols = draw(markets((1, 2, 3, 3), (7, 100, 1000) if with_inverse else UNITS))
    ticks = draw(first_prices(symbols))
    if with_inverse:
        for name, rules in symbols.items():
            if draw(st.sampled_from((True, True, False))):
                # A contract is worth 500 to 1000 units at first, as a lot of the linear symbols.
                value = rules["quanta_per_tick_lot"] // rules.get("mark_per_tick", 1) * draw(st.integers(500, 1000))
                mark = ticks[name] * rules.get("mark_per_tick", 1)
                rules["inverse"] = value * mark + draw(st.integers(0, 999))
    rows = draw(holdings(symbols, ticks))
    world = draw(surroundings(symbols, ticks, rows, draw(VAULTS) if with_vault is None else with_vault))
    world["profile"] |= draw(allocations(bool(world["profile"].get("vault"))))
    return world


@st.composite
def allocations(draw: st.DrawFn, with_vault: bool) -> dict[str, str]:
    """Draw how the equity of a cross account is allocated; row by row only where no vault takes whole accounts."""
    rules = {}
    allocation = draw(st.sampled_from((None, "by_maintenance", *["one_first"] * 3)))
    if allocation:
        rules["cross_allocation"] = "by_maintenance" if with_vault else allocation
    order = draw(st.sampled_from((None, "maintenance", "loss", "loss", "notional")))
    if order:
        rules["cross_order"] = order
    return rules


@st.composite
def holdings(draw: st.DrawFn, symbols: dict[str, dict[str, Any]], first_px: dict[str, int]) -> list[dict[str, Any]]:
    """Draw cross accounts, isolated positions, ids with two isolated legs and ids with both kinds."""
    rows: list[dict[str, Any]] = []
    for account in draw(st.lists(st.integers(1, 99), min_size=2, max_size=8, unique=True)):
        rows += draw(holding(account, symbols, first_px))
    return balanced(rows, symbols, first_px) if draw(st.booleans()) else rows


@st.composite
def holding(
    draw: st.DrawFn, account: int, symbols: dict[str, dict[str, Any]], first_px: dict[str, int]
) -> list[dict[str, Any]]:
    """Draw the rows of one id."""
    kind = draw(st.sampled_from(HOLDINGS))
    slots = draw(st.permutations([(symbol, side) for symbol in symbols for side in (1, -1)]))
    if kind in ("isolated", "lone"):
        slots = slots[:1]
    elif kind == "hedge":
        slots = [slots[0], (slots[0][0], -slots[0][1])]
    else:
        slots = slots[: draw(st.integers(2, 4))]
    rows = [draw(leg(account, symbol, side, symbols[symbol], first_px[symbol])) for symbol, side in slots]
    isolated = {"cross": 0, "lone": 0, "mixed": 1}.get(kind, len(rows))
    for row in rows[:isolated]:
        row["wallet"] = draw(margin(row["cost"]))
    crossed = rows[isolated:]
    # The wallet of a cross account lies on its rows as it may; two legs against each other need little of it.
    left = draw(margin(sum(row["cost"] for row in crossed)))
    for row in crossed:
        row["cross"] = True
        share = left if row is crossed[-1] else left * draw(st.sampled_from((0, 300, 500, 1000, 1500, -700))) // 1000
        row["wallet"] = share
        left -= share
    return rows


@st.composite
def leg(draw: st.DrawFn, account: int, symbol: str, side: int, rules: dict[str, Any], first_px: int) -> dict[str, Any]:
    """Draw one row, its wallet not yet."""
    lots = draw(st.integers(1, 60))
    entry_px = moved(first_px, draw(st.integers(-60, 60)))
    cost = max(1, lots * lot_value(rules, entry_px) + draw(st.integers(-3, 3)))
    return {"id": account, "symbol": symbol, "side": side, "lots": lots, "cost": cost, "wallet": 0}


@st.composite
def margin(draw: st.DrawFn, cost: int) -> int:
    """Draw the wallet behind positions of some cost; one in fifteen is bankrupt at the start."""
    if draw(st.integers(0, 14)) == 13:
        return int(-(cost // draw(st.sampled_from((4, 15, 50)))))
    return int(cost // draw(st.sampled_from((4, 8, 12, 20, 20, 33, 50, 100))) + draw(st.integers(0, 7)))


def lot_value(rules: dict[str, Any], px: int) -> int:
    """Return about what a lot is worth at a price in ticks, in quanta.

    >>> lot_value({"quanta_per_tick_lot": 7}, 100), lot_value({"quanta_per_tick_lot": 7, "inverse": 1_000}, 30)
    (700, 33)
    """
    num = rules.get("inverse")
    return round(num / (px * rules.get("mark_per_tick", 1))) if num else int(px * rules["quanta_per_tick_lot"])
