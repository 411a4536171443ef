"""One lane of the InferenceConsumer: its claim loop, its model process, its database thread.

While the model works on one batch, the last one is saved and the next one claimed. Nothing
here decides what a row may become: that is ``queue`` and ``results``.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from detection import batches, plan, push, queue, results
from detection.batches import Batch
from detection.idling import Rest
from detection.model_process import ModelProcess, ModelProcessDied
from detection.queue import Claim
from detection.threads import DatabaseThread, OneThread, pause
from detection.work import FAULT, Failure, Reply

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # to the first look again where nothing was found; then less often (detection.idling)
# After a batch with nothing behind it, before the next look: that those who wait for it read it meanwhile.
QUIET_SECONDS = 0.05
SENT_SECONDS = 0.002  # that a batch has to get to the model process, undisturbed by the next one's claim
PAUSE_SECONDS = 1.0  # after a database error
MAX_START_PAUSE = 30.0
SAVE_TRIES = 3
KILLS = 3  # of a model process by one row: the first may have been another's fault
BROKEN = Failure("consumer_error", FAULT)


class Lane:
    def __init__(self, name: str, hears: bool = True) -> None:
        self.name = name
        self._idle = Rest(hears)
        self.ready = asyncio.Event()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._held: set[Claim] = set()
        self._saving: asyncio.Task[None] | None = None
        self._options = plan.options(settings.DETECTION_MODEL)  # until the database has been asked
        self._process = ModelProcess(settings.STAGES_MODULE, name, self._options)
        self._watched: int | None = None  # the sentinel of the process whose end is listened for
        # The model's thread must outlive its process (the kernel's parent-death signal follows the
        # thread); of the database's there is one, so that writes do not queue for locks.
        self._in_model = OneThread(f"model-{name}")
        self._in_database = DatabaseThread(f"rows-{name}")

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Works until ``stop``; then every row it held is finished or given back."""
        beat = asyncio.create_task(self._keep_leases())
        try:
            await self._pump()
        finally:
            beat.cancel()
            await self._close()

    async def wait_for(self, event: asyncio.Event, seconds: float) -> None:
        """Returns when the event is set, the time is up, or the lane is told to stop."""
        waits = [asyncio.create_task(each.wait()) for each in (event, self._stopping)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()

    def stop(self) -> None:
        """Lets the batch at work end; a process that is still loading is not waited for."""
        self._stopping.set()
        self._wake.set()
        if not self._process.ready:
            self._process.kill()

    def abort(self) -> None:
        """Ends the batch at work too: its rows are given back."""
        self._process.kill()

    async def _pump(self) -> None:
        batch = None
        while not self._stopping.is_set():
            if batch is None:
                batch = await self._next()
                continue
            working = asyncio.create_task(self._infer(batch))
            ahead = asyncio.create_task(self._look_ahead())
            reply = await working
            await self._saved()
            self._saving = asyncio.create_task(self._save(batch.claim, reply))
            await asyncio.sleep(0)  # it begins: what is waited for is saved before anything is looked for
            batch = await ahead
            if batch is None:
                await self._rest(QUIET_SECONDS)

    async def _next(self) -> Batch | None:
        """A batch, or None after a rest in which something may have happened."""
        if not await self._start_process():
            return None
        self._wake.clear()  # before looking: what is queued from here on wakes us again
        batch = await self._claim()
        if batch is not None:
            self._idle.over()
        elif not self._stopping.is_set():
            await self._rest(await self._idle_seconds())
        return batch

    async def _idle_seconds(self) -> float:
        """Until something may be due again, where nobody wakes us before."""
        try:
            due = await self._in_database(queue.next_due, self.name)
        except Exception:
            logger.warning("The %s lane cannot read what is due.", self.name, exc_info=True)
            return PAUSE_SECONDS
        return self._idle.seconds(POLL_SECONDS, due)

    async def _look_ahead(self) -> Batch | None:
        await asyncio.sleep(SENT_SECONDS)  # first what is at work, then what comes
        if self._stopping.is_set():
            return None
        self._wake.clear()  # as in _next
        return await self._claim()

    async def _rest(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
            self._idle.over()

    # --- The model process ------------------------------------------------------------

    @property
    def _fit(self) -> bool:
        """Warm, and with the model that is active now."""
        ready = self._process.alive and self._process.ready
        return ready and (self._process.options == self._options or not plan.follows(self.name))

    def _look(self) -> None:
        """Which model is active may change at any moment; where nobody can tell, the last one known is."""
        try:
            self._options = plan.options()
        except (OperationalError, InterfaceError):
            logger.warning("The %s lane cannot read which model is active.", self.name, exc_info=True)
            connection.close()  # the next try gets a fresh one

    def _exchange(self) -> None:
        """The next process has the model that is active now. The old one's end is no news any more."""
        if self._process.options != self._options:
            logger.info("The %s lane takes up the model %s.", self.name, self._options.model)
        self._process.options = self._options
        self._unwatch()

    async def _start_process(self) -> bool:
        """Makes sure that a warm process is there; False where the lane is stopping."""
        failures = 0
        while not self._stopping.is_set() and not self._fit:
            try:
                await self._in_database(self._look)
                self._exchange()
                await self._in_model(self._process.start)
                self._watch()
            except (ModelProcessDied, OSError) as error:
                if self._stopping.is_set():  # by ``stop``, which does not wait for loading
                    break
                failures += 1
                rest = min(MAX_START_PAUSE, 2.0**failures)
                logger.error(
                    "The model process of the %s lane did not start: %s Its images wait; next try in %.0f s.",
                    *(self.name, error, rest),
                )
                await pause(rest, self._stopping)
        return not self._stopping.is_set()

    def _watch(self) -> None:
        """Notices the death of an idle process at once, not with the next image."""
        logger.info("The model process of the %s lane is ready (pid %s).", self.name, self._process.pid)
        self.ready.set()
        self._watched = self._process.sentinel
        if self._watched is not None:
            asyncio.get_running_loop().add_reader(self._watched, self._on_death)

    def _unwatch(self) -> None:
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = None

    def _on_death(self) -> None:
        self._unwatch()
        if not self._stopping.is_set():
            logger.warning("The model process of the %s lane has died.", self.name)
        self._wake.set()

    async def _infer(self, batch: Batch) -> Reply | None:
        """The answers; failures where the process died; None where the rows go back untouched."""
        if not await self._start_process():
            return None
        try:
            return await self._in_model(batches.run, batch, self._process)
        except ModelProcessDied as error:
            if self._stopping.is_set():
                return None
            return _all_failed(batch.claim, Failure(error.code, str(error), _is_final(error, batch.claim)))
        except Exception:
            logger.exception("The %s lane could not run a batch.", self.name)
            return _all_failed(batch.claim, BROKEN)

    # --- The rows ---------------------------------------------------------------------

    async def _claim(self) -> Batch | None:
        try:
            claim = await self._in_database(self._claim_now)
        except Exception:
            logger.exception("The %s lane cannot read its queue.", self.name)
            await pause(PAUSE_SECONDS, self._stopping)
            return None
        if claim is None:
            return None
        self._held.add(claim)
        await push.announce(claim.changes)
        return await self._read(claim)

    def _claim_now(self) -> Claim | None:
        self._look()
        return queue.claim(self.name)

    async def _read(self, claim: Claim) -> Batch | None:
        """The claim with its files; without them its lease may not be kept: its rows fail an attempt."""
        try:
            return await self._in_database(batches.read, claim)
        except Exception:
            logger.exception("The %s lane could not read a batch.", self.name)
            await self._save(claim, _all_failed(claim, BROKEN))
            return None

    async def _save(self, claim: Claim, reply: Reply | None) -> None:
        """Tries again where the database fails: after that the lease brings the work back."""
        for _ in range(SAVE_TRIES):
            try:
                await self._write(claim, reply)
                break
            except Exception:
                logger.exception("The %s lane could not save a batch.", self.name)
                await asyncio.sleep(PAUSE_SECONDS)
        self._held.discard(claim)
        if reply is None or any(isinstance(answer, Failure) for answer in reply.answers):
            self._wake.set()  # it is due again at a time that nobody knew before

    async def _write(self, claim: Claim, reply: Reply | None) -> None:
        if reply is None:
            await self._in_database(queue.give_back, claim)
            changes = claim.changes
        else:
            changes = await self._in_database(results.save, claim, reply.answers, reply.run_ms)
        await push.announce(changes)

    async def _saved(self) -> None:
        if self._saving is not None:
            await self._saving
            self._saving = None

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(settings.LEASE_SECONDS / 3)
            try:
                for claim in list(self._held):
                    await self._in_database(queue.extend, claim)
                for end in (queue.bury, queue.retire):
                    await push.announce(await self._in_database(end, self.name))
            except Exception:
                logger.exception("The %s lane could not look after its leases.", self.name)

    async def _close(self) -> None:
        await self._saved()
        for claim in list(self._held):
            await self._save(claim, None)
        await self._in_model(self._process.close)
        await self._in_database.close()
        await self._in_model.close()


def _is_final(error: ModelProcessDied, claim: Claim) -> bool:
    """Whether a row that was alone would end the process again.

    What took too long, or crashed it, would. A kill may have come from outside, and is tried once more.
    """
    run = claim.runs[0]
    surely = error.code == "timed_out" or error.crashed
    return len(claim.runs) == 1 and (surely or run.attempts >= KILLS)


def _all_failed(claim: Claim, failure: Failure) -> Reply:
    return Reply([failure] * len(claim.runs), 0.0)
