"""The one worker process: scoring, learning, folding, audits, reports. It may die; the daemon reads on meanwhile.

`python -m monitor.worker --state S --config C` reads one job per line from stdin and answers with one line on stdout
(JSON both ways):

    {"id", "job", "args", "now_us"}
    {"id", "ok", "words", "ledger": [..], "assessments": [..], "verdicts": [..], "files": [..], "purge_before_ms",
     "brought_in": [..], "then": [..]}

Before the answer to a job that takes longer than a second come lines that say how far it is (monitor.progress):

    {"id", "progress": {"words", "done", "total", "elapsed_s"} or null}

It writes Parquet, models and reports itself, but neither hot file nor ledger: what belongs there it sends back to their
one owner. A job that fails is reported in its own words and the next one is done. The daemon's end of it is
monitor.daemon.supervisor.
"""

import argparse
import json
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from drivers.errors import UserError
from monitor.children import end_with
from monitor.jobs import JOBS, JobResult
from monitor.progress import Progress, Tell
from monitor.settings import load
from monitor.state import State
from monitor.words import use_language

LOG = logging.getLogger("handwheel.worker")


def serve(state: State, config: Path, asked: IO[str], answers: IO[str]) -> None:
    """Do jobs until the input ends."""
    settings = load(config)
    state = state.with_history(settings.history)
    use_language(settings.language)
    for line in asked:
        message = json.loads(line)
        try:
            job = JOBS.get(message["job"])
            if job is None:
                raise UserError(f"job {message['job']!r} is unknown; known: {', '.join(sorted(JOBS))}")
            tell = _teller(message["id"], answers)
            result = job(state, settings, int(message["now_us"]), message["args"], tell).to_json()
            told = json.dumps({"id": message["id"], "ok": True, **result}, ensure_ascii=False, allow_nan=False)
        except Exception as fault:  # a job that fails is an answer; the next one is done
            if not isinstance(fault, UserError):
                LOG.exception("%s failed", message["job"])
            failed = JobResult(f"{message['job']}: {_words(fault).removeprefix(message['job'] + ': ')}")
            told = json.dumps({"id": message["id"], "ok": False, **failed.to_json()}, ensure_ascii=False)
        answers.write(told + "\n")
        answers.flush()


def _teller(name: str, answers: IO[str]) -> Tell:
    def tell(progress: Progress | None) -> None:
        told = {"id": name, "progress": progress.to_json() if progress else None}
        answers.write(json.dumps(told, ensure_ascii=False) + "\n")
        answers.flush()

    return tell


def _words(fault: Exception) -> str:
    return str(fault) if isinstance(fault, UserError) else f"{type(fault).__name__}: {fault}"


def main() -> int:
    """The process: its answers go where stdout was, and whatever a library prints goes to stderr instead."""
    parser = argparse.ArgumentParser(prog="python -m monitor.worker", description="started by `handwheel run`")
    parser.add_argument("--state", required=True)
    parser.add_argument("--config", required=True)
    args = parser.parse_args()
    end_with(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to answer
    os.nice(10)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # where memory runs out, it goes before the daemon
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(State(Path(args.state)), Path(args.config), sys.stdin, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
