"""Durable work: done by whichever process has time, to its end, also when a process dies on the way.

    queue = JobQueue(backend, "response_jobs", most_waiting=1000, lease=30)
    await queue.prepare()

To add work, in the transaction that makes what the work is about (`RateLimited` rolls it all back):

    def script() -> Script[None]:
        yield table.insert_do(tenant, row)
        yield from queue.adding(tenant, row.id, "response", payload)
    await backend.transact(script)
    queue.woken.set()                     # optional: another process finds it within half a second

To do it, in every process:

    async def respond(job: Job, fence: Fence) -> None: ...
    worker = Worker(queue, {"response": respond}, slots=4, seconds=3600)
    async with worker.running(): ...

A process that does both hands its work over with `await worker.hand_over(script, backend)`: when it has a slot free,
the transaction that adds a job claims it, or an older one, and it is begun without another.

A handler owns its job until another does. The fence tells: whatever the handler writes, it writes in scripts that begin
with `yield from fence.holding()`, which raises `LeaseLost` when the job was cancelled, or taken over because this
process was silent for longer than its lease. The script that completes the work says `yield from fence.ending("done")`
instead; a handler that only returns is `done`, one that raises is `failed`, and `LeaseLost` is nobody's failure.

A handler is cancelled (`CancelledError`) when its job is no longer its own, when `seconds` are over, or when the
process stops; `fence.stopped` then says "lost", "timeout" or "stopping". After "timeout" it may still write what it has
to say, and the job is `failed`; after "stopping", or when the handler raises `Unavailable`, another process begins the
job again. It has `job.attempts` > 1 then: the handler decides whether it goes on, starts over, or gives up.

A payload is kept until its job ends, and erased in the transaction that ends it. One that is added with
`written=False` never leaves this process, so no other begins the job while this one lives; after that its payload is
empty.

To cancel, in the transaction that marks what the work is about; the owner, wherever it is, notices within a second:

    was_open = yield from queue.cancelling(tenant, id)

A script that touches both takes the job before what the work is about, as `holding` does, so that no two scripts wait
for each other.
"""

from stackwright.jobs.queue import Job, JobQueue, LeaseLost, Load, State
from stackwright.jobs.worker import Fence, Handler, Worker

__all__ = ["Fence", "Handler", "Job", "JobQueue", "LeaseLost", "Load", "State", "Worker"]
