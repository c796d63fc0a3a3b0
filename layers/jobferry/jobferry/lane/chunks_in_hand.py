"""The chunks of a lane, as one invocation knows them. Threads that submit side by side share it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from threading import Lock

from jobferry.domain.chunk import Chunk, ChunkState, before_sending
from jobferry.store.claims import Claim


class ChunksInHand:
    """Chunks of a lane that are claimed, submitted or finished, by number.

    A lane's chunks belong to the lane, and every move of a chunk in the table is conditioned on how
    it was read; so they are read once, and then follow what this invocation does.

    Attributes:
        freed: slots of chunks whose jobs have ended in this invocation.
        spent: claims of the lane with chunks that were in flight no more when they were read.
    """

    def __init__(
        self, chunks: Iterable[Chunk], spent: Sequence[tuple[Claim, frozenset[int]]] = ()
    ) -> None:
        self.freed = 0
        self.spent = spent
        self._chunks = {chunk.number: chunk for chunk in chunks}
        self._intents: dict[int, Chunk] = {}
        self._kept: set[int] = set()
        self._lock = Lock()

    def __contains__(self, number: int) -> bool:
        return number in self._chunks

    def __getitem__(self, number: int) -> Chunk:
        return self._chunks[number]

    def in_state(self, *states: ChunkState) -> list[Chunk]:
        """Chunks in these states, by number."""
        with self._lock:
            chunks = list(self._chunks.values())
        found = (chunk for chunk in chunks if chunk.state in states)
        return sorted(found, key=lambda chunk: chunk.number)

    @property
    def holding_slots(self) -> list[Chunk]:
        return self.in_state(ChunkState.CLAIMED, ChunkState.SUBMITTED)

    @property
    def without_job(self) -> list[Chunk]:
        """They hold a slot, and no job of theirs is known."""
        return self.in_state(ChunkState.CLAIMED)

    @property
    def ready(self) -> list[Chunk]:
        """Claimed, and nothing was ever sent of this attempt."""
        return [chunk for chunk in self.without_job if chunk.sending_at is None]

    @property
    def lost(self) -> list[Chunk]:
        """Sent, and nobody noted a job."""
        return [chunk for chunk in self.without_job if chunk.sending_at is not None]

    @property
    def submitted(self) -> dict[str, Chunk]:
        """Chunks with a job in flight, by job id."""
        return {c.job_id: c for c in self.in_state(ChunkState.SUBMITTED) if c.job_id}

    @property
    def finished(self) -> list[Chunk]:
        return self.in_state(ChunkState.FINISHED)

    def keep(self, chunks: Iterable[Chunk]) -> None:
        with self._lock:
            self._chunks |= {chunk.number: chunk for chunk in chunks}

    def keep_claimed(self, chunks: Iterable[Chunk]) -> None:
        """They were claimed just now: all are ready, also where the claim is their intent."""
        for chunk in chunks:
            if chunk.sending_at is None:
                self.keep([chunk])
            else:
                self.keep_unsent(chunk)

    def keep_unsent(self, sent: Chunk) -> None:
        """Its claim is its intent, and it was not sent, or the vendor did nothing: it is ready."""
        with self._lock:
            self._chunks[sent.number] = before_sending(sent)
            self._intents[sent.number] = sent

    def take_intent(self, number: int) -> Chunk | None:
        """The chunk as it may be sent by its claim alone, if it may; told once."""
        with self._lock:
            return self._intents.pop(number, None)

    def take_intents(self) -> list[Chunk]:
        """All of them, as `take_intent`."""
        with self._lock:
            intents, self._intents = self._intents, {}
        return [intents[number] for number in sorted(intents)]

    def note_kept(self, number: int) -> None:
        """What the records of a chunk are before they are changed is kept."""
        with self._lock:
            self._kept.add(number)

    def is_kept(self, number: int) -> bool:
        """Whether this invocation has kept what the records of a chunk are."""
        return number in self._kept

    def drop(self, numbers: Iterable[int]) -> None:
        with self._lock:
            for number in numbers:
                self._chunks.pop(number, None)
                self._intents.pop(number, None)

    def let_go(self, numbers: Iterable[int]) -> frozenset[str]:
        """Drop chunks that are settled; returns the names of claims that held none but such."""
        with self._lock:
            gone = [self._chunks.pop(number) for number in numbers if number in self._chunks]
            held = {chunk.claim for chunk in self._chunks.values()}
        return frozenset(chunk.claim for chunk in gone) - held

    def clear(self) -> None:
        with self._lock:
            self._chunks.clear()
            self._intents.clear()

    def finish(self, numbers: Iterable[int]) -> None:
        """Their jobs have ended."""
        with self._lock:
            for number in numbers:
                self.freed += self._chunks[number].holds_slot
                self._chunks[number] = replace(self._chunks[number], state=ChunkState.FINISHED)
