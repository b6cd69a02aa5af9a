"""What ``run.json`` of the run that never ran would hold; the published figures are those of the event file."""

from __future__ import annotations

from typing import Any

import numpy as np

READ = {"read": "2026-11-22", "mark": "V"}
SOURCE = "https://github.com/ConejoCapital/HyperMultiAssetedADL"
WINDOW = {"start": "2025-10-10T21:15:00", "end": "2025-10-10T21:27:00"}
PUBLISHED = {
    "BTC": (1_789_607_763.72, 620_890_947.73),
    "SOL": (618_098_440.07, 276_200_960.58),
    "XRP": (83_070_003.27, 31_422_285.06),
    "DOGE": (52_836_035.02, 16_487_948.01),
}
GRID = (
    ("vault 25M", 0.97, 1.02),
    ("vault 100M", 0.98, 0.8),
    ("liquidity halved", 1.3, 1.6),
    ("mark EMA 10 s", 1.2, 1.3),
    ("mark EMA 60 s", 0.8, 0.7),
    ("vault 200M, early unwind", 0.9, 0.0),
)


def fact(name: str, unit: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "quantity": name, "unit": unit, "source": SOURCE, "grade": "A", "mark": "S", **more}


def facts() -> list[dict[str, Any]]:
    gross = "gross: very likely contains the other side of every ADL fill"
    made = [
        fact("adl_onset", "s", value=61.7, note="left-censored"),
        fact("btc_move", "frac", value=-0.131, grade="B", source="URL not kept", conflicts_with=["btc_move_2"]),
        fact("btc_move_2", "frac", low=-0.17, high=-0.16, grade="C", source="javascript:alert(1)", note="other venues"),
    ]
    for coin, (liquidated, adl) in PUBLISHED.items():
        made += [fact(f"liquidated_{coin}", "usd", value=liquidated, note=gross), fact(f"adl_{coin}", "usd", value=adl)]
    return made


def compare(tag: str) -> list[dict[str, Any]]:
    made = []
    for coin in PUBLISHED:
        shared = {"coin": coin, "how": "ratio", "note": f"isolated margin only{tag}", **WINDOW}
        made += [
            {"fact": f"liquidated_{coin}", "metric": "liquidated_notional_usd", **shared},
            {"fact": f"adl_{coin}", "metric": "adl_notional_usd", **shared},
        ]
    onset = "minute bars resolve about 15 s; the data window opens at 21:15:00"
    return [
        *made,
        {"fact": "adl_onset", "metric": "adl_onset_s", "how": "bar", "note": onset, **WINDOW},
        {"fact": "btc_move", "metric": "price_move_frac", "coin": "BTC", "how": "ratio", **WINDOW},
    ]


def meta(tag: str, watch: bool) -> dict[str, Any]:
    return {
        "run_id": "3f9c1ab27d04",
        "watch": watch,
        "cross": False,
        "threshold": "<",
        "scenario_sources": {},
        "contracts": [],
        "settlement": {"contract": "linear", "currency": "USDT", "coin_px": None},
        "digests": {"data": "", "book": "", "code": "", "scenario": ""},
        "notes": [f"pre-roll of 10 minutes is short{tag}"],
        "event": {
            "id": "2025-10-10",
            "title": f"Tariff crash, 10 October 2025{tag}",
            "grade": "A",
            "core_start": "2025-10-10T20:50:00",
            "core_end": "2025-10-10T21:30:00",
            "facts": facts(),
            "compare": compare(tag),
            "summary": f"A tariff announcement on a Friday evening ended in the largest day of liquidations.{tag}",
            "notes": ["Price paths differ by venue: some Binance-only wicks drove marks."],
        },
        "venue": {
            "id": "hyperliquid",
            "name": f"Hyperliquid{tag}",
            "notes": ["rules as of 2025-10"],
            "sources": [
                {
                    "id": "docs",
                    "note": "Venue documentation",
                    "url": "https://example.org/docs",
                    "read": "2026-11-22",
                    "mark": "V",
                }
            ],
            "as_of": "2026-11-22",
            "points": [],
            "simplified": [
                {
                    "point": "margin mode",
                    "venue_rule": "cross and isolated margin",
                    "runs_here": "isolated margin only",
                },
                {
                    "point": "vault",
                    "venue_rule": "several child vaults",
                    "runs_here": "one cross account over all symbols",
                },
            ],
            "unverified": ["vault capital: not published, 50M USD assumed", "lot rounding of ADL slices"],
        },
        "labels": {
            "prices": {"badge": "proxy", "text": "Binance USD-M minute bars stand in for Hyperliquid's prices"},
            "open_interest": {"badge": "modelled", "text": "13.8B USD total, allocated by liquidated notional"},
            "book": {"badge": "modelled", "text": f"synthetic, seed 1{tag}"},
            "mark": {"badge": "modelled", "text": "EMA of trade prices, 30 s half-life"},
            "liquidity": {"badge": "modelled", "text": "recorded volume times a scale per coin"},
        },
        "assumptions": [
            "The recorded volume of the crash is largely the cascade itself, so all of it may be hit.",
            "Open interest is allocated by liquidated notional, which is circular.",
        ],
        "not_simulated": ["cross-margin contagion", "voluntary closing, stops and top-ups", "outages"],
        "versions": {"crashbook": "0.1.0", "python": "3.11.2", "duckdb": "2.0.0", "polars": "2.1.0", "numpy": "2.4.6"},
        "scenario": {"seed": 1},
        "scenario_toml": f'event = "2025-10-10"\nvenue = "hyperliquid"\nseed = 1\n# {tag}\n',
    }


def studies(summary: dict[str, Any], tag: str, seeds: int) -> dict[str, Any]:
    """Return the studies stored beside the run that never ran."""
    spread = np.random.default_rng(5).lognormal(0, 0.12, seeds).tolist()
    money = {key: float(summary[key]) for key in ("liquidated_usd", "adl_usd", "pool_low_usd")}
    return {
        "grid": [
            {
                "label": label + tag,
                "run_id": "",
                "metrics": {"liquidated_usd": money["liquidated_usd"] * a, "adl_usd": money["adl_usd"] * b},
            }
            for label, a, b in GRID
        ],
        "seeds": {
            "run_ids": [f"{i:012x}" for i in range(seeds)],
            "summaries": [
                {**summary, **{key: value * f for key, value in money.items()}, "seed": i} for i, f in enumerate(spread)
            ],
            "bands": {},
            "compared": {},
        }
        if seeds
        else None,
    }
