"""A bucket whose requester pays: read by ranges, refused in one line, and never a word of a secret."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from backtest.errors import CrashbookError, DataError, UsageError
from backtest.fetch.reservoir.place import Folder, Listed, open_place, refusal_of
from backtest.fetch.reservoir.plan import Plan, Wanted, plan_of
from backtest.fetch.reservoir.pull import folder_of, pull, read_parts
from tests.fetch.reservoir import by_hand
from tests.fetch.reservoir.bucket import BUCKET, Gate, serve
from tests.support.command import call

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


@pytest.mark.usefixtures("gate")
def test_above_the_limit_the_command_reads_nothing_unless_someone_agrees(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plan, "usd", property(lambda plan: 1.25))
    words = ("fetch", "2025-10-10", "--archive", f"reservoir=s3://{BUCKET}", "--coins", "BTC")
    refused = call(*words)
    assert refused.exit_code == 2
    assert "this costs about 1.25 USD, above --max-usd 1; nothing was read; give --yes" in refused.stderr
    assert not (workspace / "data").exists()
    assert call(*words, "--yes", "-q").exit_code == 0
    assert "held" in call(*words, "--max-usd", "2").stdout
    kept = b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())
    assert kept
    assert b"secret-of-the-tests" not in kept


@pytest.mark.parametrize(("code", "said"), [
    ("AccessDenied", r"access denied \(403\)"),
    ("ExpiredToken", "have expired"),
    ("InvalidAccessKeyId", "access key is not known"),
    ("SignatureDoesNotMatch", "does not fit"),
    ("InvalidToken", "token is not valid; sign in again"),
    ("AuthorizationHeaderMalformed", "another region; set AWS_DEFAULT_REGION=ap-northeast-1"),
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


def test_a_token_that_expires_on_the_way_leaves_whole_parts_and_no_more_is_paid_for_them(gate: Gate) -> None:
    plan = plan_of(open_place(f"s3://{BUCKET}"), BTC)
    gate.code, gate.passing = "ExpiredToken", 2
    try:
        with pytest.raises(DataError, match="have expired; sign in again"):
            pull(plan, "broken")
    finally:
        gate.code, gate.passing = "", 0
    held = {path.name.split("-")[0] for path in folder_of("broken").iterdir()}
    assert held < {"account_values", "positions", "fills", "liquidations", "adl", "bars"}
    again = pull(plan_of(open_place(f"s3://{BUCKET}"), BTC), "broken")
    assert {each.name for each in again if not each.fresh} == held
    assert len(again) == 6


def _lacking(archive: Path, gate: Gate, key: str) -> None:
    gate.client.delete_object(Bucket=BUCKET, Key=key)


def _cut(archive: Path, gate: Gate, key: str) -> None:
    gate.client.put_object(Bucket=BUCKET, Key=key, Body=(archive / key).read_bytes()[:-20])


def _other_type(archive: Path, gate: Gate, key: str) -> None:
    changed = by_hand.write(archive / "../changed.parquet", {**by_hand.POSITIONS, "leverage": pa.string()}, [])
    gate.client.put_object(Bucket=BUCKET, Key=key, Body=changed.read_bytes())


def _moved(archive: Path, gate: Gate, key: str) -> None:
    _lacking(archive, gate, key)
    gate.client.put_object(Bucket=BUCKET, Key=key.replace(by_hand.BLOCK, "positions"), Body=b"")


@pytest.mark.parametrize(("fault", "said"), [
    (_lacking, "no snapshot of positions in the 2 days before 2025-10-10 20:50:00, none; choose another event"),
    (_cut, "not a whole Parquet file"),
    (_other_type, "column 'leverage' is string, documented as count; the layout has changed"),
    (_moved, "documented as BLOCK_MILLISECONDS.parquet; the layout has changed"),
])  # fmt: skip
def test_a_bucket_that_is_not_as_documented_is_one_line(archive: Path, gate: Gate, fault: Any, said: str) -> None:
    key = f"global/snapshots/perp/all/date={by_hand.DAY}/{by_hand.BLOCK}.parquet"
    fault(archive, gate, key)
    try:
        with pytest.raises(CrashbookError, match=said) as raised:
            plan_of(open_place(f"s3://{BUCKET}"), BTC)
    finally:
        gate.client.delete_object(Bucket=BUCKET, Key=key.replace(by_hand.BLOCK, "positions"))
        gate.client.put_object(Bucket=BUCKET, Key=key, Body=(archive / key).read_bytes())
    assert "\n" not in str(raised.value)
    assert not folder_of("x").exists()


@pytest.mark.usefixtures("gate")
def test_without_any_credentials_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "PROFILE", "SESSION_TOKEN"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"no usable credentials of AWS \(NoCredentialsError\); set AWS_PROFILE"):
        plan_of(open_place(f"s3://{BUCKET}"), BTC)


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
