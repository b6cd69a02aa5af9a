"""A bucket whose requester pays: read by ranges, refused in one line, and never a word of a secret."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from backtest.errors import DataError, UsageError
from backtest.fetch.reservoir.place import Folder, Listed, open_place, refusal_of
from backtest.fetch.reservoir.plan import Wanted, plan_of
from backtest.fetch.reservoir.pull import pull, read_parts
from tests.fetch.reservoir import by_hand
from tests.fetch.reservoir.bucket import BUCKET, Gate, serve

CORE = dt.datetime(2025, 10, 10, 20, 50), dt.datetime(2025, 10, 10, 21, 30)  # noqa: DTZ001
BTC = Wanted.of(CORE, ("BTC",), ("BTC",))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return by_hand.venue(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def gate(archive: Path) -> Iterator[Gate]:
    with pytest.MonkeyPatch.context() as setting, serve(archive, setting) as gate:
        yield gate


def test_a_bucket_gives_what_a_folder_gives_and_every_request_says_who_pays(archive: Path, gate: Gate) -> None:
    place = open_place(f"s3://{BUCKET}")
    before = gate.refused
    plan, same = plan_of(place, BTC), plan_of(Folder(archive), BTC)
    assert gate.refused == before
    assert [(part.listed.key, part.rows, part.bytes) for part in plan.parts] == [
        (part.listed.key, part.rows, part.bytes) for part in same.parts
    ]
    pull(plan, "paid")
    pull(same, "local")
    for name in ("positions", "fills", "liquidations", "adl", "bars", "account_values"):
        paid, local = read_parts("paid", name), read_parts("local", name)
        assert paid is not None
        assert local is not None
        assert paid.equals(local)


@pytest.mark.parametrize(("code", "said"), [
    ("AccessDenied", r"access denied \(403\)"),
    ("ExpiredToken", "have expired"),
    ("InvalidAccessKeyId", "access key is not known"),
    ("SignatureDoesNotMatch", "does not fit"),
])  # fmt: skip
def test_a_refusal_is_one_line_without_a_secret(gate: Gate, code: str, said: str) -> None:
    gate.code = code
    try:
        with pytest.raises(DataError, match=said) as raised:
            plan_of(open_place(f"s3://{BUCKET}"), BTC)
    finally:
        gate.code = ""
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value).replace("secret key does", "")


@pytest.mark.usefixtures("gate")
def test_a_bucket_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="no such bucket"):
        plan_of(open_place("s3://no-such-archive"), BTC)


def test_without_credentials_the_places_where_they_may_stand_are_named() -> None:
    error = type("NoCredentialsError", (Exception,), {})()
    assert "AWS_PROFILE" in refusal_of(error)
    assert "cannot be reached" in refusal_of(ConnectionError())


def test_an_address_of_another_kind_and_a_folder_that_is_not_there_are_refused(tmp_path: Path) -> None:
    for root in ("https://example.invalid/x", str(tmp_path / "none")):
        with pytest.raises(UsageError, match="s3://BUCKET"):
            open_place(root)


def test_a_key_leads_nowhere_but_below_the_folder(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot name a file"):
        Folder(tmp_path).read("../secret.parquet", 0, 1)
    assert Folder(tmp_path).listing("by_dex/none") == []
    assert Listed("a", 1, "x") < Listed("b", 0, "x")
