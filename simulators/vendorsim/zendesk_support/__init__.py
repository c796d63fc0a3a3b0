"""Zendesk Support: the bulk endpoints under `/api/v2`, their jobs, and the records behind them."""
