"""Target search in real pictures."""

import cv2
import numpy as np
import pytest
from PIL import Image

from gazekit.datasets.check import check
from gazekit.datasets.search_pictures import SearchPictures, load
from gazekit.errors import DataError

HEADER = "image,x_min,y_min,x_max,y_max,target_image,category"


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(0)
    for name, (height, width) in {"a.png": (40, 60), "sub/b.png": (40, 60), "c.png": (50, 30)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), draw.integers(0, 256, (height, width, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "mug.png"), draw.integers(0, 256, (7, 9, 3), np.uint8))
    return tmp_path


def lines(folder, *rows, header=HEADER):
    (folder / "targets.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def ready(folder, **arguments):
    data = SearchPictures(folder, **arguments)
    data.setup()
    return data


def test_batches(folder):
    rows = (
        "a.png,10,5,20,17,,cup",
        "sub/b.png,0.5,0,10,11.5,,",
        "c.png,0,0,30,50,,dog",
        "a.png,1,1,8,8,mug.png,cup",
    )
    data = ready(lines(folder, *rows))
    assert data.facts()["categories"] == ["cup", "dog"]
    batches = list(data.batches("test"))
    assert [tuple(b["picture"].shape) for b in batches] == [(1, 50, 30, 3), (1, 40, 60, 3), (2, 40, 60, 3)]
    picture = cv2.imread(str(folder / "a.png"))[..., ::-1]
    batch = batches[2]
    np.testing.assert_array_equal(batch["picture"][0].numpy(), picture)
    np.testing.assert_array_equal(batch["target_picture"][0].numpy(), picture[5:17, 10:20])
    assert batch["target_picture"].shape == (2, 12, 10, 3)  # fractions: the whole pixels that the box touches
    assert batch["target_box_px"].tolist() == [[10, 5, 20, 17], [0.5, 0, 10, 11.5]]
    assert batch["category"].tolist() == [0, -1] and (batch["background"] == 127).all()
    np.testing.assert_array_equal(
        batches[1]["target_picture"][0], cv2.imread(str(folder / "mug.png"))[..., ::-1]
    )
    assert batches[1]["group"][0] == batch["group"][0] != batch["group"][1]  # two targets of one picture
    np.testing.assert_array_equal(batches[0]["target_picture"][0], batches[0]["picture"][0])
    assert data.items([1, 3]) == ["sub/b.png", "a.png"]
    assert data.about()["fingerprint"]["pictures"] == 3
    with pytest.raises(ValueError, match="of one size"):
        data.batch([0, 2])


def test_grey_jpeg_and_few_columns(folder):
    cv2.imwrite(str(folder / "g.jpg"), np.full((20, 20), 90, np.uint8))
    data = ready(lines(folder, " g.jpg ,0,0,4,4", "", header="image, x_min,y_min,x_max,y_max"))
    batch = data.batch([0])
    assert batch["picture"].shape == (1, 20, 20, 3) and (batch["picture"] == 90).all()
    assert data.facts()["categories"] == [] and batch["category"].tolist() == [-1]


BROKEN = [
    ("none.png,0,0,5,5,,", "the picture .*none.png does not exist"),
    (",0,0,5,5,,", "image is empty"),
    ("targets.csv,0,0,5,5,,", "is not a readable picture"),
    (
        "a.png,0,0,61,5,,",
        r"box 0, 0, 61, 5 must have x_min < x_max and y_min < y_max inside a.png, 60 x 40 px",
    ),
    ("a.png,-1,0,5,5,,", "box -1, 0, 5, 5 must have"),
    ("a.png,5,0,5,5,,", "box 5, 0, 5, 5 must have"),
    ("a.png,5,x,9,9,,", "y_min must be a number of pixels, got 'x'"),
    ("a.png,5,nan,9,9,,", "y_min must be a number of pixels, got 'nan'"),
    ("a.png,5,5,9", "another number of values than columns"),
    ("a.png,5,5,9,9,,,,", "another number of values than columns"),
    ("a.png,5,5,9,9,c.png,", "c.png, .*30, 50.* px, is larger than a.png, .*60, 40.* px"),
    ("a.png,5,5,9,9,none.png,", "target_image: the picture .*none.png does not exist"),
    ("a.png,0,0,5,5,,cup", "the same search as .*targets.csv, row 2"),
]


@pytest.mark.parametrize(("row", "message"), BROKEN)
def test_broken_lines(folder, row, message):
    lines(folder, "a.png,0,0,5,5,,", row)
    with pytest.raises(DataError, match=rf"targets.csv, row 3: .*{message}"):
        load(folder)
    data = ready(folder, on_bad_record="skip")
    assert len(data.parts["test"]) == 1 and "row 3" in data.about()["notes"][0]
    assert "broken      1 records" in "\n".join(check("search_pictures", folder).lines())


def test_broken_files(folder):
    with pytest.raises(FileNotFoundError, match=r"lacks targets.csv"):
        load(folder)
    with pytest.raises(DataError, match="no column x_max; found image, x_min, y_min, y_max"):
        load(lines(folder, "a.png,0,0,5", header="image,x_min,y_min,y_max"))
    with pytest.raises(DataError, match="has no search that can be read: no line"):
        load(lines(folder))
    (folder / "targets.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a CSV file in UTF-8"):
        load(folder)


def test_pictures_that_programs_show_differently(folder):
    data = ready(lines(folder, "a.png,0,0,5,5,,"))
    whole = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(whole[:-200])
    with pytest.raises(DataError, match=r"targets.csv, row 2: .*a.png is not a readable picture .*complete"):
        data.batch([0])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(folder / "t.jpg", exif=exif)
    with pytest.raises(DataError, match="turned by its EXIF tag"):
        ready(lines(folder, "t.jpg,0,0,5,5,,")).batch([0])
