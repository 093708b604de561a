"""Weight files: Paddle's are read, anything that could run code is refused."""

import pickle
from pathlib import Path

import numpy as np
import paddle
import pytest

from finetuning.weights import WeightsError, load_weights, save_weights


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_what_paddle_saves_is_read(tmp_path: Path) -> None:
    layer = paddle.nn.Linear(2, 3)
    paddle.save(layer.state_dict(), str(tmp_path / "model.pdparams"))

    weights = load_weights(tmp_path / "model.pdparams")

    assert set(weights) == {"weight", "bias"}
    np.testing.assert_array_equal(weights["weight"], layer.weight.numpy())


def test_what_is_written_paddle_reads(tmp_path: Path) -> None:
    save_weights({"weight": np.arange(3.0)}, tmp_path / "model.pdparams")

    loaded = paddle.load(str(tmp_path / "model.pdparams"), return_numpy=True)

    np.testing.assert_array_equal(loaded["weight"], np.arange(3.0))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_every_pickle_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    content = {"weight": np.arange(6.0).reshape(2, 3), "pair": ("name", np.ones(2))}
    (tmp_path / "model.pdparams").write_bytes(pickle.dumps(content, protocol))

    weights = load_weights(tmp_path / "model.pdparams")

    np.testing.assert_array_equal(weights["weight"], content["weight"])
    np.testing.assert_array_equal(weights["pair"], np.ones(2))


def test_a_hostile_file_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    proof = tmp_path / "it-ran"
    hostile = {"weight": np.ones(2), "payload": Hostile(proof)}
    (tmp_path / "model.pdparams").write_bytes(pickle.dumps(hostile))

    with pytest.raises(WeightsError, match="is refused: it holds more than arrays"):
        load_weights(tmp_path / "model.pdparams")

    assert not proof.exists()


@pytest.mark.parametrize(
    "payload",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
        b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x04pass\x85R.",
    ],
    ids=["os.system", "eval", "numpy.load", "exec"],
)
def test_callables_of_other_modules_are_refused(tmp_path: Path, payload: bytes) -> None:
    (tmp_path / "model.pdparams").write_bytes(payload)

    with pytest.raises(WeightsError, match="is refused"):
        load_weights(tmp_path / "model.pdparams")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged"),
        (b"not a pickle", "damaged"),
        (pickle.dumps([1, 2]), "holds no names"),
        (pickle.dumps({"weight": "text"}), "more than numeric arrays"),
        (pickle.dumps({"weight": np.array(["text"], dtype=object)}), "more than numeric arrays"),
    ],
)
def test_what_is_no_weight_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "model.pdparams").write_bytes(content)

    with pytest.raises(WeightsError, match=reason):
        load_weights(tmp_path / "model.pdparams")


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    save_weights({"weight": np.ones(1000)}, tmp_path / "model.pdparams")
    data = (tmp_path / "model.pdparams").read_bytes()
    (tmp_path / "model.pdparams").write_bytes(data[: len(data) // 2])

    with pytest.raises(WeightsError, match="damaged"):
        load_weights(tmp_path / "model.pdparams")
