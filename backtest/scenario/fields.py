"""Every scenario field once: kind, unit, default, meaning.

The single source for TOML, ``--set``, ``crashbook params`` and the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Param:
    """One scenario field: its kind, unit, default and meaning; ``low`` and ``high`` bound numbers."""

    name: str
    kind: str  # text, int, float, bool, time, coins, per_coin, mix, watch
    unit: str
    default: Any
    doc: str
    low: float | None = None
    high: float | None = None


MANY = 1_000_000_000  # of a count, as good as no limit
MOST = 999e9  # USD; money columns end below 1e12
RULE = "from the venue profile"
EVENT = "from the event"
PARAMS: tuple[Param, ...] = (
    Param("event", "text", "", "", "id, date or alias of a crash in the catalogue"),
    Param("venue", "text", "", EVENT, "venue profile whose rules run"),
    Param(
        "contract",
        "text",
        "",
        "listed",
        "linear, inverse (settled in the coin, one coin a run) or what the venue listed on the day",
    ),
    Param(
        "book_of",
        "text",
        "",
        None,
        "venue whose defaults for the event (open interest, leverage, liquidity, mark) stand in for the venue's own: "
        "what then differs are the rules",
    ),
    Param("coins", "coins", "", EVENT, "coins simulated together, for example BTC,SOL"),
    Param("start", "time", "UTC", None, "first bar; none: as early as all coins have bars, or the event's window"),
    Param("end", "time", "UTC", None, "end of the window, exclusive"),
    Param("seed", "int", "", 1, "seed of the synthetic book and of random rankings", 0, 2**31 - 1),
    Param("intrabar", "text", "", "ohlc", "order of prices in a bar: ohlc, adverse_first (low first) or close"),
    Param(
        "mark_half_life_s",
        "float",
        "s",
        30.0,
        "half-life of the EMA of trade prices that stands in for a mark series; 0 is the trade price",
        0,
        86400,
    ),
    Param("allow_gaps", "bool", "", False, "carry missing bars of the core flat instead of refusing them"),
    Param("positions", "int", "", 100_000, "positions of the synthetic book over all coins", 2, 20_000_000),
    Param("positions_file", "text", "", None, "CSV or Parquet book that replaces the synthetic one"),
    Param(
        "balance_with_market",
        "bool",
        "",
        False,
        "let a declared market position take the imbalance of an imported book",
    ),
    Param("open_interest_usd", "per_coin", "usd", EVENT, "open interest of one side at the first mark", 0, 1e12),
    Param(
        "leverage_mix",
        "mix",
        "x",
        {"default": ((0.0, 3.0, 0.36), (3.0, 7.0, 0.49), (7.0, 0.0, 0.15))},
        "shares of notional by effective leverage: [from, to, share]; to = 0 is the tier limit",
    ),
    Param("size_sigma", "float", "", 2.7, "sigma of the lognormal body of sizes", 0.01, 5),
    Param("size_alpha", "float", "", 0.85, "exponent of the Pareto tail of sizes", 0.1, 10),
    Param("size_tail_frac", "float", "0..1", 0.05, "share of accounts in the tail", 0, 0.5),
    Param("size_cap_frac", "float", "0..1", 0.03, "largest share of a side that one account may hold", 0, 1),
    Param(
        "entry_spread_frac",
        "float",
        "0..1",
        0.03,
        "sigma of the lognormal spread of entries where the pre-roll is short",
        0,
        1,
    ),
    Param(
        "positions_per_account",
        "float",
        "",
        1.0,
        "mean positions, each of another coin, of an account of the synthetic book, as far as coins have enough",
        1,
        1000,
    ),
    Param(
        "hedged_frac", "float", "0..1", 0.0, "share of the accounts of several coins that hold longs and shorts", 0, 1
    ),
    Param(
        "cross_frac", "float", "0..1", 0.0, "share of the accounts of several coins in cross margin; U, not known", 0, 1
    ),
    Param("liquidity_scale", "per_coin", "", 1.0, "traded volume of the venue over that of the bars walked", 0, 1000),
    Param("liquidity_factor", "float", "", 1.0, "multiplies every liquidity scale; 0.5 halves the liquidity", 0, 1000),
    Param("participation_frac", "float", "0..1", 1.0, "share of traded volume that can take forced orders", 0, 1),
    Param("impact", "text", "", "sqrt", "price impact of forced orders: none, sqrt, linear or depth (of the book)"),
    Param("impact_y", "float", "", 1.0, "Y of the impact formula; with depth it multiplies the book's own", 0, 100),
    Param("impact_sigma_frac", "float", "0..1", 0.003, "sigma of the impact formula: volatility of a bar", 0, 1),
    Param("path", "text", "", "tape", "tape, or feedback: the run's flow beyond the baseline's displaces the prices"),
    Param(
        "feedback_half_life_s",
        "float",
        "s",
        300.0,
        "half-life of what flow displaced the prices by; 0 leaves nothing to the next price",
        0,
        1e9,
    ),
    Param("max_rounds", "int", "", 10, "rounds of liquidation and impact at one price of the feedback path", 1, 1000),
    Param(
        "liquidation_rule",
        "text",
        "",
        RULE,
        "how positions in breach are ordered: full_position, tier_by_tier, reduce_once, two_tiers, part_first, "
        "fillable_price or incremental",
    ),
    Param(
        "cross_allocation",
        "text",
        "",
        RULE,
        "equity behind each position of a cross account in breach: by_maintenance (all at once, each its share) or "
        "one_first (one after the other, each with all of it)",
    ),
    Param("cross_order", "text", "", RULE, "position that one_first takes first: maintenance, loss or notional"),
    Param("first_share_frac", "float", "0..1", RULE, "share that part_first orders first of a large position", 1e-9, 1),
    Param("first_above_usd", "float", "usd", RULE, "notional above which a position is large to part_first", 0, MOST),
    Param("first_pause_s", "int", "s", RULE, "pause of part_first after its first order", 0, 86_400),
    Param("block_s", "float", "s", RULE, "block of fillable_price, round of incremental", 0.001, 86_400),
    Param("block_share_frac", "float", "0..1", RULE, "share of a position's value ordered per block or round", 1e-9, 1),
    Param("block_least_usd", "float", "usd", RULE, "value that fillable_price orders at least per block", 0, MOST),
    Param("block_most_usd", "float", "usd", RULE, "value that it orders at most per block and account", 1e-6, MOST),
    Param("block_orders", "int", "", RULE, "liquidation orders of fillable_price per block", 0, MANY),
    Param("block_deleverages", "int", "", RULE, "positions that it sends to ADL per block", 0, MANY),
    Param("fillable_adjustment", "float", "", RULE, "BA of the fillable price: weight of the missing margin", 0, 9),
    Param("fillable_spread", "float", "", RULE, "SMMR of the fillable price: its spread over maintenance", 0, 9),
    Param("fund_pools", "text", "", RULE, "shared (one fund), isolated (one per coin) or groups: BTC+ETH,SOL+XRP"),
    Param(
        "fund_start_usd",
        "per_coin",
        "usd",
        RULE,
        "insurance fund at the start, divided over several by open interest; or what each coin brings its fund",
        0,
        MOST,
    ),
    Param(
        "fund_floor_usd", "float", "usd", RULE, "equity below which the fund takes nothing that lowers it", -MOST, MOST
    ),
    Param("fund_shortfall", "text", "", RULE, "divisible or all_or_nothing"),
    Param("fund_takeover", "text", "", RULE, "bankruptcy (the fund takes positions over) or none"),
    Param(
        "fund_inventory_limit_usd",
        "float",
        "usd",
        RULE,
        "limit of gross inventory of the fund; 0: it takes nothing, 999e9 is no limit",
        0,
        MOST,
    ),
    Param(
        "drawdown_trigger",
        "text",
        "",
        RULE,
        "what switches deleveraging on: none, pnl_ratio (a coin's loss, Bybit) or pool_drawdown (the fund's fall, OKX)",
    ),
    Param(
        "drawdown_trigger_frac",
        "per_coin",
        "0..1",
        RULE,
        "fall, as a share of the fund's peak, that switches it on",
        0,
        1,
    ),
    Param("drawdown_stop_frac", "per_coin", "0..1", RULE, "fall below which it is switched off again", 0, 1),
    Param("drawdown_above_usd", "float", "usd", RULE, "equity of the fund above which the fall counts", 0, MOST),
    Param(
        "drawdown_window_s", "int", "s", RULE, "time over which the peaks of drawdown_trigger are taken", 0, 10_000_000
    ),
    Param(
        "inventory_adl",
        "text",
        "",
        RULE,
        "when the fund's inventory enters the ADL queue: none, below_floor, or to_trigger while drawdown_trigger is on",
    ),
    Param("inventory_stop_usd", "float", "usd", RULE, "equity at which the fund's own ADL stops", -MOST, MOST),
    Param("quiet_s", "float", "s", RULE, "quiet time before fund or vault unwind", 0, 1e7),
    Param("vault_capital_usd", "float", "usd", RULE, "capital of the liquidator vault", 0, MOST),
    Param("residual_owner", "text", "", RULE, "who keeps collateral left after a liquidation: account, fund or vault"),
    Param("fee_rate", "float", "0..1", RULE, "liquidation fee on value filled by the book", 0, 1),
    Param("fee_owner", "text", "", RULE, "venue or fund"),
    Param(
        "ranking",
        "text",
        "",
        RULE,
        "ADL ranking: a name of mechanics/rankings.py, such as bitmex or binance; none: the venue has no ADL",
    ),
    Param("losers", "text", "", RULE, "positions at a loss in the queue: last, ranked or excluded"),
    Param("close_price", "text", "", RULE, "price of ADL: bankruptcy, mark or previous_mark"),
    Param("max_candidates", "int", "", RULE, "candidates that one bankrupt looks at in the queue; 0 is all", 0, MANY),
    Param(
        "on_exhausted",
        "text",
        "",
        RULE,
        "lots without a candidate: uncovered, fund_negative, waits, socialised_winners or socialised_both",
    ),
    Param(
        "queue_not_reached",
        "int",
        "",
        20,
        "candidates behind the last one closed that are recorded per wave",
        0,
        1_000_000,
    ),
    Param(
        "watch",
        "watch",
        "",
        (),
        "positions of mine to follow: name, coin, side, size_base, entry_px, leverage, hedged, margin_mode",
    ),
)
BY_NAME = {param.name: param for param in PARAMS}
RENAMED_FIELDS = {
    "stepper": "liquidation_rule",
    "adl_visits": "max_candidates",
    "spared": "queue_not_reached",
    "fund_drop": "drawdown_trigger",
    "fund_trigger_frac": "drawdown_trigger_frac",
    "fund_stop_frac": "drawdown_stop_frac",
    "fund_above_usd": "drawdown_above_usd",
    "fund_window_s": "drawdown_window_s",
}
RENAMED_VALUES = {"drawdown_trigger": {"pool_drop": "pool_drawdown"}}
