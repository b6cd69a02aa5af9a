"""Every scenario field once: name, type, unit, default, bounds, choices, meaning, and its key in a venue file.

``PARAMS``, the TOML and ``--set`` readers, the rules of a venue file, ``crashbook params`` and the class ``Scenario``
follow from the lines below: a further option is one line here, and the place that uses it.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from backtest.mechanics.adl.allocation import ALLOCATIONS, OF_USER
from backtest.mechanics.adl.close_price import CLOSE_PRICES, EXHAUSTION
from backtest.mechanics.adl.rankings import LOSERS, RANKINGS
from backtest.mechanics.cross_margin import CROSS_ALLOCATIONS, CROSS_ORDERS
from backtest.mechanics.drawdown import DRAWDOWN_TRIGGERS
from backtest.mechanics.fund import INVENTORY_ADL
from backtest.mechanics.impact import IMPACTS
from backtest.mechanics.liquidation.rules import LIQUIDATION_RULES
from backtest.mechanics.path import INTRABAR
from backtest.mechanics.rule import Rule
from backtest.mechanics.vault import VAULT_MARGINS
from backtest.scenario.param import EVENT, RULE, Mix, PerCoin, Vaults, Watched, declared, of_book, option, rule
from backtest.scenario.vault_sets import LARGEST_USD
from backtest.schema.coins import REST

REPLAYED = ("1s", "1m", "5m", "15m", "1h")  # timeframes
MANY = 1_000_000_000  # of a count, as good as no limit
MOST = LARGEST_USD
PART_FIRST = ("liquidation_rule", ("part_first",))
IN_BLOCKS = ("liquidation_rule", ("incremental", "fillable_price"))
FILLABLE = ("liquidation_rule", ("fillable_price",))
ON_DRAWDOWN = ("drawdown_trigger", tuple(name for name in DRAWDOWN_TRIGGERS if name != "none"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run, fully resolved: every choice a run depends on. All of them enter the run id."""

    # fmt: off
    event: str = option("", "id, date or alias of a crash in the catalogue", kept=True)
    venue: str = option(EVENT, "venue profile whose rules run", kept=True)
    contract: str = option(
        "listed", "linear, inverse (settled in the coin, one coin a run) or what the venue listed on the day",
        choices=("listed", "linear", "inverse"), rule=True,
    )
    book_of: str | None = option(
        None,
        "venue whose defaults for the event (open interest, leverage, liquidity) stand in for the venue's own: what "
        "then differs are the rules", kept=True,
    )
    coins: tuple[str, ...] = option(EVENT, "coins simulated together, for example BTC,SOL", kept=True)
    start: dt.datetime | None = option(
        None, "first bar; none: as early as all coins have bars, or the event's window", unit="UTC", kept=True,
    )
    end: dt.datetime | None = option(None, "end of the window, exclusive", unit="UTC", kept=True)
    seed: int = option(1, "seed of the synthetic book and of random rankings", low=0, high=2**31 - 1, kept=True)
    intrabar: str = option(
        "ohlc", "order of prices in a bar: ohlc, adverse_first (low first) or close", choices=INTRABAR, kept=True,
    )
    mark_half_life_s: float = rule(
        "mark_price.half_life_s",
        "half-life of the EMA of trade prices that stands in for a mark series; 0 is the trade price", unit="s",
        low=0, high=86400, kept=True,
    )
    timeframe: str = option(
        "1m", "bars replayed; those of a second are walked as they are, of the lake only", choices=REPLAYED, kept=True,
    )
    step_s: float = option(
        3.0, "longest step between two prices of a bar: marks move, breaches are found and orders sent at each",
        unit="s", low=0.01, high=3600, kept=True,
    )
    shock: float = option(
        1.0, "factor on the logarithm of each coin's fall below its first price: 1.2 is a fifth deeper", low=0, high=10,
        kept=True,
    )
    allow_gaps: bool = option(False, "carry missing bars of the core flat instead of refusing them", kept=True)
    allow_suspect: bool = option(
        False, "replay values that nothing around them bears out, instead of refusing them", kept=True,
    )
    positions: int = of_book(100_000, "positions of the drawn book over all coins", low=2, high=20_000_000, kept=True)
    positions_file: str | None = option(None, "CSV or Parquet book that replaces the synthetic one", kept=True)
    balance_with_market: bool = option(
        False, "let a declared market position take the imbalance of an imported book", kept=True,
    )
    portfolio_margin: str = option(
        "kept", "accounts in portfolio margin of a true book: kept (deleveraged, not liquidated: not all of their "
        "collateral is known), or cross, as other accounts", choices=("kept", "cross"), kept=True,
    )
    open_interest_usd: PerCoin | None = of_book(
        EVENT, "open interest of one side (longs, which equal shorts) at the first mark", unit="usd", low=0, high=1e12,
    )
    rest_of_venue: str = of_book(
        "none", "coins of the venue without bars: none, or basket (a modelled coin, REST, on the mean path of others)",
        choices=("none", "basket"), kept=True,
    )
    venue_open_interest_usd: float | None = of_book(
        EVENT, "open interest of one side of all coins of the venue at the first mark; the rest of it is that of REST",
        unit="usd", low=0, high=1e12, kept=True,
    )
    leverage_mix: Mix = of_book(
        {"default": ((0.0, 3.0, 0.2), (3.0, 7.0, 0.5), (7.0, 0.0, 0.3))},
        "shares of notional by effective leverage: [from, to, share]; to = 0 is the tier limit", unit="x",
    )
    long_leverage_mix: Mix | None = of_book(
        None, "the same of longs only; none, or no rows for a coin: leverage_mix", unit="x",
    )
    short_leverage_mix: Mix | None = of_book(
        None, "the same of shorts only; none, or no rows for a coin: leverage_mix", unit="x",
    )
    leverage_exponent: float = of_book(
        0.5, "drawn leverage is multiplied by (twice the coin's highest leverage / that of BTC) ^ this", low=0, high=3,
    )
    delta_neutral_frac: float = of_book(
        0.75, "share of the shorts' notional whose long leg is elsewhere: leverage 0.05 to 1, cohort delta_neutral",
        unit="0..1", low=0, high=1,
    )
    size_sigma: float = of_book(2.7, "sigma of the lognormal body of sizes", low=0.01, high=5)
    size_alpha: float = of_book(0.85, "exponent of the Pareto tail of sizes", low=0.1, high=10)
    size_tail_frac: float = of_book(0.05, "share of accounts in the tail", unit="0..1", low=0, high=0.5)
    size_cap_frac: float = of_book(0.05, "largest share of a side that an account may hold", unit="0..1", low=0, high=1)
    entry_spread_frac: float = of_book(
        0.03, "sigma of the lognormal spread of entries where the pre-roll is short", unit="0..1", low=0, high=1,
    )
    cross_frac: float = of_book(
        0.7, "share of notional in cross accounts of several coins, the rest is alone; U, not known", unit="0..1",
        low=0, high=1,
    )
    positions_per_account: float = of_book(
        3.0, "mean positions, each of another coin, of a cross account; at most as many as coins", low=1, high=1000,
    )
    hedged_frac: float = of_book(
        0.1, "share of the cross accounts that hold longs and shorts", unit="0..1", low=0, high=1,
    )
    voluntary_exit_frac: float = option(
        0.0, "share of each side's lots that wants to leave, longs with shorts; a prior of 0 to 0.5, U", unit="0..1",
        low=0, high=1,
    )
    voluntary_exit_half_life_s: float = option(
        3600.0, "time in which half of it has left; a prior of 900 to 28,800, U", unit="s", low=900, high=28_800,
    )
    liquidity_scale: PerCoin = option(1.0, "traded volume of the venue over that of the bars walked", low=0, high=1000)
    liquidity_factor: float = option(
        1.0, "multiplies every liquidity scale; 0.5 halves the liquidity", low=0, high=1000,
    )
    participation_frac: float = option(
        1.0, "share of traded volume that can take forced orders", unit="0..1", low=0, high=1,
    )
    impact: str = option(
        "sqrt", "price impact of forced orders; depth is the order book's", choices=IMPACTS,
        venue="liquidity.impact", kept=True,
    )
    impact_y: float = option(
        1.0, "Y of the impact formula; with depth it multiplies the book's own", low=0, high=100,
        venue="liquidity.impact_y", kept=True,
    )
    impact_sigma_frac: float = option(
        0.003, "sigma of the impact formula: volatility of a minute; other bars by the root of time",
        unit="0..1", low=0, high=1, kept=True,
    )
    path: str = option(
        "tape", "tape, or feedback: the run's flow beyond the baseline's displaces it", choices=("tape", "feedback"),
    )
    feedback_half_life_s: float = option(
        300.0, "half-life of what flow displaced the prices by; 0 leaves nothing to the next price", unit="s", low=0,
        high=1e9, kept=True,
    )
    max_rounds: int = option(
        10, "rounds of liquidation and impact at one price of the feedback path", low=1, high=1000, kept=True,
    )
    liquidation_rule: str = rule(
        "liquidation.rule", "how positions in breach are ordered, and how the book fills them",
        choices=LIQUIDATION_RULES,
    )
    cross_allocation: str = rule(
        "cross.allocation",
        "equity behind each position of a cross account in breach: by_maintenance (all at once, each its share) "
        "or one_first (one after the other, each with all of it)", choices=CROSS_ALLOCATIONS,
    )
    cross_order: str = rule(
        "cross.order", "position that one_first takes first: maintenance, loss or notional", choices=CROSS_ORDERS,
    )
    first_share_frac: float = rule(
        "liquidation.first_share_frac", "share that part_first orders first of a large position", unit="0..1",
        low=1e-9, high=1, absent=1.0, only=PART_FIRST,
    )
    first_above_usd: float = rule(
        "liquidation.first_above_usd", "notional above which a position is large to part_first", unit="usd", low=0,
        high=MOST, absent=0.0, only=PART_FIRST,
    )
    first_pause_s: int = rule(
        "liquidation.first_pause_s", "pause of part_first after its first order", unit="s", low=0, high=86_400,
        absent=0, only=PART_FIRST,
    )
    block_s: float = rule(
        "liquidation.block_s", "block of fillable_price, round of incremental", unit="s", low=0.001, high=86_400,
        absent=1.0, only=IN_BLOCKS,
    )
    block_share_frac: float = rule(
        "liquidation.block_share_frac", "share of a position's value ordered per block or round", unit="0..1",
        low=1e-9, high=1, absent=1.0, only=IN_BLOCKS,
    )
    block_least_usd: float = rule(
        "liquidation.block_least_usd", "value that fillable_price orders at least per block", unit="usd", low=0,
        high=MOST, absent=0.0, only=FILLABLE,
    )
    block_most_usd: float = rule(
        "liquidation.block_most_usd", "value that it orders at most per block and account", unit="usd", low=1e-6,
        high=MOST, absent=MOST, only=FILLABLE,
    )
    block_orders: int = rule(
        "liquidation.block_orders", "liquidation orders of fillable_price per block", low=0, high=MANY, absent=MANY,
        only=FILLABLE,
    )
    block_deleverages: int = rule(
        "liquidation.block_deleverages", "positions that it sends to ADL per block", low=0, high=MANY, absent=MANY,
        only=FILLABLE,
    )
    fillable_adjustment: float = rule(
        "liquidation.fillable_adjustment", "BA of the fillable price: weight of the missing margin", low=0, high=9,
        absent=1.0, only=FILLABLE,
    )
    fillable_spread: float = rule(
        "liquidation.fillable_spread", "SMMR of the fillable price: its spread over maintenance", low=0, high=9,
        absent=1.5, only=FILLABLE,
    )
    fund_pools: str = rule(
        "fund.pools", "shared (one fund), isolated (one per coin) or groups: BTC+ETH,SOL+XRP",
        pattern=r"^\w+(\+\w+)*(\s*,\s*\w+(\+\w+)*)*$",
        form="shared, isolated or groups of coins such as BTC+ETH,SOL+XRP", absent="shared",
    )
    fund_start_usd: PerCoin = rule(
        "fund.start_usd",
        "insurance fund at the start, divided over several by open interest; or what each coin brings its fund",
        unit="usd", low=0, high=MOST,
    )
    fund_floor_usd: float = rule(
        "fund.floor_usd", "equity below which the fund takes nothing that lowers it", unit="usd", low=-MOST,
        high=MOST,
    )
    fund_shortfall: str = rule("fund.shortfall", "divisible or all_or_nothing", choices=("divisible", "all_or_nothing"))
    fund_takeover: str = rule(
        "fund.takeover", "bankruptcy (the fund takes positions over) or none", choices=("bankruptcy", "none"),
    )
    fund_inventory_limit_usd: float = option(
        RULE, "limit of gross inventory of the fund; 0: it takes nothing, 999e9 is no limit", unit="usd", low=0,
        high=MOST, rule=True,
    )
    drawdown_trigger: str = rule(
        "fund.drawdown.trigger",
        "what switches deleveraging on: none, pnl_ratio (a coin's loss, Bybit) or pool_drawdown (the fund's fall,"
        " OKX)", choices=DRAWDOWN_TRIGGERS, absent="none",
    )
    drawdown_trigger_frac: PerCoin = rule(
        "fund.drawdown.trigger_frac", "fall, as a share of the fund's peak, that switches it on", unit="0..1", low=0,
        high=1, absent=1.0, only=ON_DRAWDOWN,
    )
    drawdown_stop_frac: PerCoin = rule(
        "fund.drawdown.stop_frac", "fall below which it is switched off again", unit="0..1", low=0, high=1,
        absent=1.0, only=ON_DRAWDOWN,
    )
    drawdown_above_usd: float = rule(
        "fund.drawdown.above_usd", "equity of the fund above which the fall counts", unit="usd", low=0, high=MOST,
        absent=0.0, only=ON_DRAWDOWN,
    )
    drawdown_window_s: int = rule(
        "fund.drawdown.window_s", "time over which the peaks of drawdown_trigger are taken", unit="s", low=0,
        high=10_000_000, absent=28_800, only=ON_DRAWDOWN,
    )
    inventory_adl: str = rule(
        "fund.inventory_adl",
        "when the fund's inventory enters the ADL queue: none, below_floor, or to_trigger while drawdown_trigger "
        "is on", choices=INVENTORY_ADL,
    )
    inventory_stop_usd: float = rule(
        "fund.inventory_stop_usd", "equity at which the fund's own ADL stops", unit="usd", low=-MOST, high=MOST,
    )
    quiet_s: float = rule("fund.quiet_s", "quiet time before fund or vault unwind", unit="s", low=0, high=1e7)
    vault_capital_usd: float = rule(
        "vault.capital_usd", "capital of the liquidator vault; of each where vaults states none", unit="usd", low=0,
        high=MOST, absent=0.0,
    )
    vaults: Vaults = rule(
        "vault.sets", "a vault for each coin set: BTC+ETH:15e6,*:15e6 or tables of coins and capital_usd; none: one "
        "vault over all coins", absent=(),
    )
    vault_margin: str = rule(
        "vault.margin", "margin that a vault keeps on its inventory: none or maintenance", choices=VAULT_MARGINS,
        absent="none",
    )
    residual_owner: str = rule(
        "residual.owner", "who keeps collateral left after a liquidation: account, fund or vault",
        choices=("account", "fund", "vault"),
    )
    fee_rate: float = rule("fee.rate", "liquidation fee on value filled by the book", unit="0..1", low=0, high=1)
    fee_owner: str = rule("fee.owner", "venue or fund", choices=("venue", "fund"))
    ranking: str = rule("adl.ranking", "order of the ADL queue; none: the venue has no ADL", choices=RANKINGS)
    losers: str = rule("adl.losers", "where positions at a loss stand in the queue", choices=LOSERS)
    adl_allocation: str = rule(
        "adl.allocation",
        "who pays which lots in a wave: queue (from its front), or without ranks every candidate by its notional "
        "(pro_rata), profit, equity or leverage, or the highest factor leverage (water_filling); or a policy of "
        "yours, mine.py:function or sql:pnl_usd / equity_usd",
        choices=ALLOCATIONS, user=OF_USER, form="FILE.py:FUNCTION or sql:EXPRESSION of yours", absent="queue",
    )
    close_price: str = rule("adl.close_price", "price at which ADL closes", choices=CLOSE_PRICES)
    max_candidates: int = rule(
        "adl.max_candidates", "candidates of the queue that one bankrupt is matched with; 0 is all", low=0,
        high=MANY, absent=0,
    )
    on_exhausted: str = rule("adl.on_exhausted", "who bears lots without a candidate", choices=EXHAUSTION)
    queue_not_reached: int = option(
        20, "candidates behind the last one closed that are recorded per wave", low=0, high=1_000_000, kept=True,
    )
    watch: Watched = option(
        (), "positions of mine to follow: name, coin, side, size_base, entry_px, leverage, hedged, margin_mode",
        kept=True,
    )
    # fmt: on

    @property
    def simulated_coins(self) -> tuple[str, ...]:
        """Return the coins of the run: those with bars, then the rest of the venue where it has open interest."""
        interest = self.open_interest_usd
        there = self.rest_of_venue == "basket" and isinstance(interest, Mapping) and REST in interest
        return (*self.coins, REST) if there else self.coins

    def with_(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def plain(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        out: dict[str, Any] = {param.name: getattr(self, param.name) for param in PARAMS}
        out |= {name: [row.plain() for row in getattr(self, name)] for name in ("watch", "vaults")}
        return {key: value.isoformat() if isinstance(value, dt.datetime) else value for key, value in out.items()}

    def canonical(self) -> bytes:
        """Return canonical JSON: sorted keys, one spelling per value; the scenario's part of the run id."""
        import orjson

        return orjson.dumps(self.plain(), option=orjson.OPT_SORT_KEYS)


PARAMS = declared(Scenario)
RULES: Mapping[str, Mapping[str, Rule]] = {
    param.name: param.choices for param in PARAMS if isinstance(param.choices, Mapping)
}
BY_NAME = {param.name: param for param in PARAMS}
