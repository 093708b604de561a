import pytest
from hypothesis import given
from hypothesis import strategies as st

from retraining.label_paths import OutsideDatasetError, candidates


def test_an_image_is_looked_for_at_the_root_then_by_the_label_file_then_above_it() -> None:
    assert candidates("images/a.png", "week/labels/train.txt") == (
        "images/a.png",
        "week/labels/images/a.png",
        "week/images/a.png",
    )
    assert candidates("a.png", "train.txt") == ("a.png",)


def test_places_outside_the_dataset_are_left_out() -> None:
    assert candidates("../images/a.png", "labels/train.txt") == ("images/a.png",)
    assert candidates("../../images/a.png", "week/labels/train.txt") == ("images/a.png",)


def test_pages_are_found_when_their_folder_got_another_name() -> None:
    assert candidates("scans/1.jpg", "Label.txt") == ("scans/1.jpg", "1.jpg")
    assert candidates("scans/1.jpg", "week/Label.txt")[-1] == "week/1.jpg"
    assert "1.jpg" not in candidates("scans/1.jpg", "rec_gt.txt")


@pytest.mark.parametrize(
    "path",
    [
        "/images/a.png",
        "../../a.png",
        "images/../../../a.png",
        "C:\\a.png",
        "..\\..\\a.png",
        "s3://other/a.png",
        "https://example.org/a.png",
        "..",
        ".",
        "",
        "a\0.png",
    ],
)
def test_a_path_out_of_the_dataset_is_refused(path: str) -> None:
    with pytest.raises(OutsideDatasetError):
        candidates(path, "train.txt")


_ANY = st.text("ab./\\:", max_size=12)


@given(_ANY, _ANY)
def test_no_candidate_ever_leaves_the_dataset(path: str, label_file: str) -> None:
    try:
        found = candidates(path, label_file)
    except OutsideDatasetError:
        return
    for each in found:
        assert not each.startswith("/")
        assert not {"", ".", ".."} & set(each.split("/"))


@pytest.mark.parametrize(
    ("path", "label_file", "place"),
    [
        ("images/a.png", "labels/train.txt", "images/a.png"),
        ("./images/a.png", "labels/train.txt", "images/a.png"),
        ("images\\a.png", "labels/train.txt", "images/a.png"),
        ("../images/a.png", "labels/train.txt", "images/a.png"),
        ("b.png", "labels/train.txt", "labels/b.png"),
        ("crop_img/c.png", "rec/rec_gt.txt", "rec/crop_img/c.png"),
    ],
)
def test_the_ways_in_which_labels_name_images_are_understood(
    path: str, label_file: str, place: str
) -> None:
    assert place in candidates(path, label_file)
