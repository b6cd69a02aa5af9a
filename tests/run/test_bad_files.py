"""Spoilt scenario, event and venue files, and Parquet that is not: one line that names the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from backtest import assets
from backtest.catalogue.events import CrashEvent, parse_event
from backtest.scenario.reading import read_scenario
from backtest.toml import read_toml
from backtest.venue.profile import VenueProfile
from backtest.venue.reading import parse_venue
from tests.support.hostile import EVENT, prepared, refusal, refused, refused_by, replay_words, store, tape

EVENT_FILE = "data/events/2021-12-04-december-weekend.toml"
VENUE_FILE = "data/venues/binanceusdm.toml"
Edit = Callable[[str, str, str], None]


def changed(asset: str, folder: Path, old: str, new: str) -> Path:
    """Write a copy of an asset with one place changed, and return its path."""
    path = assets.asset_root() / asset
    text = path.read_text("utf-8")
    assert old in text
    (folder / path.name).write_text(text.replace(old, new, 1), "utf-8")
    return folder / path.name


def event_of(path: Path) -> CrashEvent:
    return parse_event(read_toml(path), path.name)


def venue_of(path: Path) -> VenueProfile:
    return parse_venue(read_toml(path), path.name)


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Return a way to change one place in one asset, which the program then reads instead of its own."""
    real, root = assets.asset_root(), tmp_path / "assets"
    for folder in ("data/events", "data/venues"):
        (root / folder).mkdir(parents=True)
        for path in (real / folder).iterdir():
            (root / folder / path.name).symlink_to(path)
    for folder in ("data/sample", "data/availability.toml", "queries", "reports"):
        (root / folder).symlink_to(real / folder)

    def change(file: str, old: str, new: str) -> None:
        text = (real / file).read_text("utf-8")
        assert old in text
        (root / file).unlink()
        (root / file).write_text(text.replace(old, new, 1), "utf-8")
        monkeypatch.setattr(assets, "asset_root", lambda: root)

    return change


# scenario files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sead = 1", "unknown key 'sead'; did you mean seed?"),
        ("stepper = 'reduce_once'", "field 'stepper' is now called 'liquidation_rule'"),
        ("fund_drop = 'none'", "field 'fund_drop' is now called 'drawdown_trigger'"),
        ("drawdown_trigger = 'pool_drop'", "drawdown_trigger 'pool_drop' is now called 'pool_drawdown'"),
        ("[fund]\nstart = 1", "unknown key 'fund'; "),
        ('seed = "1"', "key 'seed' is '1'; it must be a whole number"),
        ("seed = 1979-05-27", "key 'seed' is 1979-05-27; it must be a whole number"),
        ("venue = 3", "key 'venue' is 3; it must be text in quotes"),
        ("allow_gaps = 1", "key 'allow_gaps' is 1; it must be true or false"),
        ('open_interest_usd = {BTC = "1"}', " [open_interest_usd]: key 'BTC' is '1'; it must be a finite number"),
        ("fund_start_usd = nan", "key 'fund_start_usd' is nan; it must be a finite number"),
        ("coins = [1]", "coins = [1]; write"),
        ("start = 05:20:00", "write UTC as 2025-10-10T21:00:00"),
        ("watch = [1]", "'watch' holds 1; write it as [[watch]] tables"),
        ('[watch]\nname = "a"', "key 'watch' is {'name': 'a'}; it must be a list"),
        ('[[watch]]\nname = "a"', "[[watch]] 1: key 'coin' is missing; add it as text in quotes"),
        ("seed = 1\nseed = 2", "not valid TOML: Cannot overwrite a value"),
        ("seed = ", "not valid TOML: Invalid value"),
        (f"seed = {'9' * 5000}", "not valid TOML: "),
        (f"seed = {'[' * 5000}", "not valid TOML: "),
        ("\x00", "not valid TOML: Invalid statement"),
    ],
)
def test_a_bad_scenario_file_is_named_with_the_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    line = refused_by(2, lambda: read_scenario(path))
    assert line.startswith("mine.toml")
    assert said in line


def test_a_scenario_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"\xff\xfe")
    assert "latin.toml: not valid TOML: 'utf-8'" in refused(2, *replay_words(), "-c", str(tmp_path / "latin.toml"))
    assert "nosuch.toml: no such file" in refusal(2, file=tmp_path / "nosuch.toml")
    assert "cannot be read: Is a directory" in refusal(2, file=tmp_path)


# event files


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("number = 19", "number = 19\nnumbr = 1", ": unknown key 'numbr'; did you mean number? Allowed: number,"),
        ("number = 19", 'number = "19"', ": key 'number' is '19'; it must be a whole number"),
        ("number = 19", "", ": key 'number' is missing; add it as a whole number"),
        ('coins = ["BTC"]', "coins = []", ": key 'coins' is empty; give at least one"),
        ('coins = ["BTC"]', 'coins = "BTC"', ": key 'coins' is 'BTC'; it must be a list"),
        ('venues = ["binanceusdm",', "venues = [1,", ": key 'venues' holds 1; it must be a list, each text in quotes"),
        ("notes = [", "notes = [3,", ": key 'notes' holds 3; it must be a list, each text in quotes"),
        ("[window]", "[window]\nx = 1", " [window]: unknown key 'x'; Allowed: "),
        ("core_start = 2021-12-04T04:51:00", 'core_start = "4:51"', "is '4:51'; it must be a UTC time such as"),
        ("core_start = 2021-12-04T04:51:00", "core_start = 2021-12-04", "is 2021-12-04; it must be a UTC time"),
        ("core_start = 2021-12-04T04:51:00", "core_start = 2021-12-04T04:51:00Z", "without offset"),
        ("core_end = 2021-12-04T05:40:00", "core_end = 2021-12-04T04:51:00", "the core must lie inside the window"),
        ("rows = 49", "rows = 49.0", " [[sample]] 1: key 'rows' is 49.0; it must be a whole number"),
        ("end = 2021-12-04T05:40:00\nrows", "end = 2021-12-04T04:40:00\nrows", "[[sample]] 1: start is not before end"),
        ("[[sample]]", "[sample]", "it must be a list"),
        ("value = 52055.56", 'value = "x"', " [[fact]] 1: key 'value' is 'x'; it must be a finite number"),
        ("value = 52055.56", "value = nan", " [[fact]] 1: key 'value' is nan; it must be a finite number"),
        ("value = 52055.56", "", "fact 'sample_first_price' has no value; give value, low and high, or at"),
        ('grade = "A"\nmark = "D"', 'grade = "A"\nmark = "Q"', " [[fact]] 1: mark = 'Q'; allowed: V, S, D, U"),
        ("[defaults.any]", "[defaults.any]\nsead = 1", " [any]: unknown key 'sead'; did you mean seed?"),
        ("[defaults.any]", "[defaults.any]\nseed = 1.5", " [defaults] [any]: key 'seed' is 1.5"),
        ("[defaults.any]", "[defaults]\nseed = 1\n[defaults.any]", " [defaults]: key 'seed' is 1; it must be a table"),
        ("[defaults.any]", "[defaults.byit]\nseed = 1\n[defaults.any]", "unknown venue 'byit'; allowed: any, bin"),
        ("[window]", "[window", ": not valid TOML: Expected ']'"),
    ],
)  # fmt: skip
def test_a_bad_event_file_is_named_with_the_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = changed(EVENT_FILE, tmp_path, old, new)
    line = refused_by(2, lambda: event_of(path))
    assert line.startswith("2021-12-04-december-weekend.toml")
    assert said in line
    assert len(line) < 1200


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ('venues = ["binanceusdm",', 'venues = ["binance",', 2, "unknown venue 'binance'; did you mean binanceusdm or"),
        ("rows = 49", "rows = 50", 1, "49 bars; allowed: the 50 of the event's entry; restore the file"),
        ("binanceusdm_BTCUSDT_1m_2021-12-04.csv", "nosuch.csv", 1, "data/sample/nosuch.csv: no such file"),
        ("binanceusdm_BTCUSDT_1m_2021-12-04.csv", "README.md", 1, "data/sample/README.md: not a CSV file of bars"),
    ],
)
def test_an_event_that_names_what_is_not_there(edit: Edit, old: str, new: str, code: int, said: str) -> None:
    edit(EVENT_FILE, old, new)
    assert said in refusal(code)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (EVENT_FILE, "number = 19", 'number = "19"'),
        (VENUE_FILE, "interval_s = 28800", "interval_s = 0"),
        (VENUE_FILE, 'id = "binanceusdm"', 'id = "other"'),
    ],
)
def test_the_command_names_a_bad_file_of_the_catalogue(edit: Edit, file: str, old: str, new: str) -> None:
    edit(file, old, new)
    line = refused(2, *replay_words())
    assert line.startswith(f"crashbook: {Path(file).name}")
    if file == VENUE_FILE:
        assert refused(2, "venues", "binanceusdm") == line
    if "other" in new:
        assert line.endswith(": id = 'other'; a profile is named after its file: write id = 'binanceusdm'")


# venue files


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "Binance', 'nom = "x"\nname = "Binance', ": unknown key 'nom'; "),
        ("as_of = 2026-09-30", "as_of = 2026", ": key 'as_of' is 2026; it must be a date such as 2025-10-10"),
        ("[margin]", "[margin]\nx = 1", " [margin]: unknown key 'x'; "),
        ('threshold = "<="', 'threshold = "=="', " [margin]: threshold = '=='; allowed: <, <="),
        ('[0, "0.004", 125]', '[0, "x", 125]', "write [floor in whole USD or coins, 'rate', largest leverage]"),
        ('[0, "0.004", 125]', '[0, "0.004"]', "tiers = [0, '0.004']; write [floor"),
        ('[0, "0.004", 125]', '[0.5, "0.004", 125]', "tiers = [0.5, '0.004', 125]; write [floor"),
        ('[0, "0.004", 125]', '[0, "nan", 125]', "rate NaN is not between 0 and 1; write it as a decimal in quotes"),
        ('[0, "0.004", 125]', '[0, "0.004", nan]', "key 'tiers' is nan; it must be a finite number"),
        ('[0, "0.004", 125]', '[0, "0.004", 251]', "its leverage above 0 and at most 1 / rate"),
        ('[0, "0.004", 125]', '[1, "0.004", 125]', "tiers must start at 0"),
        ('[0, "0.004", 125]', '[0, "0.04", 125]', "with floors and rates rising"),
        ('[300_000_000, "0.5", 1]', '[300_000_000, "0.5", 0]', "its leverage above 0"),
        ('[300_000_000, "0.5", 1]', '[3_000_000_000_000, "0.5", 1]', "tiers must start at 0"),
        ("start_usd = 1_230_000_000", 'start_usd = "1"', " [fund]: key 'start_usd' is '1'"),
        ("start_usd = 1_230_000_000", "start_usd = -1", " [fund]: start_usd = -1; allowed: 0 to 999,000,000,000 usd"),
        ("floor_usd = 0", "floor_usd = nan", " [fund]: key 'floor_usd' is nan"),
        ("quiet_s = 600", "quiet_s = -1", " [fund]: quiet_s = -1; allowed: 0 to 10,000,000 s"),
        ("inventory_limit_frac = 1.0", "inventory_limit_frac = -1.0", "limit_frac = -1.0; allowed: 0 to 1,000"),
        ("value = 7_731_989", "value = -5", " [[balance]] 4: value = -5; allowed: at least 0"),
        ("losers = ", "loosers = ", " [adl]: unknown key 'loosers'; did you mean losers?"),
        ("rate = 0.0125", 'rate = "0.0125"', " [fee]: key 'rate' is '0.0125'; it must be a finite number"),
        ("rate = 0.0125", "rate = 2", " [fee]: rate = 2; allowed: 0 to 1"),
        ("interval_s = 28800", "interval_s = 0", " [funding]: interval_s = 0; allowed: above 0"),
        ("interval_s = 28800", "interval_s = 3600", " [funding]: hours_utc = [0, 8, 16]; write rising hours"),
        ("hours_utc = [0, 8, 16]", "hours_utc = [0, 16, 8]", "write rising hours from 0 to 23, one per interval_s"),
        ("hours_utc = [0, 8, 16]", "hours_utc = [0, 8, 24]", "hours_utc = [0, 8, 24]; write rising hours"),
        ("hourly_from = 2025-05-02T08:00:00", 'hourly_from = "May"', "key 'hourly_from' is 'May'; it must be a UTC"),
        ('cap_frac = "0.003"', 'cap_frac = "30 %"', " [[cap]] 1: key 'cap_frac' is '30 %'; it must be a decimal in"),
        ('cap_frac = "0.003"', 'cap_frac = "-0.003"', "cap_frac = -0.003; write a decimal in quotes between 0 and 1"),
        ('tick = "0.1"', 'tick = "0"', "tick and lot of BTC must be between 1E-12 and 1E+9"),
        ('lot = "0.001"', 'lot = "inf"', "tick and lot of BTC must be between 1E-12 and 1E+9"),
        ('[[instrument]]\ncoin = "ETH"', '[[instrument]]\ncoin = "BTC"', ": two [[instrument]] tables for BTC"),
        ("impact_y = 1.0", "impact_y = -1.0", " [liquidity]: impact_y = -1.0; allowed: 0 to 100"),
    ],
)  # fmt: skip
def test_a_bad_venue_file_is_named_with_the_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = changed(VENUE_FILE, tmp_path, old, new)
    line = refused_by(2, lambda: venue_of(path))
    assert line.startswith("binanceusdm.toml")
    assert said in line


@pytest.mark.parametrize("share", ["0", "4"])
def test_a_vault_takes_over_at_a_share_of_maintenance(tmp_path: Path, share: str) -> None:
    path = changed("data/venues/hyperliquid.toml", tmp_path, "takeover_num = 2", f"takeover_num = {share}")
    line = refused_by(2, lambda: venue_of(path))
    assert line.startswith("hyperliquid.toml [vault]: takeover_num")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('rule = "reduce_once"', 'stepper = "reduce_once"', "[liquidation]: key 'stepper' is now called 'rule'"),
        ('rule = "reduce_once"', 'rule = "partial"', "[liquidation]: rule = 'partial'; allowed: part_first,"),
        ('schedule = "tiered"', 'schedule = "linear"', "[margin]: schedule = 'linear'; allowed: tiered, risk_limits"),
        ('ranking = "binance"', 'ranking = "pro_rata"', "[adl]: ranking = 'pro_rata'; allowed: "),
        ('impact = "sqrt"', 'impact = "cubic"', "[liquidity]: impact = 'cubic'; allowed: none, sqrt, linear, depth"),
        ('rule = "reduce_once"', 'rule = "part_first"', "[liquidation]: key 'first_share_frac' is missing; liq"),
        ('"reduce_once"', '"reduce_once"\nblock_s = 1', "[liquidation]: key 'block_s' is only for incremental or"),
        ('rule = "fund"', 'rule = "socialised"', "[fund]: rule = 'socialised'; allowed: fund, vault"),
    ],
)  # fmt: skip
def test_a_rule_that_is_not_built_is_never_approximated(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = changed(VENUE_FILE, tmp_path, old, new)
    assert refused_by(2, lambda: venue_of(path)).startswith(f"binanceusdm.toml {said}")


# Parquet


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _without_volume(path: Path) -> None:
    tape().drop("volume").write_parquet(path)


def _prices_as_text(path: Path) -> None:
    tape().with_columns(pl.col("open").cast(pl.String)).write_parquet(path)


def _zoned(path: Path) -> None:
    tape().with_columns(pl.col("ts").dt.replace_time_zone("UTC")).write_parquet(path)


@pytest.mark.parametrize(
    "spoil",
    [
        _cut,
        _without_volume,
        _prices_as_text,
        _zoned,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not Parquet"),
    ],
    ids=["cut", "column", "type", "zone", "empty", "garbage"],
)
def test_a_lake_file_that_is_not_whole_is_named(spoil: Callable[[Path], None]) -> None:
    path = store(tape())
    spoil(path)
    line = refusal(1)
    assert f"/1m/{EVENT}.parquet: not a whole Parquet file with the columns ts TIMESTAMP, open DOUBLE" in line
    assert line.endswith("; delete it and fetch the day again")
    path.unlink()
    assert prepared().market


@pytest.mark.parametrize("content", [b"PAR1 cut PAR1", b"hello"])
def test_a_book_that_is_not_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "book.parquet"
    path.write_bytes(content)
    assert "book.parquet: not a readable Parquet file" in refusal(1, positions=str(path))
