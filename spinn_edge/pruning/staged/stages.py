"""A folder of stages: what every round of pruning left, to continue from or to go back to.

A stage is a folder of two files, moved into place in one step when both are on the disk. Its
record holds digests of the weights and of itself, so that a stage is read whole or not at all.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from spinn_edge.core.decode import decode
from spinn_edge.core.errors import BundleError, IncompatibleBundleError, UsageError, first_line
from spinn_edge.core.optional import require
from spinn_edge.pruning.staged.stage_files import (
    RECORD_NAME,
    WEIGHTS_NAME,
    flush_folder,
    read_record,
    record_bytes,
    weights_bytes,
    write_to_disk,
)
from spinn_edge.pruning.staged.stage_record import Stage, StageRecord, differences, json_values

_STAGE = re.compile(r"stage-(\d{3,})")
_UNFINISHED = re.compile(r"\.stage-(\d{3,})\.(?:new|old)-.*")


class StageStore:
    """The stages of one run, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        """Touch nothing yet.

        Args:
            folder: beside the bundle that the run writes; it need not exist.
        """
        self.folder = Path(folder)

    def save(self, stage: Stage) -> StageRecord:
        """Add the next stage. It is there whole when this returns, also after a power cut.

        Stages that are damaged, or that stand behind a damaged one, give way to it.

        Args:
            stage: numbered one above the last one. One that the user interrupted does not belong
                here: it would be taken for a finished one.

        Returns:
            The record as :meth:`load` gives it, with the digest of the weights.

        Raises:
            UsageError: its number is not the next one, or the stages are of another run.
            BundleError: it cannot be written.
            MissingDependencyError: safetensors is not installed.
        """
        number, known = stage.record.number, self.stages()
        if number != len(known):
            raise UsageError(
                f"{self.folder} has {_listed(known)}, so the next stage is {len(known)}, not "
                f"{number}; go back with --rollback, or start anew with another --out"
            )
        self._check_same_run(known, stage.record.request)
        weights = weights_bytes(stage.weights)
        digest = hashlib.sha256(weights).hexdigest()
        content = json_values(replace(stage.record, weights_sha256=digest))
        record = decode(StageRecord, content, where=RECORD_NAME)
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._drop_from(number)
            new = Path(tempfile.mkdtemp(prefix=f".stage-{number:03d}.new-", dir=self.folder))
            try:
                new.chmod(0o755)
                write_to_disk(new / WEIGHTS_NAME, weights)
                write_to_disk(new / RECORD_NAME, record_bytes(content))
                flush_folder(new)
                new.rename(self._path(number))
            finally:
                shutil.rmtree(new, ignore_errors=True)
            flush_folder(self.folder)
        return record

    def stages(self) -> tuple[StageRecord, ...]:
        """Return the complete stages from 0 on, up to the first that is missing or damaged.

        Raises:
            IncompatibleBundleError: another version of spinn-edge wrote them.
            BundleError: the folder cannot be read.
        """
        return self._survey()[0]

    def ignored(self) -> tuple[str, ...]:
        """Say in words what lies in the folder and is no complete stage; for the user to read."""
        return self._survey()[1]

    def last(self) -> StageRecord | None:
        """Return the last complete stage; None where there is none."""
        return next(reversed(self.stages()), None)

    def load(self, number: int) -> Stage:
        """Read one complete stage. Nothing is unpickled.

        Raises:
            UsageError: there is no such stage; lists those that there are.
            BundleError: its weights are damaged.
            MissingDependencyError: safetensors is not installed.
        """
        record = self._find(number)
        path = self._path(number) / WEIGHTS_NAME
        load = require("safetensors.torch", extra="export").load
        try:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != record.weights_sha256:
                raise BundleError(f"{path} changed while it was read; nothing else may write there")
            return Stage(record=record, weights=load(content))
        except BundleError:
            raise
        except Exception as exc:  # safetensors raises its own Rust error type
            raise BundleError(
                f"{path} cannot be read as safetensors ({first_line(exc)}); start anew with "
                "another --out"
            ) from exc

    def rollback(self, number: int) -> StageRecord:
        """Drop every stage behind one, the last one first.

        Returns:
            The record of the stage that is the last one now.

        Raises:
            UsageError: there is no such stage; lists those that there are.
            BundleError: a stage cannot be removed.
        """
        record = self._find(number)
        with self._writing():
            self._drop_from(number + 1)
        return record

    def clear(self) -> None:
        """Drop every stage, and the folder if nothing else is in it.

        Raises:
            BundleError: a stage cannot be removed.
        """
        with self._writing():
            self._drop_from(0)
            if self.folder.is_dir() and not any(self.folder.iterdir()):
                self.folder.rmdir()

    def check_request(self, request: Mapping[str, Any]) -> None:
        """Refuse to continue what was begun with another request; without a stage nothing is.

        Args:
            request: see :attr:`StageRecord.request`.

        Raises:
            UsageError: it differs; says in what.
        """
        self._check_same_run(self.stages(), request)

    def _check_same_run(self, known: tuple[StageRecord, ...], request: Mapping[str, Any]) -> None:
        given = json_values(request)
        for record in known:
            if found := differences(record.request, given):
                raise UsageError(
                    f"{self.folder} holds stages of another run: {'; '.join(found)}. "
                    "Continue it with what it was begun with, or start anew with another --out"
                )

    def _find(self, number: int) -> StageRecord:
        known, words = self._survey()
        if 0 <= number < len(known):
            return known[number]
        said = "".join(f"; {word}" for word in words)
        raise UsageError(f"{self.folder} has no stage {number}; it has {_listed(known)}{said}")

    def _path(self, number: int) -> Path:
        return self.folder / f"stage-{number:03d}"

    def _numbers(self, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
        try:
            found = [(pattern.fullmatch(path.name), path) for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise BundleError(
                f"{self.folder} cannot be read as a folder of stages ({exc}); choose another --out"
            ) from exc
        return sorted((int(match[1]), path) for match, path in found if match)

    def _survey(self) -> tuple[tuple[StageRecord, ...], tuple[str, ...]]:
        """Return the complete stages without a gap, and what is wrong with anything else."""
        known: list[StageRecord] = []
        words: list[str] = []
        for number, path in self._numbers(_STAGE):
            try:
                record = read_record(path, number)
            except IncompatibleBundleError:  # whole, but not ours to judge, nor to replace
                raise
            except BundleError as exc:
                words.append(f"stage {number} is ignored: {exc}")
                continue
            if number == len(known):
                known.append(record)
            else:
                words.append(f"stage {number} is ignored: stage {len(known)} is not there whole")
        unfinished = (number for number, _ in self._numbers(_UNFINISHED))
        words += [f"stage {number} was not finished when a run ended" for number in unfinished]
        return tuple(known), tuple(words)

    def _drop_from(self, number: int) -> None:
        """Remove stages from the last one down, and what unfinished ones left."""
        for found, path in reversed(self._numbers(_STAGE)):
            if found >= number:
                # renamed first, in one step, so that no stage is ever there by half
                old = tempfile.mkdtemp(prefix=f".stage-{found:03d}.old-", dir=self.folder)
                path.rename(Path(old) / path.name)
        for _, path in self._numbers(_UNFINISHED):
            shutil.rmtree(path)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise BundleError(
                f"cannot write the stages in {self.folder}: {exc}; choose another --out"
            ) from exc


def _listed(known: tuple[StageRecord, ...]) -> str:
    return f"stages {', '.join(str(record.number) for record in known)}" if known else "no stage"
