"""The second layer: the whole stack on a local cloud, harmed in every way from outside."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from tests.chaos import invariants
from tests.chaos.deployed import Deployed, NotAtRestError, deployed
from tests.chaos.faults import StepFault
from tests.chaos.report import Failure, Tally

from retraining.decision import MOST_DATASETS_PER_RUN

STATES = (
    "Wait for upload to settle",
    "Unpack archives",
    "Validate datasets",
    "Plan training",
    "Fine-tune recognizer",
    "Evaluate candidate and champion",
    "Judge candidate",
    "Register model",
)
_STORM = 50
_MOST_RUNS = 16
# What has not happened by then never will, however busy the machine is.
_PATIENCE = 1200.0


@dataclass
class Campaign:
    """Episodes on one stack; each ends at rest, with everything checked."""

    cloud: Deployed
    tally: Tally
    on_progress: Callable[[str], None]
    episodes: Iterator[int] = field(default_factory=lambda: iter(range(1, 1000)))
    _own: Counter[str] = field(default_factory=Counter)

    # --- an episode

    @contextmanager
    def episode(self, about: str, *, harm: float = 0.06, kill: float = 0.004) -> Iterator[str]:
        """Do something in bad weather, wait for rest in good weather, check what must hold."""
        began = time.monotonic()
        name = f"e{next(self.episodes)}"
        self._own = Counter()
        before = Counter(self.cloud.weather.injected)
        self.cloud.weather.be(harm=harm, kill=kill)
        why = ""
        try:
            yield name
            self.cloud.until(self._is_over, _PATIENCE, "the runs did not end")
            self.cloud.weather.be(harm=0, kill=0)
            self._check()
        except (AssertionError, BotoCoreError, ClientError) as error:
            why = str(error) or traceback.format_exc()
        finally:
            self.cloud.weather.be(harm=0, kill=0)
        injected = Counter(self.cloud.weather.injected) - before + self._own
        self.tally.injected += injected
        self.tally.stories += 1
        if why:
            self.tally.lost += injected
            self.tally.failures.append(Failure(f"cloud: {about}", sorted(injected), why, []))
        seconds = time.monotonic() - began
        result = f"NOT SURVIVED: {why}" if why else "survived"
        self.on_progress(f"{about}: {injected.total()} faults in {seconds:.0f} s: {result}")

    def _is_over(self) -> bool:
        return not self.cloud.running and not self.cloud.messages

    def note(self, kind: str, count: int = 1) -> None:
        """Count what was done that no proxy did."""
        self._own[f"cloud: {kind}"] += count

    def _check(self) -> None:
        self.cloud.come_to_rest()
        truth = self.cloud.look()
        truth.check_that_runs_do_not_overlap()
        invariants.check_at_rest(truth)
        waiting = invariants.waiting_for_a_person(truth)
        if not waiting - invariants.given_up(truth):
            return
        # Whatever waits after failed runs is trained with the next uploads, as many as a run takes.
        self.tally.waiting += 1
        for _ in range(len(waiting) // (MOST_DATASETS_PER_RUN - 1) + 1):
            self.cloud.upload("afterwards")
            self.cloud.come_to_rest()
            truth = self.cloud.look()
            truth.check_that_runs_do_not_overlap()
            invariants.check_at_rest(truth)
        left = invariants.waiting_for_a_person(truth) - invariants.given_up(truth)
        assert not left, f"{sorted(left)} were not taken along by the next run"

    def _run(self) -> str:
        """Wait for a run; the schedule comes meanwhile, for functions are killed."""

        def found() -> list[str]:
            return self.cloud.running

        try:
            return str(self.cloud.until(found, 10, "no run")[0])
        except AssertionError:
            self.cloud.tick()
            return str(self.cloud.until(found, _PATIENCE, "no run began")[0])

    # --- episodes

    def storm(self, count: int = _STORM) -> None:
        """Many datasets at once, their events ten times, in any order and late, with poison."""
        # Many messages take many calls: killed five times, good ones would be dead letters.
        with self.episode(f"{count} datasets at once", kill=0.001) as name:
            names = [f"{name}-{number}" for number in range(count)]
            for each in names:
                self.cloud.upload(each, lines=3)
            self.note("dataset dropped in a storm", count)
            self.cloud.send(["this is no event", "neither is this"])
            self.note("invalid event", 2)
            repeated = [self.cloud.announce(each) for each in names[:: max(1, count // 10)]] * 10
            self.cloud.rng.shuffle(repeated)
            self.cloud.send(repeated, latest=10)
            self.note("event repeated, reordered or late", len(repeated))
            # Else the bad weather would be over before the first event has arrived.
            self._run()

    def uploads_in_every_state(self) -> None:
        with self.episode("uploads in every state", kill=0) as name, self._slowly():
            self.cloud.upload(name)

            def act(state: str, _: str) -> None:
                self.cloud.upload(name)
                self.cloud.upload(f"{name}-{STATES.index(state)}")
                self.cloud.upload_the_same_again(name)
                self.note("upload during a run", 3)
                self._count_in(state, StepFault.UPLOAD_OF_ANOTHER, 3)

            self._in_every_state(act)

    def aborted_in_every_state(self) -> None:
        with self.episode("aborted in every state", kill=0) as name, self._slowly():
            self.cloud.upload(name)

            def act(state: str, run: str) -> None:
                self.cloud.abort(run)
                self.note("execution aborted")
                self._count_in(state, StepFault.RUN_ABORTED, 1)
                # Else its dataset would wait for somebody to upload something.
                self.cloud.upload(name)

            self._in_every_state(act)

    @contextmanager
    def _slowly(self) -> Iterator[None]:
        with self.cloud.jobs(seconds="1"):
            self.cloud.weather.be(harm=0.03, kill=0, delay_seconds=0.1)
            yield
            self.cloud.weather.be(harm=0.03, kill=0)

    def _in_every_state(self, act: Callable[[str, str], None]) -> None:
        """Do something in each state, in as many runs as that takes."""
        left = list(STATES)
        for _ in range(_MOST_RUNS):
            if not left:
                return
            run = self._run()
            while run in self.cloud.running and left:
                state = self.cloud.state_of(run)
                if state in left:
                    left.remove(state)
                    act(state, run)
                time.sleep(0.05)
        raise AssertionError(f"no run came to {left}")

    def _count_in(self, state: str, kind: StepFault, count: int) -> None:
        self.tally.by_state[f"{state}: {kind}"] += count

    def schedule_first(self) -> None:
        with self.episode("the schedule first, the events late") as name:
            rule = self._rule("UploadRule")
            self.cloud.events.disable_rule(Name=rule)
            try:
                self.cloud.upload(name)
                for _ in range(3):
                    self.cloud.tick()
                time.sleep(1)
            finally:
                self.cloud.events.enable_rule(Name=rule)
            self.cloud.send([self.cloud.announce(name)] * 10, latest=5)
            self.note("schedule before the event", 3)
            self.note("event repeated, reordered or late", 10)
            self._run()

    def end_lost(self) -> None:
        with self.episode("the end of a run is told by nobody") as name:
            rule = self._rule("RunEnded")
            self.cloud.events.disable_rule(Name=rule)
            try:
                self.cloud.upload(name)
                run = self._run()
                self.cloud.until(lambda: run not in self.cloud.running, _PATIENCE, "no end")
                self.note("end event lost")
            finally:
                self.cloud.events.enable_rule(Name=rule)

    def end_told_often(self) -> None:
        with self.episode("the end of a run is told ten times, late") as name:
            self.cloud.upload(name)
            run = self._run()
            self.cloud.until(lambda: run not in self.cloud.running, _PATIENCE, "no end")
            self.cloud.upload(name)
            event = self.cloud.end_event(run)
            for _ in range(10):
                self.cloud.notify(event)
            self.note("end event repeated", 10)

    def job_stopped(self, kind: str) -> None:
        with self.episode(f"{kind} job stopped", kill=0) as name, self.cloud.jobs(seconds="3"):
            self.cloud.upload(name)
            run = self._run()
            stop = self._stop_training if kind == "training" else self._stop_evaluation
            stopped = False
            while not stopped and run in self.cloud.running:
                stopped = stop()
            if stopped:
                self.note(f"{kind} job stopped")
            self.cloud.until(
                lambda: run not in self.cloud.running, _PATIENCE, "the run did not end"
            )

    def job_broken(self, kind: str) -> None:
        with self.episode(f"{kind} job fails", kill=0) as name, self.cloud.jobs(breaks=kind):
            self.cloud.upload(name)
            run = self._run()
            self.cloud.until(lambda: run not in self.cloud.running, _PATIENCE, "no end")
            self.note(f"{kind} job failed")

    def bad_weather(self, number: int) -> None:
        """Much harm to a few datasets."""
        with self.episode(f"bad weather {number}", harm=0.12, kill=0.01) as name:
            for each in range(2):
                self.cloud.upload(f"{name}-{each}")
            for _ in range(2):
                self.cloud.tick()
            self._run()

    # --- help

    def _rule(self, part: str) -> str:
        rules = self.cloud.events.list_rules()["Rules"]
        return str(next(each["Name"] for each in rules if part in each["Name"]))

    def _stop_training(self) -> bool:
        listed = self.cloud.sagemaker.list_training_jobs(StatusEquals="InProgress")
        for each in listed["TrainingJobSummaries"]:
            self.cloud.sagemaker.stop_training_job(TrainingJobName=each["TrainingJobName"])
            return True
        return False

    def _stop_evaluation(self) -> bool:
        listed = self.cloud.sagemaker.list_processing_jobs(StatusEquals="InProgress")
        for each in listed["ProcessingJobSummaries"]:
            self.cloud.sagemaker.stop_processing_job(ProcessingJobName=each["ProcessingJobName"])
            return True
        return False


def run(seed: int, deadline: float, logs: Path, *, storm: int = _STORM) -> Tally:
    """Go through all episodes, however long they take, then bad weather until the deadline (of
    time.monotonic).

    The local cloud's logs are left in ``logs`` when something was not survived.
    """
    tally = Tally()
    with _told_if_it_cannot_begin(tally), tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with deployed(home, seed, _print) as cloud:
            campaign = Campaign(cloud, tally, _print)
            for tell in _episodes(campaign, storm):
                tell()
            for number in itertools.count(1):
                if time.monotonic() > deadline:
                    break
                campaign.bad_weather(number)
        if tally.failures:
            shutil.copytree(home / "log", logs, dirs_exist_ok=True)
    return tally


@contextmanager
def _told_if_it_cannot_begin(tally: Tally) -> Iterator[None]:
    try:
        yield
    except NotAtRestError as error:
        tally.failures.append(Failure("cloud", ["nothing"], str(error), []))


def _episodes(campaign: Campaign, storm: int) -> Iterator[Callable[[], None]]:
    yield campaign.uploads_in_every_state
    yield campaign.aborted_in_every_state
    yield campaign.schedule_first
    yield campaign.end_lost
    yield campaign.end_told_often
    for kind in ("training", "evaluation"):
        yield partial(campaign.job_stopped, kind)
        yield partial(campaign.job_broken, kind)
    # Last: whatever fails here rides along with every run that follows, and makes it slow.
    yield partial(campaign.storm, storm)


def _print(text: str) -> None:
    print(text, flush=True)
