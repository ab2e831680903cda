import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from spinn_edge.core.errors import BundleError, IncompatibleBundleError, UsageError
from spinn_edge.models.modules import MLP
from spinn_edge.pruning.layer_statistics import layer_statistics
from spinn_edge.pruning.staged import stages as stages_module
from spinn_edge.pruning.staged.stage_files import RECORD_NAME, WEIGHTS_NAME, hash_weights
from spinn_edge.pruning.staged.stage_record import Stage, StageEpoch, StageRecord
from spinn_edge.pruning.staged.stages import StageStore
from spinn_edge.training.fitting import Epoch

REQUEST = {"--target": 0.685, "--rounds": 3, "data sha256": "ab" * 32, "seed": 0}


def network(number=0):
    with torch.random.fork_rng():
        torch.manual_seed(number)
        return MLP((3, 8 - number, 2), "tanh")


def stage(number, **changes):
    mlp = network(number)
    record = StageRecord(
        number=number,
        request=REQUEST,
        requested=0.1 * number,
        achieved=0.1 * number + 1e-3,
        parameters=sum(p.numel() for p in mlp.parameters()),
        plan={"kept": {"0": list(range(8 - number))}},
        history=tuple(
            StageEpoch(number=n, train_loss=0.1 / n, validation_loss=0.2 / n, best=n == 2)
            for n in (1, 2)
        ),
        duration_s=1.5,
        layers=layer_statistics(mlp),
        score={"r2": 0.9, "r2 of wear": None},
    )
    return Stage(record=replace(record, **changes), weights=mlp.state_dict())


@pytest.fixture
def store(tmp_path):
    """Return a store that holds stages 0, 1 and 2."""
    made = StageStore(tmp_path / "out.stages")
    for number in range(3):
        made.save(stage(number))
    return made


def numbers(store):
    return [record.number for record in store.stages()]


def same_bits(one, other):
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and one[name].numpy().tobytes() == other[name].detach().numpy().tobytes()
        for name in one
    )


# --- what is kept


def test_stage_comes_back_as_it_was_saved(store):
    given = stage(1)
    loaded = store.load(1)
    assert replace(loaded.record, weights_sha256="") == given.record
    assert same_bits(loaded.weights, given.weights)
    assert numbers(store) == [0, 1, 2]
    assert store.last() == store.load(2).record
    assert store.ignored() == ()


def test_save_returns_the_record_that_is_read_back(tmp_path):
    store = StageStore(tmp_path / "deep" / "out.stages")
    saved = store.save(stage(0, score={"r2": float("nan")}))
    assert saved == store.load(0).record
    assert saved.score == {"r2": None}
    assert saved.weights_sha256 == hash_weights(stage(0).weights)


def test_every_kind_of_tensor_comes_back_bit_for_bit(tmp_path):
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    module[2].weight = module[0].weight  # tied
    module.register_buffer("scale", torch.tensor(0.1, dtype=torch.float64))
    module.register_buffer("turned", torch.arange(6).reshape(2, 3).T)
    module.register_buffer("odd", torch.tensor([float("nan"), -0.0, 1e-45]))
    store = StageStore(tmp_path / "stages")
    store.save(Stage(record=stage(0).record, weights=module.state_dict()))
    found = store.load(0).weights
    assert same_bits(found, module.state_dict())
    module.load_state_dict(found)  # and the ties hold what both had


def test_saved_weights_do_not_follow_the_network(tmp_path):
    store, mlp = StageStore(tmp_path / "stages"), network()
    before = hash_weights(mlp.state_dict())
    store.save(Stage(record=stage(0).record, weights=mlp.state_dict()))
    with torch.no_grad():
        mlp[0].weight.add_(1.0)
    assert hash_weights(store.load(0).weights) == before != hash_weights(mlp.state_dict())


def test_history_is_the_training_run_again():
    epochs = (
        Epoch(number=1, train_loss=0.5, validation_loss=0.25, best=True),
        Epoch(number=2, train_loss=float("inf"), validation_loss=0.5, best=False),
    )
    record = stage(0, history=tuple(map(StageEpoch.of, epochs))).record
    fit = record.to_fit()
    assert fit.history == epochs
    assert fit.best == epochs[0]
    assert not fit.interrupted


def test_loss_that_was_no_number_is_kept_as_unknown(tmp_path):
    epoch = StageEpoch(number=1, train_loss=float("nan"), validation_loss=0.5, best=True)
    saved = StageStore(tmp_path / "stages").save(stage(0, history=(epoch,)))
    assert saved.history[0].train_loss is None
    assert saved.to_fit().history[0].train_loss != saved.to_fit().history[0].train_loss  # NaN


def test_equal_weights_have_equal_digests_and_other_ones_not():
    one = network().state_dict()
    turned_round = dict(reversed(one.items()))
    assert hash_weights(one) == hash_weights(turned_round)
    other = {**one, "0.bias": one["0.bias"] + 1e-7}
    assert hash_weights(other) != hash_weights(one)
    assert hash_weights({**one, "0.bias": one["0.bias"].double()}) != hash_weights(one)


def test_state_that_is_no_tensor_is_refused(tmp_path):
    extra: Any = {"my": "state"}  # what get_extra_state() may give
    given = Stage(record=stage(0).record, weights={"extra": extra})
    with pytest.raises(BundleError, match="only tensors can"):
        StageStore(tmp_path / "stages").save(given)
    assert not (tmp_path / "stages").exists()


def test_reading_records_needs_no_torch(store):
    code = (
        "import sys; from pathlib import Path; "
        "from spinn_edge.pruning.staged.stages import StageStore; "
        "print(len(StageStore(Path(sys.argv[1])).stages()), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["3", "False"]


def test_pickle_in_the_place_of_weights_is_never_opened(store, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "went off"),))

    path = store.folder / "stage-002" / WEIGHTS_NAME
    torch.save({"0.weight": Bomb()}, path)
    forge_digest(store.folder / "stage-002")
    with pytest.raises(BundleError, match="cannot be read as safetensors"):
        store.load(2)
    assert not (tmp_path / "went off").exists()


# --- what was cut short or damaged


def truncate(folder):
    path = folder / WEIGHTS_NAME
    path.write_bytes(path.read_bytes()[:-1])


def flip_weight(folder):
    path = folder / WEIGHTS_NAME
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def flip_record(folder):
    path = folder / RECORD_NAME
    text = path.read_text()
    changed = re.sub(r'"duration_s": 1.5', '"duration_s": 1.6', text)
    assert changed != text
    path.write_text(changed)


def cut_record(folder):
    path = folder / RECORD_NAME
    path.write_text(path.read_text()[:100])


def empty_record(folder):
    (folder / RECORD_NAME).write_text("")


def other_document(folder):
    (folder / RECORD_NAME).write_text("[1, 2]")


def binary_record(folder):
    (folder / RECORD_NAME).write_bytes(b"\xff\xfe\x00")


def forge_digest(folder):
    """Make a changed stage look whole, as only one who means it does."""
    from spinn_edge.core.bundle import sha256_of
    from spinn_edge.pruning.staged.stage_files import record_bytes

    content = json.loads((folder / RECORD_NAME).read_text())["record"]
    content["weights_sha256"] = sha256_of(folder / WEIGHTS_NAME)
    (folder / RECORD_NAME).write_bytes(record_bytes(content))


def renumber(folder):
    from spinn_edge.pruning.staged.stage_files import record_bytes

    content = json.loads((folder / RECORD_NAME).read_text())["record"]
    (folder / RECORD_NAME).write_bytes(record_bytes({**content, "number": 7}))


DAMAGES = {
    truncate: "weights.safetensors was changed or is corrupt",
    flip_weight: "weights.safetensors was changed or is corrupt",
    flip_record: "stage.json was changed or is corrupt",
    cut_record: "stage.json cannot be read",
    empty_record: "stage.json cannot be read",
    binary_record: "stage.json cannot be read",
    other_document: "stage.json is not the record of a stage",
    renumber: "stage.json is that of stage 7",
    lambda folder: (folder / RECORD_NAME).unlink(): "stage.json cannot be read",
    lambda folder: (folder / WEIGHTS_NAME).unlink(): "weights.safetensors cannot be read",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_stage_is_ignored_with_words_and_resume_begins_before_it(store, damage):
    damage(store.folder / "stage-002")
    assert numbers(store) == [0, 1]
    assert store.last().number == 1
    (words,) = store.ignored()
    assert words.startswith("stage 2 is ignored: ")
    assert DAMAGES[damage] in words
    with pytest.raises(UsageError, match="has no stage 2; it has stages 0, 1; stage 2 is ignored"):
        store.load(2)
    store.save(stage(2))  # the round is run again
    assert numbers(store) == [0, 1, 2]
    assert store.ignored() == ()


def test_stage_behind_a_damaged_one_never_becomes_part_of_the_new_run(store):
    flip_weight(store.folder / "stage-001")
    assert numbers(store) == [0]
    assert len(store.ignored()) == 2
    assert "stage 1 is not there whole" in store.ignored()[1]
    store.save(stage(1))
    assert numbers(store) == [0, 1]
    assert store.ignored() == ()


@pytest.mark.parametrize("step", ["write_to_disk", "record_bytes", "flush_folder"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_stop_at_any_step_of_saving_leaves_the_stages_before_it(store, monkeypatch, step, error):
    def stop(*arguments):
        raise error("stopped")

    monkeypatch.setattr(stages_module, step, stop)
    with pytest.raises(BundleError if error is OSError else error, match="stopped"):
        store.save(stage(3))
    monkeypatch.undo()
    assert numbers(store) == [0, 1, 2]
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "stage-000",
        "stage-001",
        "stage-002",
    ]
    store.save(stage(3))
    assert numbers(store) == [0, 1, 2, 3]


def test_files_are_on_the_disk_before_the_stage_is_in_its_place(store, monkeypatch):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}"))
    )
    store.save(stage(3))
    names = [path.rsplit("/", 2)[1:] for path in synced]
    assert [name for _, name in names[:2]] == [WEIGHTS_NAME, RECORD_NAME]
    assert all(".stage-003.new-" in folder for folder, _ in names[:2])
    assert names[2][1].startswith(".stage-003.new-")
    assert names[3][1] == "out.stages"


def test_killed_process_leaves_words_and_the_next_save_cleans_up(store):
    half = store.folder / ".stage-003.new-abc"
    half.mkdir()
    (half / WEIGHTS_NAME).write_bytes(b"half")
    assert numbers(store) == [0, 1, 2]
    assert store.ignored() == ("stage 3 was not finished when a run ended",)
    store.save(stage(3))
    assert not half.exists()
    assert store.ignored() == ()


def test_stages_of_another_version_are_neither_read_nor_replaced(store):
    path = store.folder / "stage-002" / RECORD_NAME
    text = path.read_text().replace('"schema_version": 1', '"schema_version": 2')
    path.write_text(text)
    with pytest.raises(IncompatibleBundleError, match="schema version 2, this spinn-edge reads 1"):
        store.stages()
    with pytest.raises(IncompatibleBundleError):
        store.save(stage(2))
    assert path.read_text() == text


# --- order, rollback


@pytest.mark.parametrize("number", [0, 2, 4])
def test_only_the_next_stage_can_be_saved(store, number):
    with pytest.raises(UsageError, match=r"has stages 0, 1, 2, so the next stage is 3, not"):
        store.save(stage(number))
    assert numbers(store) == [0, 1, 2]


def test_rollback_drops_the_later_stages_and_returns_the_record(store):
    record = store.rollback(1)
    assert record == store.last()
    assert record.number == 1
    assert sorted(path.name for path in store.folder.iterdir()) == ["stage-000", "stage-001"]
    store.save(stage(2))
    assert numbers(store) == [0, 1, 2]


def test_rollback_drops_damaged_stages_too(store):
    flip_weight(store.folder / "stage-002")
    store.rollback(1)
    assert store.ignored() == ()


@pytest.mark.parametrize("number", [-1, 3, 99])
def test_unknown_stage_is_refused_with_the_known_ones(store, number):
    for call in (store.rollback, store.load):
        with pytest.raises(UsageError, match=rf"has no stage {number}; it has stages 0, 1, 2$"):
            call(number)
    assert numbers(store) == [0, 1, 2]


@pytest.mark.parametrize("moves", [0, 1, 2, 3])
def test_rollback_that_is_stopped_leaves_no_gap(store, monkeypatch, moves):
    left = moves
    rename = Path.rename

    def stop(*arguments):
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return rename(*arguments)

    store.save(stage(3))
    monkeypatch.setattr(Path, "rename", stop)
    monkeypatch.setattr(shutil, "rmtree", lambda path: stop())
    with pytest.raises(KeyboardInterrupt):
        store.rollback(0)
    monkeypatch.undo()
    assert numbers(store) == list(range(4 - moves))
    assert {words.split(maxsplit=2)[2] for words in store.ignored()} == {
        "was not finished when a run ended"
    }


def test_clear_drops_stages_and_nothing_else(store):
    (store.folder / "notes.txt").write_text("mine")
    store.clear()
    assert [path.name for path in store.folder.iterdir()] == ["notes.txt"]
    (store.folder / "notes.txt").unlink()
    store.clear()
    assert not store.folder.exists()
    store.clear()  # and again


def test_empty_store_has_no_stage(tmp_path):
    store = StageStore(tmp_path / "none")
    assert (store.stages(), store.last(), store.ignored()) == ((), None, ())
    with pytest.raises(UsageError, match=r"has no stage 0; it has no stage$"):
        store.load(0)
    store.check_request(REQUEST)
    assert not (tmp_path / "none").exists()


def test_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    store = StageStore(tmp_path / "file")
    with pytest.raises(BundleError, match="cannot be read as a folder of stages"):
        store.stages()
    with pytest.raises(BundleError):
        store.save(stage(0))
    assert (tmp_path / "file").read_text() == "mine"


# --- another run


def test_request_of_the_same_run_passes(store):
    store.check_request(dict(reversed(REQUEST.items())))
    store.check_request({**REQUEST, "seed": 0})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--target": 0.9}, "--target was 0.685 and is 0.9 now"),
        ({"seed": None}, "seed was 0 and is not given now"),
        ({"--importance": "l1"}, '--importance was not given and is "l1" now'),
        ({"data sha256": "cd" * 32}, 'data sha256 was "abababababab…" and is "cdcdcdcdcdcd…" now'),
    ],
)
def test_folder_of_another_run_is_refused_and_says_what_differs(store, changes, words):
    with pytest.raises(UsageError, match=re.escape(f"stages of another run: {words}. ")):
        store.check_request({**REQUEST, **changes})
    with pytest.raises(UsageError, match=re.escape(words)):
        store.save(stage(3, request={**REQUEST, **changes}))
    assert numbers(store) == [0, 1, 2]


def test_option_that_is_null_was_not_given(store):
    store.check_request({**REQUEST, "--latency-us": None})


def test_option_that_is_missing_now_differs(store):
    with pytest.raises(UsageError, match="--rounds was 3 and is not given now; seed was 0"):
        store.check_request({"--target": 0.685, "data sha256": "ab" * 32})


def test_request_is_compared_as_it_was_written(tmp_path):
    store = StageStore(tmp_path / "stages")
    store.save(stage(0, request={"widths": (1, 2), "rate": 1e-3}))
    store.check_request({"widths": [1, 2], "rate": 0.001})
