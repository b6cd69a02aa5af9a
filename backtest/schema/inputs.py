"""Tables on the inputs of a run: the run itself and its data."""

from __future__ import annotations

from backtest.schema.table import Table, columns

TABLES = (
    Table(
        name="runs",
        grain="run",
        doc="One row: event, rules, seed, window and digests of the run.",
        columns=columns("""
        event_id            str event of the catalogue
        venue               str venue profile whose rules ran
        symbols             str simulated symbols, comma separated
        ranking             str ADL ranking, as resolved
        allocation          str who pays in an ADL wave: queue; the others (pro_rata ...) rank nobody
        seed                int seed of the synthetic book and of random rankings
        intrabar            str order in which a bar's prices are walked
        start_ts            ts  open of the first bar
        end_ts              ts  close of the last bar
        bar_s               int length of a bar
        bars                int bars walked
        steps               int prices walked (steps count from 1)
        accounts            int accounts in the book
        positions           int positions at the start
        price_source        str venue whose bars were walked
        price_label         str measured or proxy
        mark_label          str measured, or the model of the mark
        open_interest_label str where the open interest comes from
        book_label          str synthetic or imported
        liquidity_label     str how the liquidity was set
        scenario_sha256     str digest of the canonical scenario
        data_sha256         str digest of the market rows used
        code_sha256         str digest of the sources that decide results
        """),
    ),
    Table(
        name="coverage",
        grain="series x symbol",
        doc="Expected and available data of the window.",
        columns=columns("""
        series        str ohlcv, mark_ohlcv, funding, pre_roll
        symbol        str symbol simulated
        source        str venue and file the rows came from
        label         str measured, proxy, modelled or missing
        expected_rows int intervals in the window, null without a clock
        rows          int intervals present
        gaps          int runs of missing rows inside the span used
        longest_gap_s int length of the longest gap
        duplicates    int rows dropped because their time was already there
        bridged       int missing bars walked at the last price (only with --allow-gaps)
        first_ts      ts  open of the first row, null without one
        last_ts       ts  open of the last row, null without one
        sha256        str digest of the rows used
        note          str remark on the series
        """),
    ),
)
