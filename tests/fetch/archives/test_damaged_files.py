"""Damaged and hostile archive files: one line that names the file, what is wrong, what is allowed and the fix."""

from __future__ import annotations

import datetime as dt
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backtest.errors import DataError
from backtest.fetch.archives import binance
from backtest.fetch.archives.packed import unpacked
from backtest.fetch.archives.publishers import ARCHIVES, archive_days
from backtest.lake.place import Place
from backtest.lake.series import SERIES
from tests.fetch.archives.archive_files import (
    HEADERS,
    csv,
    kline,
    klines_name,
    other_name,
    put_checksum,
    put_gz,
    put_lz4,
    put_zip,
    stamp,
)

DAY = dt.date(2024, 2, 28)
NAME = klines_name("klines", "BTCUSDT", "2024-02-28")
MEMBER = "BTCUSDT-1m-2024-02-28.csv"
START = stamp("2024-02-28T00:00")
GOOD = [kline(START, (10, 12, 9, 11), 5.0), kline(START + 60_000, (11, 11, 8, 8), 2.0)]


def complaint(root: Path, series: str = "ohlcv", place: tuple[str, str, str] | None = None, day: dt.date = DAY) -> str:
    archive, venue, symbol = place or ("binance", "binanceusdm", "BTC/USDT:USDT")
    wanted = Place(venue, symbol, series, "1m" if SERIES[series].bars else "")
    before = sorted(root.rglob("*"))
    with pytest.raises(DataError) as caught:
        list(archive_days(str(root), ARCHIVES[archive], wanted, [day], cache=root / "cache"))
    assert sorted(root.rglob("*")) == before, "something was written"
    text = str(caught.value)
    assert "\n" not in text
    assert text.isprintable()
    return text


def good_zip(root: Path) -> Path:
    return put_zip(root, NAME, csv("klines", GOOD))


def many_members(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, csv("klines", GOOD))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_tail(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def flip(path: Path) -> None:
    """Change one packed byte; the zip's own table stays whole."""
    data = bytearray(path.read_bytes())
    data[30 + len(MEMBER) + 20] ^= 0xFF
    path.write_bytes(data)


def encrypted(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


def other_method(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8] = data[data.rindex(b"PK\x01\x02") + 10] = 97
    path.write_bytes(data)


def declares(size: int) -> Callable[[Path], None]:
    """Return a change of the unpacked size that the zip's table declares."""

    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, size)
        path.write_bytes(data)

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (cut, "not a whole .zip file"),
        (cut_tail, "not a whole .zip file"),
        (flip, "not a whole .zip file"),
        (encrypted, "its file is encrypted; allowed: plain files"),
        (other_method, "not a whole .zip file"),
        (declares(3 << 30), "unpacks to more than is allowed for its kind"),
        (declares(40), "not a whole .zip file (Bad CRC-32"),
        (lambda path: path.write_bytes(b""), "not a whole .zip file"),
        (lambda path: path.write_bytes(b"<html>not here</html>"), "not a whole .zip file (File is not a zip file)"),
        (lambda path: many_members(path, []), f"holds 0 files; allowed: {MEMBER} alone"),
        (lambda path: many_members(path, [MEMBER, "b.csv"]), f"holds 2 files; allowed: {MEMBER} alone"),
        (lambda path: many_members(path, ["../../x"]), f"holds the file '../../x'; allowed: {MEMBER}"),
        (lambda path: many_members(path, [f"../{MEMBER}"]), f"holds the file '../{MEMBER}'; allowed: {MEMBER}"),
        (lambda path: many_members(path, ["/etc/x"]), f"holds the file '/etc/x'; allowed: {MEMBER}"),
        (lambda path: many_members(path, [f"{MEMBER}\n"]), f"holds the file '{MEMBER}\\n'; allowed"),
        (lambda path: many_members(path, ["ETHUSDT-1m-2024-02-28.csv"]), "holds the file 'ETHUSDT-1m-2024-02-28.csv'"),
    ],
)
def test_a_zip_that_is_not_one_whole_csv_is_refused(tmp_path: Path, change: Callable[[Path], None], what: str) -> None:
    path = good_zip(tmp_path)
    change(path)
    put_checksum(path)
    text = complaint(tmp_path)
    assert what in text
    assert path.name in text
    assert text.endswith("delete it and fetch it again")


def test_a_bomb_of_zeros_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(binance.LAYOUTS, "klines", replace(binance.KLINES, limit_bytes=32 << 20))
    path = put_zip(tmp_path, NAME, bytes(64 << 20))
    assert path.stat().st_size < 1 << 20
    assert "unpacks to more than is allowed" in complaint(tmp_path)


@pytest.mark.parametrize("put", [put_zip, put_gz, put_lz4])
def test_the_limit_holds_for_what_is_unpacked_in_fact(tmp_path: Path, put: Callable[..., Path]) -> None:
    suffix = {put_zip: "zip", put_gz: "gz", put_lz4: "lz4"}[put]
    path = put(tmp_path, f"x.{suffix}", bytes(100_000))
    if suffix == "zip":
        declares(99_999)(path)  # it says that it fits
    pieces: list[bytes] = []

    def read() -> None:
        with unpacked(path, 99_999) as stream:
            pieces.extend(iter(lambda: stream.read(1 << 14), b""))

    with pytest.raises(DataError, match=r"unpacks to more|not a whole"):
        read()
    assert sum(map(len, pieces)) <= 99_999


def test_zeros_within_the_limit_are_no_rows(tmp_path: Path) -> None:
    put_zip(tmp_path, NAME, bytes(40 << 20))
    assert "no column open_time" in complaint(tmp_path)
    put_zip(tmp_path, NAME, HEADERS["klines"].encode() + b"\n" + bytes(40 << 20))
    assert "not rows of comma-separated values" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("0" * 64 + "  BTCUSDT-1m-2024-02-28.zip\n", "is not 000000000000... of its .CHECKSUM"),
        ("", ".CHECKSUM: not a line of SHA-256 and file name"),
        ("<html>\n<body>moved</body></html>", ".CHECKSUM: not a line of SHA-256 and file name"),
        ("0" * 64 + "  ETHUSDT-1m-2024-02-28.zip", "is of 'ETHUSDT-1m-2024-02-28.zip'; allowed: BTCUSDT-1m-2024"),
    ],
)
def test_a_checksum_that_does_not_fit_is_refused(tmp_path: Path, text: str, what: str) -> None:
    path = good_zip(tmp_path)
    path.with_name(f"{path.name}.CHECKSUM").write_text(text, "utf-8")
    assert what in complaint(tmp_path)


def test_a_checksum_may_mark_its_file_as_binary(tmp_path: Path) -> None:
    path = good_zip(tmp_path)
    put_checksum(path, f"*{path.name}")
    place = Place("binanceusdm", "BTC/USDT:USDT", "ohlcv", "1m")
    days = archive_days(str(tmp_path), ARCHIVES["binance"], place, [DAY], cache=tmp_path)
    assert [day.files for day in days] == [NAME]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([*GOOD, kline(START, ("x", 1, 1, 1), 1)], "row 3, column open: 'x' is not a value of that column"),
        ([*GOOD, (f"{START}.5", *GOOD[0][1:])], "row 3, column open_time: '1709078400000.5' is not a value"),
        ([GOOD[0], (1, 2, 3)], "row 2 has 3 values; allowed: 12"),
        ([kline(START // 1000, (1, 1, 1, 1), 1)], "column open_time: 1709078400 is not allowed; allowed: milliseconds"),
        ([kline(-5, (1, 1, 1, 1), 1)], "row 1, column open_time: -5 is not allowed"),
        ([kline(2**63, (1, 1, 1, 1), 1)], "row 1, column open_time: '9223372036854775808' is not a value"),
        ([GOOD[0], kline(START * 1000, (1, 1, 1, 1), 1)], "mixes milliseconds and microseconds; allowed: one of them"),
        ([kline(START + 86_400_000, (1, 1, 1, 1), 1)], "row 1 is of 2024-02-29T00:00:00; allowed: 2024-02-28T00:00:00"),
        ([kline(START - 1, (1, 1, 1, 1), 1)], "row 1 is of 2024-02-27T23:59:59.999000; allowed: 2024-02-28T00:00:00"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, rows: list[tuple], what: str) -> None:
    put_zip(tmp_path, NAME, csv("klines", rows))
    assert what in complaint(tmp_path)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty; allowed: rows with the columns open_time, open, high"),
        (b"1,2,3\n", "rows of 3 values without a header; allowed: 12 values, open_time, open"),
        (
            b"open_time,open,high,low\n1,2,3,4\n",
            "no column close, volume, close_time, quote_volume; allowed: open_time, open",
        ),
        (b"open_time,open," + HEADERS["klines"].encode() + b"\n", "a column twice in the header"),
        (b"\xff\xfe\x00garbage\x00" * 50, "no column open_time"),
    ],
)
def test_columns_that_are_not_those_of_the_kind_are_refused(tmp_path: Path, data: bytes, what: str) -> None:
    put_zip(tmp_path, NAME, data)
    assert what in complaint(tmp_path)


def test_times_of_another_month_are_refused(tmp_path: Path) -> None:
    name = klines_name("klines", "BTCUSDT", "2024-02")
    put_zip(tmp_path, name, csv("klines", [kline(stamp("2024-03-01T00:00"), (1, 1, 1, 1), 1)]))
    assert "row 1 is of 2024-03-01T00:00:00; allowed: 2024-02-01T00:00:00 to 2024-03-01" in complaint(tmp_path)


def test_units_that_change_between_pieces_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtest.fetch.archives.csv.BLOCK_BYTES", 200)
    rows = [kline(START + n * 60_000, (1, 1, 1, 1), 1) for n in range(50)]
    put_zip(tmp_path, NAME, csv("klines", [*rows, kline((START + 1) * 1000, (1, 1, 1, 1), 1)]))
    assert "mixes milliseconds and microseconds" in complaint(tmp_path)


def test_rows_of_another_symbol_are_refused(tmp_path: Path) -> None:
    rows = [("2024-02-28 00:05:00", "ETHUSDT", 1, 1, 1, 1, 1, 1)]
    put_zip(tmp_path, other_name("metrics", "BTCUSDT", "2024-02-28"), csv("metrics", rows))
    text = complaint(tmp_path, "open_interest")
    assert "row 1, column symbol: 'ETHUSDT' is not allowed; allowed: BTCUSDT" in text


def test_a_time_that_is_no_date_is_refused(tmp_path: Path) -> None:
    rows = [("2024-02-30 00:05:00", "BTCUSDT", 1, 1, 1, 1, 1, 1)]
    put_zip(tmp_path, other_name("metrics", "BTCUSDT", "2024-02-28"), csv("metrics", rows))
    assert "row 1, column create_time: '2024-02-30 00:05:00' is not allowed" in complaint(tmp_path, "open_interest")


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "0", ""])
def test_a_trade_without_a_price_is_refused(tmp_path: Path, price: str) -> None:
    rows = [(1, 5.0, 1, 1, 1, START, "true"), (2, price, 1, 1, 1, START, "true")]
    put_zip(tmp_path, other_name("aggTrades", "BTCUSDT", "2024-02-28"), csv("aggTrades", rows))
    text = complaint(tmp_path)
    assert "row 2, column price:" in text
    assert "allowed: numbers above zero" in text


def test_an_unknown_side_is_refused(tmp_path: Path) -> None:
    row = (START, "HOLD", "LIMIT", "IOC", 3, 100, 99.5, "FILLED", 1, 2)
    put_zip(tmp_path, other_name("liquidationSnapshot", "BTCUSDT", "2024-02-28"), csv("liquidationSnapshot", [row]))
    assert "column side: 'HOLD' is not allowed; allowed: BUY, SELL" in complaint(tmp_path, "liquidations")


BITMEX = ("bitmex", "bitmex", "BTC/USD:BTC")
HYPERLIQUID = ("hyperliquid", "hyperliquid", "BTC/USDC:USDC")


def noise(rows: int) -> bytes:
    """Return rows that do not pack well, so that a cut file ends inside them."""
    times = [f"2024-02-28T{n // 60 % 24:02d}:{n % 60:02d}:00" for n in range(rows)]
    rows = [(time, "BTC", 0, n * n, 1, 1, 0, n**3 + 1, n**4 + 1, 1, 1, 1) for n, time in enumerate(times)]
    return csv("asset_ctxs", rows)


@pytest.mark.parametrize("change", [cut, cut_tail])
@pytest.mark.parametrize("suffix", ["gz", "lz4"])
def test_streams_that_break_off_are_refused(tmp_path: Path, suffix: str, change: Callable[[Path], None]) -> None:
    if suffix == "gz":
        times = [f"2024-02-28D00:00:{n % 60:02d}.{n:09d}" for n in range(999)]
        trades = [(time, "XBTUSD", "Buy", n, n + 1, "", n, n, 1, n) for n, time in enumerate(times)]
        path = put_gz(tmp_path, "data/trade/20240228.csv.gz", csv("trade", trades))
    else:
        path = put_lz4(tmp_path, "asset_ctxs/20240228.csv.lz4", noise(999))
    change(path)
    place, series = (BITMEX, "ohlcv") if suffix == "gz" else (HYPERLIQUID, "mark_ohlcv")
    text = complaint(tmp_path, series, place)
    assert f"not a whole .{suffix} file" in text
    assert path.name in text


@pytest.mark.parametrize(("place", "name"), [(BITMEX, "data/trade/20240228.csv.gz"), (HYPERLIQUID, "20240228.csv.lz4")])
def test_a_web_page_is_no_stream(tmp_path: Path, place: tuple[str, str, str], name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"<html>Access denied</html>")
    series = "ohlcv" if place is BITMEX else "funding"
    assert f"not a {path.suffix} file; delete it" in complaint(tmp_path, series, place)


def test_bitmex_rows_of_another_day_are_refused(tmp_path: Path) -> None:
    rows = [("2024-02-27D23:59:59.999999999", "ETHUSD", "Buy", 1, 1, "", 1, 1, 1, 1)]
    put_gz(tmp_path, "data/trade/20240228.csv.gz", csv("trade", rows))
    assert "row 1 is of 2024-02-27T23:59:59.999999; allowed: 2024-02-28" in complaint(tmp_path, "ohlcv", BITMEX)


def test_an_unreadable_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.zip: no such file"), unpacked(tmp_path / "x.zip"):
        pass
    allowed = r"x\.csv: not a packed file; allowed: \.zip, \.gz, \.lz4"
    with pytest.raises(DataError, match=allowed), unpacked(tmp_path / "x.csv"):
        pass
