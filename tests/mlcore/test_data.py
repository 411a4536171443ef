"""Reading CIFAKE, and the split that no twin may straddle."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from mlcore import data
from mlcore.errors import DataError


def jpeg(seed: int, size: int = 32) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def fill(folder, *, n=50, twins=10):
    """n images a class, and as many byte-identical FAKE twins under other names."""
    for number, label in enumerate(("REAL", "FAKE")):
        (folder / "train" / label).mkdir(parents=True)
        for i in range(n):
            (folder / "train" / label / f"{i}.jpg").write_bytes(jpeg(1000 * number + i))
    for i in range(twins):
        (folder / "train" / "FAKE" / f"twin {i}.jpg").write_bytes(jpeg(1000 + i))


@pytest.fixture
def folder(tmp_path):
    fill(tmp_path)
    return tmp_path


def test_a_folder_and_a_zip_of_it_read_the_same(folder, tmp_path):
    archive = tmp_path / "cifake.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in folder.rglob("*.jpg"):
            target.write(path, path.relative_to(folder))
    one, other = data.load(folder / "train"), data.load(archive)
    assert len(one) == 110
    assert one.labels.sum() == 60
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.hashes, other.hashes)


def test_twins_never_straddle_the_split(folder):
    whole = data.load(folder)
    for seed in range(8):
        learn, held_out = data.split(whole, seed=seed)
        assert not set(learn.hashes.tolist()) & set(held_out.hashes.tolist())
        assert len(learn) + len(held_out) == len(whole)


def test_the_split_is_stratified_and_of_the_asked_size(folder):
    _, held_out = data.split(data.load(folder), share=0.2, seed=3)
    unique = np.unique(held_out.hashes, return_index=True)[1]
    assert (held_out.labels[unique] == 0).sum() == 10
    assert (held_out.labels[unique] == 1).sum() == 10


def test_the_split_depends_on_content_not_on_names(folder, tmp_path_factory):
    renamed = tmp_path_factory.mktemp("renamed")
    for number, path in enumerate(sorted(folder.rglob("*.jpg"), reverse=True)):
        target = renamed / path.parent.name / f"{number:04}.jpg"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    sides = [data.split(data.load(root), seed=5)[1].hashes for root in (folder, renamed)]
    assert sorted(sides[0].tolist()) == sorted(sides[1].tolist())


def test_another_seed_gives_another_split(folder):
    whole = data.load(folder)
    assert set(data.split(whole, seed=1)[1].hashes.tolist()) != set(
        data.split(whole, seed=2)[1].hashes.tolist()
    )


def test_order_of_either_part_tells_nothing_of_the_class(folder):
    learn, _ = data.split(data.load(folder), seed=0)
    assert 0 < learn.labels[:40].sum() < 40


@pytest.mark.parametrize(
    ("path", "label"),
    [("train/REAL/a.jpg", 0), ("x/fake/b/c.jpg", 1), ("REAL.jpg", None), ("a/b.jpg", None)],
)
def test_the_class_is_the_nearest_folder(path, label):
    assert data.label_of(path) == label


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: (root / "REAL" / "broken.jpg").write_bytes(b"no image"), "broken.jpg"),
        (lambda root: (root / "REAL" / "big.jpg").write_bytes(jpeg(1, 64)), "64×64"),
        (lambda root: [path.unlink() for path in (root / "FAKE").iterdir()], "both classes"),
    ],
)
def test_errors_name_what_is_wrong(tmp_path, make, words):
    for number, label in enumerate(("REAL", "FAKE")):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.jpg").write_bytes(jpeg(number))
    make(tmp_path)
    with pytest.raises(DataError, match=words):
        data.load(tmp_path)


def test_no_such_data():
    with pytest.raises(DataError, match="nowhere"):
        data.load("nowhere")
