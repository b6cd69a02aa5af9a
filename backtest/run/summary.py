"""The summary block: the headline numbers of a run with their units."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from backtest.formatting import SPACE, coin, period, plural, usd_band, utc, whole_usd
from backtest.run.draw_lines import cliffs_of, coins_of, draw_lines, vaults_of
from backtest.schema.coins import is_rest

if TYPE_CHECKING:
    from backtest.run.run import StoredRun
    from backtest.run.stored import Seeds


CLIFF = ": a cliff"  # a little more or less decides whether it lives


def lines(run: StoredRun) -> list[tuple[str, str]]:
    """Return label and value of each line of the block."""
    s: dict[str, Any] = run.summary()
    audits = run.audits()
    passed = sum(audit.passed for audit in audits)
    after = s["first_adl_after_s"]
    unit = run.meta.settlement.unit
    onset = f" ({after:.0f} s after the first liquidation)" if after is not None else ""
    book = f"{s['positions']:,} ({run.meta.labels.book.badge} book, seed {s['seed']})"
    rows = [
        ("event", f"{s['event_id']} at {s['venue']}, {period(s['start_ts'], s['end_ts'])} UTC"),
        ("coins", named(s["symbols"].split(","))),
        *([("unit", unit)] if unit else []),
        ("positions", f"{book}, {whole_usd(s['open_interest_usd'])} a side"),
        *_rest(s),
        *draw_lines(run, s),
        ("liquidated", f"{whole_usd(s['liquidated_usd'])} in {s['liquidations']:,} liquidations{_sides(s)}"),
        *_pool(run, s),
        *(("beware", note) for note in run.meta.headline),
        *_stressed(s),
        ("ADL", f"{whole_usd(s['adl_usd'])} closed in {s['adl_positions']:,} positions, {s['adl_waves']:,} waves"),
        ("first ADL", utc(s["first_adl_ts"]) + onset),
        ("uncovered", whole_usd(s["uncovered_usd"])),
        ("audits", f"{passed} of {len(audits)} passed, residual {whole_usd(s['residual_usd'])}"),
        *_suspects(run),
    ]
    return rows + (_bands(run.studies.seeds) if run.studies.seeds else [])


def named(symbols: Iterable[str], *, whole: bool = False) -> str:
    """Return the coins of symbols, or the symbols, in words; the rest of the venue says that it has no bars.

    Examples
    --------
    >>> named(["BTC/USDT:USDT", "REST/USDT:USDT"])
    'BTC, REST (modelled, no bars)'
    """
    rows = ((symbol if whole else coin(symbol), is_rest(symbol)) for symbol in symbols)
    return ", ".join(f"{name} (modelled, no bars)" if rest else name for name, rest in rows)


def _rest(s: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines on the modelled rest of the venue, whose figures are in no total above or below."""
    if s["rest_open_interest_usd"] is None:
        return []
    interest, lost, closed = (whole_usd(s[f"rest_{name}_usd"]) for name in ("open_interest", "liquidated", "adl"))
    counted = f"in no total but positions, {s['pool']} and uncovered"
    return [
        ("rest of venue", f"{interest} a side, modelled, no bars; {counted}"),
        ("  REST", f"liquidated {lost}, ADL {closed}"),
    ]


def _sides(s: dict[str, Any]) -> str:
    """Return the share of longs in what was liquidated, nothing where nothing was."""
    share = s["liquidated_long_share_frac"]
    return "" if share is None else f", {share:.1%} longs"


def _pool(run: StoredRun, s: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines on the fund or vault: what it began with, its lowest equity, its end; each of several vaults."""
    start, low, end = (whole_usd(s[f"pool_{when}_usd"]).removesuffix(" USD") for when in ("start", "low", "end"))
    near = {one.serves for one in cliffs_of(run, s)}
    cliff = CLIFF if "" in near else ""
    out = [(s["pool"], f"{start} USD, lowest {low} at {utc(s['pool_low_ts'])}, end {end}{cliff}")]
    for serves, rows in vaults_of(run).items():
        least = min(rows, key=lambda row: row["equity_usd"])
        begun, lowest = (whole_usd(row["equity_usd"]) for row in (rows[0], least))
        cliff = CLIFF if serves in near else ""
        line = f"{begun}, lowest {lowest.removesuffix(' USD')} at {utc(least['ts'])}{cliff}"
        out.append((f"  {coins_of(serves)}", line))
    return out


def _suspects(run: StoredRun) -> list[tuple[str, str]]:
    """Return a line on doubtful values that were allowed, if there are any: how many, and the first."""
    found = run.meta.suspects
    if not found:
        return []
    first = found[0]
    value = f"{coin(first.symbol)} {first.series} {first.field} {first.value:,.6g} at {first.ts.isoformat()}"
    walked = sum(one.walked for one in found)
    some = f"{walked} replayed, the rest before the core"
    where = {len(found): "replayed", 0: "before the core"}.get(walked, some)
    return [("suspicious", f"{len(found)} {plural(len(found), 'value')}, {where}: {value}")]


def _stressed(s: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a line on a vault that stood below its own maintenance."""
    steps, most = s["vault_below_maintenance_steps"], s["vault_leverage_max"]
    if not steps:
        return []
    leverage = f", leverage up to {most:,.1f}" if most is not None else ""
    return [("  margin", f"below maintenance at {steps:,} {plural(steps, 'price')}{leverage}")]


def _bands(seeds: Seeds) -> list[tuple[str, str]]:
    """Return a line per headline: median and 5 to 95 % over seeds."""
    rows = [("over seeds", f"median (5 to 95 %) of {len(seeds.run_ids)} runs")]
    for name, band in seeds.bands.items():
        label = "  " + name.removesuffix("_usd").removesuffix("_s").replace("_", " ")
        if name.endswith("_usd"):
            rows.append((label, usd_band(band.low, band.median, band.high).replace(SPACE, " ")))
        else:
            unit = " s" if name.endswith("_s") else ""
            rows.append((label, f"{band.median:,.0f}{unit} ({band.low:,.0f} to {band.high:,.0f})"))
    return rows


def block(run: StoredRun) -> str:
    """Return the block as text."""
    with run.trusted():
        rows = lines(run)
    width = max(len(label) for label, _ in rows)
    head = f"run {run.run_id}"
    return "\n".join([head, *(f"  {label:<{width}}  {value}" for label, value in rows)])
