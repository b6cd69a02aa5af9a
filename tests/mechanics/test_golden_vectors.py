"""Published figures and checked algebra, each with its source, run through the functions the engine uses."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from backtest.engine.run import Outcome, simulate
from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.matching import Claims, match
from backtest.mechanics.adl.queue import Queue
from backtest.mechanics.adl.rankings import scored
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.liquidation.blocks import fillable_discount
from backtest.mechanics.margin import Tiers, breach_mark, deductions, in_breach, maintenance
from backtest.mechanics.path import previous_mark
from backtest.mechanics.socialised_loss import loss_per_lot
from tests.engine.small import LONG, SHORT, bar, small
from tests.reference.adapter import build

pytestmark = pytest.mark.golden
USD = 10**6
BASIS_POINT = 100_000  # in 1e-9
Q = 100  # quanta per lot of one base and mark quantum of 1e-4 USD

# Binance USD-M, 2024-10-24: caps in USDT, rates in basis points, deductions in USDT.
# github.com/freqtrade/freqtrade, freqtrade/exchange/binance_leverage_tiers.json at c9ae5e1e.
K, M, B = 10**3, 10**6, 10**9
BINANCE_BTC = (
    [0, 50 * K, 600 * K, 3 * M, 12 * M, 70 * M, 100 * M, 230 * M, 480 * M, 600 * M, 800 * M, 1200 * M],
    [40, 50, 65, 100, 200, 250, 500, 1000, 1250, 1500, 2500, 5000],
    [0, 50, 950, 11_450, 131_450, 481_450, 2_981_450, 14_481_450, 26_481_450, 41_481_450, 121_481_450, 421_481_450],
)
BINANCE_SOL = (
    [0, 20 * K, 100 * K, 800 * K, 4 * M, 8 * M, 40 * M, 80 * M, 100 * M, 200 * M],
    [50, 65, 100, 200, 250, 500, 1000, 1250, 2500, 5000],
    [0, 30, 380, 8_380, 28_380, 228_380, 2_228_380, 4_228_380, 16_728_380, 66_728_380],
)
BINANCE_DOGE = (
    [0, 10 * K, 50 * K, 750 * K, 800 * K, 1600 * K, 8 * M, 16 * M, 20 * M, 40 * M],
    [50, 70, 100, 200, 250, 500, 1000, 1250, 2500, 5000],
    [0, 20, 170, 7_670, 11_670, 51_670, 451_670, 851_670, 3_351_670, 13_351_670],
)
# binance.com announcement 86cf9aa472574b8cb2e05bb751c2a9a6, 2021-03-18; deductions by the recurrence.
BINANCE_BTC_2021 = (
    [0, 50 * K, 250 * K, 1 * M, 10 * M, 20 * M, 50 * M, 100 * M, 200 * M, 300 * M],
    [40, 50, 100, 250, 500, 1000, 1250, 1500, 2500, 5000],
    [0, 50, 1_300, 16_300, 266_300, 1_266_300, 2_516_300, 5_016_300, 25_016_300, 100_016_300],
)
# bybit.com/zh-TW/announcement-info/margin-parameters, BTCUSDT, undated.
BYBIT_BTC = (
    [0, 2000 * K, 2600 * K, 3200 * K, 3800 * K, 4400 * K, 5000 * K, 5600 * K, 8500 * K, 10 * M, 14 * M, 20 * M, 28 * M,
     38 * M, 50 * M, 55 * M, 60 * M, 65 * M, 70 * M, 75 * M],
    [50, 56, 63, 67, 71, 77, 91, 100, 130, 150, 160, 200, 250, 290, 300, 350, 360, 380, 400, 450],
    [0, 1_200, 3_020, 4_300, 5_820, 8_460, 15_460, 20_500, 46_000, 66_000, 80_000, 160_000, 300_000, 452_000, 502_000,
     777_000, 837_000, 967_000, 1_107_000, 1_482_000],
)  # fmt: skip
# hyperliquid.gitbook.io, trading/margin-tiers: BTC.
HYPERLIQUID_BTC = ([0, 150 * M], [125, 250], [0, 1_875_000])
TABLES = {
    "binance-btc-2024-10-24": BINANCE_BTC,
    "binance-sol-2024-10-24": BINANCE_SOL,
    "binance-doge-2024-10-24": BINANCE_DOGE,
    "binance-btc-2021-03-18": BINANCE_BTC_2021,
    "bybit-btc": BYBIT_BTC,
    "hyperliquid-btc": HYPERLIQUID_BTC,
}
Table = tuple[list[int], list[int], list[int]]


def schedule(table: Table) -> Tiers:
    floors, rates = [floor * USD for floor in table[0]], [rate * BASIS_POINT for rate in table[1]]
    return Tiers.of(list(zip(floors, rates, deductions(floors, rates), strict=True)))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_deductions_published_by_the_venues_follow_from_the_recurrence(table: Table) -> None:
    assert (schedule(table).deductions // USD).tolist() == table[2]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_maintenance_equals_marginal_rates_at_and_around_every_floor(table: Table) -> None:
    floors, rates, _ = table
    for notional in [n * USD + d for n in [*floors[1:], 2 * floors[-1] + 3] for d in (-1, 0, 1)]:
        marginal = Fraction(0)
        for floor, top, rate in zip(floors, [*floors[1:], 10**12], rates, strict=True):
            marginal += max(min(notional, top * USD) - floor * USD, 0) * Fraction(rate, 10_000)
        assert maintenance(np.array([notional]), schedule(table))[0] == -(-marginal // 1)


@pytest.mark.parametrize(
    ("table", "notional_usd", "expected_usd"),
    [
        pytest.param(HYPERLIQUID_BTC, 200 * M, 3_125_000, id="hyperliquid-200M-btc-margin-tiers"),
        pytest.param(BYBIT_BTC, 12 * M, 114_000, id="bybit-12M-btc-margin-parameters"),
        pytest.param(BINANCE_BTC, 600 * K, 2_950, id="binance-600k-btc-floor-inclusive"),
    ],
)
def test_maintenance_of_a_notional(table: Table, notional_usd: int, expected_usd: int) -> None:
    assert maintenance(np.array([notional_usd * USD]), schedule(table)).tolist() == [expected_usd * USD]


# Liquidation price s(QE) - B - c over Q(s - r), bankruptcy price E - sB/Q: algebra, checked with Binance's symbols
# (support FAQ b3c689c1f50a44cabb3a84e663b81d93) and Hyperliquid's (gitbook, trading/liquidations).
@pytest.mark.parametrize(
    ("side", "base", "entry", "balance", "tiers", "liquidation", "bankruptcy"),
    [
        pytest.param(1, 1, 100_000, 10_000, [(0, 5 * M, 50 * USD)], "90402.0101", 90_000, id="linear-long"),
        pytest.param(-1, 1, 100_000, 10_000, [(0, 5 * M, 50 * USD)], "109502.4876", 110_000, id="linear-short"),
        pytest.param(1, 100, 100_000, M, [(0, 10 * M, 11_450 * USD)], "90793.4343", 90_000, id="linear-long-large"),
        pytest.param(1, 100, 100_000, M, BINANCE_BTC, "90793.4343", 90_000, id="linear-long-large-binance-table"),
        pytest.param(1, 1, 100_000, 10_000, HYPERLIQUID_BTC, "91139.2405", 90_000, id="hyperliquid-long"),
        pytest.param(-1, 1, 100_000, 10_000, HYPERLIQUID_BTC, "108641.9753", 110_000, id="hyperliquid-short"),
    ],
)
def test_liquidation_and_bankruptcy_price(
    side: int, base: int, entry: int, balance: int, tiers: Any, liquidation: str, bankruptcy: int
) -> None:
    table = schedule(tiers) if isinstance(tiers, tuple) else Tiers.of(tiers)
    lots, cash = np.array([side * base]), np.array([balance * USD - side * base * entry * USD])
    mark = int(breach_mark(cash, lots, Contract(Q), table, inclusive=True)[0])
    published = round(Fraction(liquidation) * 10_000)
    # A long is liquidated at the first mark at or below its price, a short at or above; the source rounds.
    assert mark in ({published, published - 1} if side > 0 else {published, published + 1})
    assert in_breach(cash, lots, np.array([mark]), Contract(Q), table, True).all()
    assert not in_breach(cash, lots, np.array([mark + side]), Contract(Q), table, True).any()
    assert -side * int(cash[0]) == bankruptcy * base * USD


def candidate(side: int, entry: int, mark: int, bankruptcy: int) -> Candidates:
    """Return one lot; prices in USD."""
    return candidates(side, [1], [entry * USD], [mark * USD], [side * (mark - bankruptcy) * USD])


def candidates(side: int, lots: list[int], cost: list[int], value: list[int], equity: list[int]) -> Candidates:
    held, paid, worth, owned = (np.array(column, dtype=np.int64) for column in (lots, cost, value, equity))
    return Candidates(side, held, paid, worth, side * (worth - paid), owned, Tiers.of([(0, 59_678_740, 0)]))


# BitMEX: PnL % x leverage, divided when losing; bitmex.com/app/autoDeleveraging, signed-value reading.
# Hyperliquid: gitbook, trading/auto-deleveraging; shorts by entry over mark (5.00), or as printed (4.05).
@pytest.mark.parametrize(
    ("ranking", "side", "entry", "mark", "bankruptcy", "score"),
    [
        pytest.param("bitmex", 1, 100, 110, 90, Fraction(55, 100), id="bitmex-long"),
        pytest.param("bitmex", -1, 100, 90, 110, Fraction(45, 100), id="bitmex-short"),
        pytest.param("bitmex", 1, 100, 95, 90, Fraction(-5, 1900), id="bitmex-losing-long"),
        pytest.param("bitmex", 1, 100, 100, 90, Fraction(0), id="bitmex-at-entry"),
        pytest.param("hyperliquid", 1, 100, 110, 90, Fraction(605, 100), id="hyperliquid-long-6.05"),
        pytest.param("hyperliquid", -1, 100, 90, 110, Fraction(5), id="hyperliquid-short-5.00"),
        pytest.param("hyperliquid_literal", -1, 100, 90, 110, Fraction(405, 100), id="hyperliquid-literal-4.05"),
        pytest.param("hyperliquid_literal", 1, 100, 110, 90, Fraction(605, 100), id="hyperliquid-literal-long-6.05"),
    ],
)
def test_adl_scores(ranking: str, side: int, entry: int, mark: int, bankruptcy: int, score: Fraction) -> None:
    rule, row = scored(ranking), candidate(side, entry, mark, bankruptcy)
    assert rule is not None
    assert rule.exact(row, 0) == score
    assert rule.approximate(row)[0] == pytest.approx(float(score), rel=1e-14)


def test_binance_score_of_the_staff_answer() -> None:
    # dev.binance.vision/t/how-to-caculating-leverage-pnl-quantile/17801: UPnL 40.2, wallet 4.27, margin ratio 13.42 %:
    # 9.41 x 0.1342, about 1.26. The maintenance rate makes 13.42 % of 44.47 on 100 USD of value.
    row = candidates(1, [1], [59_800_000], [100 * USD], [44_470_000])
    rule = scored("binance")
    assert rule is not None
    assert rule.exact(row, 0) == Fraction(402, 10) / Fraction(427, 100) * Fraction(1342, 10_000)
    assert round(float(rule.approximate(row)[0]), 3) == 1.263


def test_binance_score_by_hand_floors_and_losers() -> None:
    rule = scored("binance")
    assert rule is not None
    tiers = Tiers.of([(0, 50_000_000, 0)])  # 5 % of 1,000 is 50
    lots, cost, value = (np.array([each] * 3, dtype=np.int64) for each in (1, 500 * USD, 1000 * USD))
    pnl = np.array([500, 500, -10]) * USD
    equity = np.array([1500, 500, 1500]) * USD  # wallets 1,000; 0, which counts as 1; 1,510
    rows = Candidates(1, lots, cost, value, pnl, equity, tiers)
    assert [rule.exact(rows, k) for k in range(3)] == [Fraction(1, 60), 50, 0]
    assert rule.approximate(rows).tolist() == [pytest.approx(1 / 60), 50.0, 0.0]


@pytest.mark.parametrize(
    ("collateral", "fillable"),
    [pytest.param(800, 99_400, id="dydx-adjustment-a-third"), pytest.param(-300, 98_200, id="dydx-adjustment-one")],
)
def test_dydx_fillable_price(collateral: int, fillable: int) -> None:
    # Long 1 at an oracle price of 100,000, maintenance 1,200, by total net collateral: (PNNV - ABR SMMR PMMR) / PS with
    # BA 1 and SMMR 1.5; dydxprotocol/v4-chain 84d4664b, x/clob/keeper/liquidations.go.
    need, equity = (np.array([usd * USD]) for usd in (1200, collateral))
    less = fillable_discount(need, need, equity, 10**9, 1_500_000_000)
    assert (100_000 * USD - less).tolist() == [fillable * USD]


def test_dydx_vector_end_to_end() -> None:
    # The same long on a scale of 1 to 100: worth 1,000 ticks, bankrupt at 992, maintenance 1.2 %. An order is refused a
    # tick below the fillable price of 994 and filled at it; the fund gets what that is above bankruptcy.
    for price, filled in ((993, []), (994, [10])):
        long = {**LONG, "wallet": 8_000}
        block = {
            "time_ms": 1000, "share_e9": 10**9, "least": 0, "most": 10**12, "orders": 50, "deleverages": 10,
            "adjustment_e9": 10**9, "spread_e9": 1_500_000_000,
        }  # fmt: skip
        rules: dict[str, Any] = {
            "liquidation_rule": "fillable_price",
            "block": block,
            "fee_e9": 15_000_000,
            "fee_owner": "fund",
        }
        world = small([bar(price, volume_lots=100, mark=1000)], (long, SHORT), **rules)
        world["symbols"]["BTC"]["tiers"] = [[0, 12_000_000, 0]]
        outcome = simulate(build(world))
        breaches = outcome.record.breaches.join()
        assert breaches.bankruptcy_value.tolist() == [992_000]
        assert [lots for lots in breaches.book_lots.tolist() if lots] == filled
        assert outcome.ledger.funds[0].cash == (2_000 if filled else 0)


def test_drift_charges_both_sides() -> None:
    # drift-labs/protocol-v2 0ae3e3b1: a loss of 1,000 over 400 base long and 600 short is 1.0 per base unit.
    assert loss_per_lot(1000 * USD, 400 + 600) == USD
    bankrupt = {"id": 1, "symbol": "BTC", "side": 1, "lots": 10, "cost": 990_000, "wallet": 0}
    others = [
        {"id": 2, "symbol": "BTC", "side": 1, "lots": 400, "cost": 40_000_000, "wallet": 30_000_000},
        {"id": 3, "symbol": "BTC", "side": -1, "lots": 600, "cost": 60_000_000, "wallet": 30_000_000},
    ]
    world = small([bar(989)], (bankrupt, *others), ranking="none", on_exhausted="socialised_both")
    outcome = simulate(build(world))
    ledger = outcome.ledger
    assert ledger.uncovered.cash == 0
    equity = {row["id"]: row["wallet"] - row["side"] * row["cost"] for row in others}
    paid = [equity[k] - int(ledger.cash[outcome.world.book.account == k][0]) for k in (2, 3)]
    assert paid == [400, 600]  # 990,000 owed, 989,000 at the mark


# bitmex.com/app/autoDeleveragingExamples: a short of 20 bankrupt at 650 closes account 2 (10) whole and 10 of the 20 of
# account 5. Longs of account 1 to 6 hold 10, 10, 20, 30, 20, 10 and have scores 3, 6, 1, 4, 5, 2.
BITMEX_LOTS, BITMEX_SCORES = (10, 10, 20, 30, 20, 10), (3, 6, 1, 4, 5, 2)


def test_bitmex_example_by_queue_and_match() -> None:
    # Entry at half the mark: PnL is 100 %, so that the score is the leverage.
    value = [lots * 660 * 60 for lots in BITMEX_LOTS]
    equity = [held // score for held, score in zip(value, BITMEX_SCORES, strict=True)]
    everyone = candidates(1, list(BITMEX_LOTS), [held // 2 for held in value], value, equity)

    def fetch(places: Ints) -> Candidates:
        all_columns = (everyone.lots, everyone.entry_value, everyone.value, everyone.pnl, everyone.equity)
        lots, cost, worth, pnl, owned = (column[places] for column in all_columns)
        return Candidates(1, lots, cost, worth, pnl, owned, everyone.tiers)

    def scan(piece: slice) -> tuple[Candidates, Bools]:
        return fetch(np.arange(6)[piece]), np.ones(6, dtype=bool)

    queue = Queue(scan, fetch, 6, "bitmex", "last", 0)
    assert (queue.prefix(100, 6) + 1).tolist() == [2, 5, 4, 1, 6, 3]
    assert queue.scores.tolist() == [6, 5, 4, 3, 2, 1]
    assert np.cumsum(queue.top.lots).tolist() == [10, 30, 60, 70, 80, 100]
    lots, equity_left = queue.top.lots.tolist(), queue.top.equity.tolist()
    short = Claims(
        lots=[20], bankruptcy_values=[20 * 650 * 60], value_sign=-1, value_per_lot=660 * 60, close_value_per_lot=None
    )
    out = match(short, lots, equity_left)
    assert (out.place.tolist(), out.lots.tolist()) == ([0, 1], [10, 10])
    assert out.close_value.tolist() == [10 * 650 * 60, 10 * 650 * 60]


def bitmex_world() -> dict[str, Any]:
    """Return the example as a world whose first mark, 660, lies beyond the bankruptcy price of account 9, 650.

    The longs entered at 330 and hold value / score of equity at 660, after losses elsewhere where that is below PnL.
    """
    longs = [
        {"id": k, "symbol": "BTC", "side": 1, "lots": lots, "cost": lots * 33_000,
         "wallet": lots * 66_000 // score - lots * 33_000}
        for k, (lots, score) in enumerate(zip(BITMEX_LOTS, BITMEX_SCORES, strict=True), 1)
    ]  # fmt: skip
    short = {"id": 9, "symbol": "BTC", "side": -1, "lots": 20, "cost": 1_200_000, "wallet": 100_000}
    return small([bar(660)], (*longs, short), losers="last")


def test_bitmex_example_end_to_end() -> None:
    world = bitmex_world()
    outcome = simulate(build(world))
    account = outcome.world.book.account
    slices = outcome.record.slices.join()
    assert account[slices.winner_row].tolist() == [2, 5]
    assert (slices.lots.tolist(), slices.close_value.tolist()) == ([10, 10], [650_000, 650_000])
    assert slices.score.tolist() == [6, 5]
    assert deficit(outcome, 9) == 0


def deficit(outcome: Outcome, account: int) -> int:
    return int(outcome.ledger.cash[outcome.world.book.account == account][0])


@pytest.mark.parametrize("mark", [899, 880, 700, 640])
def test_adl_at_the_bankruptcy_price_leaves_no_deficit(mark: int) -> None:
    # The bankrupt gets exactly minus its margin, whatever the mark.
    outcome = simulate(build(small([bar(1000), bar(mark)])))
    assert outcome.record.slices.join().close_value.tolist() == [900_000]
    assert (deficit(outcome, 1), outcome.ledger.uncovered.cash) == (0, 0)
    assert deficit(outcome, 2) == 300_000


@pytest.mark.parametrize(("mark", "uncovered"), [(890, -10_000), (700, -200_000)])
def test_adl_at_the_mark_books_the_deficit(mark: int, uncovered: int) -> None:
    # s Q (A - P_b), as on venues that close at mark: 10 x (890 - 900) x 100 quanta.
    outcome = simulate(build(small([bar(1000), bar(mark)], close_price="mark")))
    assert (deficit(outcome, 1), outcome.ledger.uncovered.cash) == (0, uncovered)


def test_hyperliquid_closes_at_the_mark_three_seconds_before() -> None:
    # gitbook, trading/auto-deleveraging: the previous mark; marks move about every 3 s. A minute's second segment, from
    # 1000 to 800 in 20 s, was at 830 three seconds before its end.
    assert previous_mark(1000, 800, jump=False, bar_s=60) == 830
    world = small([bar(1000), bar(800)], close_price="previous_mark")
    slices = simulate(build(world)).record.slices.join()  # at a jump: the last mark before it
    assert slices.close_value.tolist() == [1_000_000]
    falling = {"BTC": {"trade": [1000, 1000, 800, 800], "mark": [1000, 1000, 800, 800], "volume_lots": 0}}
    world = {**small([falling], (LONG, {**SHORT, "wallet": 900_000}), close_price="previous_mark"), "intrabar": "ohlc"}
    slices = simulate(build(world)).record.slices.join()
    assert slices.close_value.tolist() == [830_000]


def test_money_is_constant_over_a_liquidation_an_adl_and_a_take_over() -> None:
    # Users, fund, fees and outside market together: every transfer has two sides.
    fund = {"start": 50_000, "floor": 0, "shortfall": "divisible", "takeover": "bankruptcy", "inventory_limit": 400_000}
    world = small([bar(1000), bar(930, volume_lots=3), bar(890)], fund=fund, fee_e9=10_000_000, residual_owner="fund")
    outcome = simulate(build(world))
    ledger = outcome.ledger
    held = int(ledger.cash.sum()) + sum(fund.cash for fund in ledger.funds) + ledger.market.cash + ledger.venue.cash
    assert held + ledger.rounding.cash + ledger.uncovered.cash == -ledger.opening.cash
    assert ledger.opening.cash == -(200_000 + 100_000 + 50_000)  # wallets and fund: entry values cancel
    breaches = outcome.record.breaches.join()
    assert (breaches.book_lots.tolist(), breaches.takeover_lots.tolist(), breaches.adl_lots.tolist()) == (
        [3],
        [4],
        [3],
    )
