"""Spoilt tapes, windows, settings and books: one clear line, the right exit code, nothing half-written."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from backtest.run.folder import run_ids
from backtest.run.run import open_run
from tests.support.hostile import (
    END,
    MINUTES,
    PRICES,
    START,
    accepted,
    audited,
    picked,
    prepared,
    refusal,
    refused,
    refused_by,
    replay_words,
    run_of,
    spoilt,
    store,
    tape,
)

LAKE = "data/lake/ohlcv/venue=binanceusdm/symbol=BTC%2FUSDT%3AUSDT/1m"
AT = "at 2021-12-04T05:23:00 (1 such row)"
BACKWARDS = [0, 1, 2, 4, 3, *range(5, MINUTES)]
HOLE = [0, 1, 2, 3, 4, *range(7, MINUTES)]

# tapes


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        (spoilt(close=math.nan), f"a price that is not a number {AT}; allowed: finite prices"),
        (spoilt(high=math.inf), f"a price that is not a number {AT}"),
        (spoilt(open=None), f"a price that is not a number {AT}"),
        (spoilt(low=-1.0), f"a price below zero {AT}; allowed: prices of zero or more"),
        (spoilt(high=1e12), f"a price out of range {AT}; allowed: prices below 1e+12"),
        (spoilt(open=100.0, high=100.0, low=200.0, close=200.0), f"a high below the low {AT}; allowed: low <= high"),
        (spoilt(close=99_999.0), f"an open or close outside the range {AT}"),
        (spoilt(volume=-1.0), f"a negative volume {AT}; allowed: volumes of zero or more"),
        (spoilt(volume=math.nan), f"a volume that is not a number {AT}; allowed: finite volumes"),
        (picked(BACKWARDS), f"time running backwards {AT}; allowed: rows in order of time"),
        (
            pl.concat([picked(range(4)), spoilt(volume=3.0)[3:]]),
            f"two different rows for one time {AT}; allowed: one row for each time",
        ),
        (
            tape().with_columns(ts=pl.col("ts") + dt.timedelta(seconds=1)),
            "a time off the grid at 2021-12-04T05:20:01 (15 such rows)",
        ),
    ],
)
def test_a_spoilt_bar_is_refused_with_its_place(bars: pl.DataFrame, said: str) -> None:
    store(bars)
    line = refusal(1)
    assert line.startswith(f"{LAKE}: BTC/USDT:USDT: {said}")
    assert line.endswith("; correct the file or delete it and fetch it again")


def test_a_volume_beyond_exact_integers_names_the_symbol() -> None:
    store(spoilt(volume=1e300))
    assert "BTC/USDT:USDT: a volume out of range at 2021-12-04T05:23:00 (1 such row); allowed: volumes below 1e+18" in (
        refusal(1)
    )
    store(spoilt(volume=9e17))
    assert refusal(1).startswith("BTC/USDT:USDT: 9e+17 in units of 0.001 exceeds 2**62")


def test_noise_digits_are_refused() -> None:
    store(spoilt(low=100.123456789012345))
    assert refusal(1).endswith("allowed: at most 12 digits; round it as published")


def test_equal_rows_given_twice_are_dropped_counted_and_flagged() -> None:
    store(picked([0, 1, 2, 3, 3, *range(4, MINUTES)]))
    run = run_of()
    row = run.coverage.row(by_predicate=pl.col("series") == "ohlcv", named=True)
    assert (row["rows"], row["duplicates"], row["gaps"]) == (MINUTES, 1, 0)
    assert "BTC/USDT:USDT: 1 rows of ohlcv came twice and were dropped." in run.meta.notes


@pytest.mark.parametrize(
    ("minutes", "hole"),
    [
        (HOLE, "2 bars missing (120 s): 2021-12-04T05:25:00 to 2021-12-04T05:27:00"),
        (range(MINUTES - 3), "3 bars missing (180 s): 2021-12-04T05:32:00 to 2021-12-04T05:35:00"),
    ],
    ids=["middle", "end"],
)
def test_missing_bars_are_a_gap_or_carried_flat_on_request(minutes: list[int], hole: str) -> None:
    store(picked(minutes))
    line = refusal(3)
    assert hole in line
    assert "--allow-gaps" in line
    run = run_of(allow_gaps=True)
    missing = MINUTES - len(minutes)
    assert run.coverage.filter(series="ohlcv")["bridged"].to_list() == [missing]
    assert any(f"{missing} missing bars are carried flat, without volume" in flag for flag in run.meta.notes)
    bridged = run.steps.filter("bridged")
    assert bridged["bar_ts"].n_unique() == missing
    assert bridged.select("trade_low_px", "trade_high_px").n_unique() == 1


def test_the_flag_of_the_command_carries_missing_bars() -> None:
    store(picked(HOLE))
    told = accepted(*replay_words("step_s=20"), "--draws", "0", "--format", "json", "--quiet", "--allow-gaps")
    (run_id,) = run_ids()
    assert run_id in told
    assert open_run(run_id).coverage.filter(series="ohlcv")["bridged"].to_list() == [MINUTES - len(HOLE)]


@pytest.mark.parametrize("minutes", [range(2, MINUTES), []], ids=["start", "all"])
def test_nothing_can_be_carried_into_the_start_of_the_window(minutes: list[int]) -> None:
    store(picked(minutes))
    for setting in ((), ("allow_gaps=true",)):
        line = refusal(3, *setting)
        assert "bars missing" in line
        assert "--allow-gaps" not in line


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        (spoilt(close=math.nan), "a price that is not a number"),
        (spoilt(low=-1.0), "a price below zero"),
    ],
    ids=["nan", "below-zero"],
)
def test_spoilt_mark_bars_are_refused(bars: pl.DataFrame, said: str) -> None:
    store(tape())
    store(bars, "mark_ohlcv")
    line = refusal(1)
    assert line.startswith("data/lake/mark_ohlcv/")
    assert said in line


@pytest.mark.parametrize("rate", [math.nan, math.inf, 1.0, -2.0, None])
def test_spoilt_funding_rates_are_refused(rate: float | None) -> None:
    store(tape())
    schema = {"ts": pl.Datetime("us"), "rate": pl.Float64()}
    store(pl.DataFrame({"ts": [START], "rate": [rate]}, schema=schema), "funding")
    assert "a funding rate that is not a number below 1 at 2021-12-04T05:20:00" in refusal(1)


# worlds at the edge that must run, and add up


@pytest.mark.parametrize(
    "bars",
    [
        tape().with_columns(volume=pl.lit(0.0)),
        tape().with_columns((pl.col(name) * 1e-9).round(9) for name in PRICES),
        pl.concat([spoilt(low=0.1, close=0.1)[:4], spoilt(bar=4, open=0.1, low=0.1)[4:]]),
        spoilt(open=0.0, high=0.0, low=0.0, close=0.0),
    ],
    ids=["no-volume", "price-near-zero", "fall-to-one-tick", "a-bar-of-zeros"],
)
def test_extreme_tapes_run_and_every_audit_passes(bars: pl.DataFrame) -> None:
    store(bars)
    audited("allow_suspect=true")


def test_a_run_does_not_begin_at_zero() -> None:
    store(spoilt(bar=0, open=0.0, low=0.0))
    assert "the first mark of the run is zero and gives no book a size" in refusal(1)


@pytest.mark.parametrize(
    "settings",
    [
        ("liquidity_factor=0", "fund_floor_usd=999e9", "queue_not_reached=0"),
        ("positions=2", "fund_start_usd=0", "fund_floor_usd=-999e9"),
    ],
    ids=["least liquidity, highest floor", "least book, least fund"],
)
def test_extreme_settings_run_and_every_audit_passes(settings: tuple[str, ...]) -> None:
    audited(*settings)


# windows and settings


@pytest.mark.parametrize(
    ("code", "settings", "said"),
    [
        (3, [f"start={END.isoformat()}", f"end={START.isoformat()}"], "empty window"),
        (3, [f"end={START.isoformat()}"], "empty window 2021-12-04T05:20:00 to 2021-12-04T05:20:00; there are bars of"),
        (3, ["start=2030-01-01T00:00:00", "end=2030-01-02T00:00:00"], "bars missing"),
        (3, ["coins=ETH"], "no bars of ETH for binanceusdm; coins in the sample: BTC"),
        (2, ["start=yesterday"], "start = 'yesterday'; write UTC as 2025-10-10T21:00:00"),
        (2, ["start=2021-12-04T05:20:00Z"], "start = 2021-12-04T05:20:00+00:00; write UTC as"),
        (2, ["start=2021-12-04"], "start = 2021-12-04; write UTC as"),
        (2, ["end=2021-12-04T05:30:30"], "allowed: whole minutes"),
    ],
)
def test_windows_that_cannot_be(code: int, settings: list[str], said: str) -> None:
    assert said in refusal(code, *settings)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("open_interest_usd=nan", "key 'open_interest_usd' is nan; it must be a finite number"),
        ("open_interest_usd=inf", "key 'open_interest_usd' is inf"),
        ("open_interest_usd=-1", "open_interest_usd = -1; allowed: 0 to 1,000,000,000,000 usd"),
        ("open_interest_usd=0", "open_interest_usd of BTC is 0, below one lot; give at least"),
        ("open_interest_usd=2000", "less than a lot for each of 100 positions; raise it or lower positions"),
        ("open_interest_usd.BTC=-1", "[open_interest_usd]: BTC = -1; allowed"),
        ("liquidity_scale.BTC=nan", "key 'BTC' is nan; it must be a finite number"),
        ("fund_start_usd=-5", "fund_start_usd = -5; allowed: 0 to 999,000,000,000 usd"),
        ("fund_floor_usd=-1e12", "fund_floor_usd = -1000000000000.0; allowed: -999,000,000,000 to"),
        ("size_alpha=inf", "key 'size_alpha' is inf; it must be a finite number"),
        ("participation_frac=1.5", "participation_frac = 1.5; allowed: 0 to 1"),
        ("mark_half_life_s=-inf", "key 'mark_half_life_s' is -inf"),
        ("seed=-1", "seed = -1; allowed: 0 to 2,147,483,647"),
        ("seed=1.5", "key 'seed' is 1.5; it must be a whole number"),
        ("seed=true", "key 'seed' is true; it must be a whole number"),
        ("seed='1'", "key 'seed' is '1'; it must be a whole number"),
        (f"seed={'9' * 5000}", "it must be a whole number"),
        ("positions=1", "positions = 1; allowed: 2 to 20,000,000"),
        ("allow_gaps=1", "key 'allow_gaps' is 1; it must be true or false"),
        ("intrabar=foo", "intrabar = 'foo'; allowed: ohlc, adverse_first, close"),
        ("policy=hyperliqid", "ranking = 'hyperliqid'; did you mean hyperliquid? allowed: hyperliquid,"),
        ("coins=BTC,BTC", "names a coin twice; name each once"),
        ("coins=BTC,", "write BTC,SOL or"),
        ("positions_file=", "positions_file is empty; give a value or leave it out"),
        ("leverage_mix={default=[[0, nan, 1]]}", "[leverage_mix]: key 'default' is nan; it must be a finite number"),
        ("leverage_mix={default=[[0, 3, true]]}", "[leverage_mix]: default = [[0, 3, True]]; write"),
        ("leverage_mix={default=[[0, 3, 0.5]]}", "shares sum to 1 (now 0.5)"),
        ("leverage_mix={default=[[3, 3, 1]]}", "from < to or to = 0"),
        ("residual_owner=vault", "there is no vault; set vault_capital_usd or name account or fund"),
        ("posit=3", "unknown key 'posit'; did you mean positions?"),
        ("seed", "write --set field=value"),
        (f"seed={'[' * 5000}", "it must be a whole number"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, said: str) -> None:
    line = refusal(2, setting)
    assert said in line
    assert len(line) < 1200


def test_no_positions_file_given_is_no_synthetic_book() -> None:
    assert "positions_file is empty" in refusal(2, positions="")


@pytest.mark.parametrize(
    ("venue", "named"), [("binanceusdm", "BTC/USDT:USDT: "), ("hyperliquid", "")], ids=["one symbol", "all symbols"]
)
def test_a_world_too_large_for_exact_integers_names_the_factor(venue: str, named: str) -> None:
    coins = ["coins=BTC"] if named else []
    window = ("start=2025-10-10T21:00:00", "end=2025-10-10T21:03:00", "open_interest_usd=9e11", f"venue={venue}")
    line = refused_by(1, lambda: prepared(*coins, *window, event="2025-10-10"))
    assert named in line
    assert " times the exact range of " in line


# books

COLUMNS = "account,symbol,side,quantity_base,entry_px,collateral_usd\n"
LEVERED = "account,symbol,side,quantity_base,entry_px,leverage\n"
PAIR = "1,BTC,long,1,48000,10000\n2,BTC,short,1,48000,10000\n"


@pytest.fixture
def book(tmp_path: Path) -> Callable[[str], str]:
    """Write a book and return its path."""

    def written(text: str) -> str:
        path = tmp_path / "book.csv"
        path.write_text(text, "utf-8")
        return str(path)

    return written


@pytest.mark.parametrize(
    ("rows", "imbalance"),
    [
        ("1,BTC,long,1,48000,10000\n", "BTC: longs exceed shorts by 1,000 lots (1 BTC)"),
        ("1,BTC,long,1,48000,10000\n2,BTC,long,2,48000,10000\n", "BTC: longs exceed shorts by 3,000 lots (3 BTC)"),
        ("1,BTC,short,1,48000,10000\n2,BTC,short,2,48000,10000\n", "BTC: shorts exceed longs by 3,000 lots (3 BTC)"),
    ],
    ids=["one position", "all long", "all short"],
)
def test_a_lopsided_book_runs_only_against_a_declared_market(
    book: Callable[[str], str], rows: str, imbalance: str
) -> None:
    path = book(COLUMNS + rows)
    text = refusal(1, positions=path, details=1)
    assert "let the market hold the rest with --set balance_with_market=true" in text
    assert imbalance in text
    run = audited("balance_with_market=true", positions=path) if rows.count("\n") == 1 else None
    assert run is None or f"{imbalance}; the market holds the other side" in run.meta.notes


@pytest.mark.parametrize(
    ("text", "violations"),
    [
        (LEVERED + "1,BTC,long,1,48000,126\n2,BTC,short,1,48000,10\n", ["leverage: 126 is above 125, the limit"]),
        (LEVERED + "1,BTC,long,10,48000,51\n2,BTC,short,10,48000,10\n", ["leverage: 51 is above 50, the limit"]),
        (COLUMNS + PAIR.replace("long,1,", "long,0.0009,"), ["quantity_base: 0.0009 is below one lot of 0.001 BTC"]),
        (COLUMNS + PAIR.replace("long,1,", "long,nan,"), ["quantity_base: 'nan'; it must be a number such as 1250.75"]),
        (COLUMNS + PAIR.replace("long,1,48000", "long,1,inf"), ["entry_px: 'inf'; it must be a number"]),
        (COLUMNS + PAIR.replace("long,1,48000", "long,1,0"), ["entry_px: 0; it must be above zero"]),
        (COLUMNS + PAIR.replace("long,1,", "long,-1,"), ["quantity_base: -1; it must be above zero"]),
        (
            COLUMNS + "1,BTC,long,1,48000,9\n" + PAIR,
            ["account: '1' has this side of this symbol in row 2 already; merge them"],
        ),
        (COLUMNS + PAIR + "3,../../x,long,1,48000,9\n", ["symbol: '../../x'; simulated: BTC"]),
        (COLUMNS + PAIR + '3,BTC,"lo\nng\x1b[31m",1,48000,9\n', [r"side: 'lo\nng\x1b[31m'; allowed: long, short"]),
        (COLUMNS + PAIR.replace(",1,", ",1e9,"), ["is worth over 1.1e12 USD"] * 2),
        (COLUMNS + "3,BTC,long\n" + PAIR, ["quantity_base: nothing", "entry_px: nothing", "collateral_usd: nothing"]),
    ],
)
def test_a_bad_position_is_named_by_row_and_column(
    book: Callable[[str], str], text: str, violations: list[str]
) -> None:
    said = refusal(1, positions=book(text), details=len(violations)).splitlines()
    plural = "s" if len(violations) > 1 else ""
    assert said[0] == f"book.csv (the header is row 1): {len(violations)} violation{plural}"
    for line, violation in zip(said[1:], violations, strict=True):
        assert line.startswith("  row ")
        assert violation in line


def test_long_lists_of_violations_are_cut(book: Callable[[str], str]) -> None:
    text = COLUMNS + "".join(f"{row},BTC,long,nan,48000,9\n" for row in range(200))
    said = refusal(1, positions=book(text), details=51).splitlines()
    assert said[0].endswith("200 violations")
    assert said[-1] == "  and 150 more; in all quantity_base 200 (from row 2)"


@pytest.mark.parametrize("text", ["", COLUMNS], ids=["empty", "header only"])
def test_a_book_without_positions_is_refused(book: Callable[[str], str], text: str) -> None:
    assert "book.csv: " in refusal(1, positions=book(text))


def test_a_book_that_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(1, positions=str(tmp_path / "nosuch.csv"))
    assert "cannot be read: Is a directory" in refusal(1, positions=_folder(tmp_path))
    assert "positions come from .csv or .parquet files" in refusal(1, positions="-5")


def _folder(parent: Path) -> str:
    folder = parent / "folder.csv"
    folder.mkdir()
    return str(folder)


@pytest.mark.parametrize(
    ("code", "bars", "setting", "said"),
    [
        (1, spoilt(close=math.nan), "seed=1", "a price that is not a number"),
        (2, tape(), "seed=-1", "seed = -1; allowed: 0 to"),
        (2, tape(), "stepper=reduce_once", "field 'stepper' is now called 'liquidation_rule'"),
        (3, picked(HOLE), "seed=1", "2 bars missing"),
    ],
    ids=["data", "range", "name", "gap"],
)
def test_the_command_prints_one_line_and_ends_with_the_code_of_the_error(
    code: int, bars: pl.DataFrame, setting: str, said: str
) -> None:
    store(bars)
    assert said in refused(code, *replay_words(setting))


def test_the_command_lists_the_violations_of_a_book_below_its_line(book: Callable[[str], str]) -> None:
    path = book(COLUMNS + PAIR.replace("long,1,", "long,nan,"))
    assert "quantity_base: 'nan'" in refused(1, *replay_words(positions=path), details=1)
