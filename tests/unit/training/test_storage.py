"""The array store: arrays of any shape come back as they were put in."""

import numpy as np

from finetuning.storage import ArrayStore


def test_arrays_come_back_in_any_order() -> None:
    arrays = [np.arange(6).reshape(2, 3), np.zeros((0, 3)), np.arange(4).reshape(4, 1)]
    with ArrayStore("uint8") as store:
        indices = [store.append(array) for array in arrays]

        for index in reversed(indices):
            np.testing.assert_array_equal(store[index], arrays[index])
        assert [store.shape(index) for index in indices] == [(2, 3), (0, 3), (4, 1)]
        assert len(store) == 3


def test_an_array_appended_after_reading_does_not_disturb_the_others() -> None:
    with ArrayStore("float16") as store:
        first = store.append(np.ones(5))
        assert store[first].sum() == 5
        second = store.append(np.full(3, 2.0))

        assert store[second].tolist() == [2, 2, 2]
        assert store[first].tolist() == [1] * 5
