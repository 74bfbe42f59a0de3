"""What a training is doing, from the queue, from run.json and from the lock of its folder: nothing is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from odtk.queue import CANCELLED, DONE, ENDED, FAILED, INTERRUPTED, WAITING, JobRecord
from odtk.web.run_views.run_folder import Session, Writer

NEW, QUEUED, STARTING, TRAINING, ENDING, ELSEWHERE = "new", "queued", "starting", "training", "ending", "elsewhere"
PAUSED, FINISHED, BROKEN, DIED = "paused", "finished", "failed", "died"

_ACTIVE = (QUEUED, STARTING, TRAINING, ENDING)
_ALL_DONE = "all steps are done"  # odtk.training.loop's, which loads TensorFlow
_STOPPED = ("stopped by", "interrupted")


@dataclass(frozen=True)
class RunState:
    """What a training is doing."""

    kind: str
    text: str
    """A sentence for people, with the reason where there is one."""
    job: JobRecord | None = None
    """The project's newest job, if it is what the state is about."""
    is_complete: bool = False
    """Whether all steps are done, so that there is nothing to go on with."""
    more_steps: int | None = None
    """The step that the run may go on to: it has done all that there were to do, and more were given since."""

    @property
    def is_active(self) -> bool:
        """Whether a job of the queue waits or runs."""
        return self.kind in _ACTIVE

    @property
    def is_live(self) -> bool:
        """Whether something trains, here or in a terminal."""
        return self.kind in (STARTING, TRAINING, ENDING, ELSEWHERE)

    @property
    def can_start(self) -> bool:
        """Whether a job may be added."""
        return self.kind in (NEW, PAUSED, FINISHED, BROKEN, DIED)

    @property
    def tone(self) -> str:
        """Of the style sheet's states."""
        tones = {FINISHED: "done", BROKEN: "failed", DIED: "interrupted", PAUSED: "cancelled"}
        return tones.get(self.kind, "running" if self.is_live else "waiting")


def find_state(
    job: JobRecord | None,
    sessions: Sequence[Session],
    writer: Writer | None,
    error: str | None = None,
    planned: int | None = None,
) -> RunState:
    """The state of a run.

    `job`: the newest of the project's; `writer`: the process that holds the folder; `error`: the last error that the
    job's log has; `planned`: the last step of a training that is started now.
    """
    session = sessions[-1] if sessions else None
    if job is not None and job.state not in ENDED:
        return _of_active_job(job, session, writer)
    if writer is not None:
        text = f"Trained by process {writer.pid} on {writer.host}, since {writer.since}, without this queue"
        return RunState(ELSEWHERE, f"{text}: stop it where it was started.")
    if job is not None and not _is_later(session, job):
        return _of_ended_job(job, session, error, planned)
    return _of_session(session, planned)


def _of_active_job(job: JobRecord, session: Session | None, writer: Writer | None) -> RunState:
    if job.state == WAITING:
        again = " It was cut off and is tried again." if job.attempt else ""
        return RunState(QUEUED, f"Waits in the queue{': ' + job.reason if job.reason else ''}.{again}", job)
    if job.needs_worker and writer is not None:
        return RunState(TRAINING, f"Training, but {job.reason}.", job)
    if job.needs_worker:
        return RunState(QUEUED, f"Is not looked after: {job.reason}.", job)
    if job.is_cancelling:
        return RunState(ENDING, "Ending after the present step, with a checkpoint.", job)
    if session is not None and session.ended is None and _begins_in(session, job):
        return RunState(TRAINING, "Training.", job)
    return RunState(STARTING, "Starting: the config is checked, and TensorFlow is loaded.", job)


def _of_ended_job(job: JobRecord, session: Session | None, error: str | None, planned: int | None) -> RunState:
    own = session if session is not None and _begins_in(session, job) else None
    reason = own.reason if own else None
    if job.state == DONE:
        return _finished(own, planned, job)
    if job.state == CANCELLED:
        if own is None:
            return RunState(PAUSED if session else NEW, "Was stopped before it began to train.", job)
        if own.ended is None:
            text = "Was killed, as it had not ended in time. It goes on from the checkpoint that was saved last."
            return RunState(DIED, text, job)
        return RunState(PAUSED, f"Paused{_at(own)}, with a checkpoint. It goes on from there.", job)
    if job.state == INTERRUPTED:
        return RunState(DIED, _sentence("Died", job.reason), job)
    if job.state == FAILED:
        return RunState(BROKEN, _sentence("Failed", reason or error or job.reason), job)
    return RunState(BROKEN, _sentence("Was not run", job.reason), job)


def _of_session(session: Session | None, planned: int | None) -> RunState:
    """Of a run that no job of the queue trained, or trained last."""
    if session is None:
        return RunState(NEW, "Nothing has been trained yet.")
    if session.ended is None:
        return RunState(DIED, "Died: its process was killed, or its machine was turned off.")
    reason = session.reason or ""
    if reason.startswith(_STOPPED):
        return RunState(PAUSED, f"Was {reason}{_at(session)}, with a checkpoint. It goes on from there.")
    if reason.startswith(_ALL_DONE) or "time limit" in reason or reason.startswith("no improvement"):
        return _finished(session, planned)
    return RunState(BROKEN, _sentence("Failed", reason))


def _finished(session: Session | None, planned: int | None, job: JobRecord | None = None) -> RunState:
    reason, step = (session.reason, session.last_step) if session else (None, None)
    is_done = reason is not None and reason.startswith(_ALL_DONE)
    more = planned if is_done and planned and step is not None and planned > step else None
    return RunState(FINISHED, _sentence("Ended", reason), job, is_complete=is_done and not more, more_steps=more)


def _sentence(what: str, reason: str | None) -> str:
    return f"{what}: {reason.rstrip('.')}." if reason else f"{what}."


def _at(session: Session) -> str:
    return "" if session.last_step is None else f" at step {session.last_step:,}"


def _begins_in(session: Session, job: JobRecord) -> bool:
    """Whether a session is of the job's last attempt; run.json has whole seconds."""
    began = _seconds(session.started)
    return began is not None and job.started is not None and began >= job.started - 1


def _is_later(session: Session | None, job: JobRecord) -> bool:
    """Whether a session began after a job had ended: someone trained on in a terminal."""
    began = _seconds(session.started) if session else None
    return began is not None and job.ended is not None and began > job.ended + 1


def _seconds(text: str) -> float | None:
    """Since 1970, of a time as run.json has it."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
