"""Local venues: public endpoints of Binance, Bybit, OKX and Hyperliquid in their own JSON, with faults on demand."""
