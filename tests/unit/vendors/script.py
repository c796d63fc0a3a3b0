"""HTTP that gives out answers made beforehand."""

from __future__ import annotations

from collections.abc import Mapping

from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer


class Script(HttpClient):
    """Gives out answers in turn, the last one for ever.

    asked  (path, query) of each request
    """

    def __init__(self, *answers: Answer | NoAnswer) -> None:
        self.requests_made = 0
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self._answers = answers

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer | NoAnswer:
        self.requests_made += 1
        self.asked.append((path, dict(params or {})))
        return self._answers[min(self.requests_made, len(self._answers)) - 1]
