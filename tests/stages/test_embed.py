"""embed: rows in, vectors out, failures counted, resumed by row; search over what came out."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import goldpan
from goldpan.core.errors import InputError, WorkspaceError
from goldpan.imaging.opening import open_image
from goldpan.store.workspace import Workspace


@pytest.fixture
def acquired(ws: Workspace, photos: Path) -> Workspace:
    goldpan.acquire_folder(ws, folder=photos)
    return ws


def test_vectors_are_those_of_the_encoder_in_the_order_of_the_images(acquired: Workspace, photos: Path) -> None:
    report = goldpan.embed(acquired, encoder="pixels:4", batch_size=5)
    assert (report.rows_in, report.rows_out, report.already_done, report.failed) == (12, 12, 0, 0)
    ids, array = acquired.vectors("pixels:4")
    assert ids.tolist() == acquired.images.to_table()["id"].to_pylist()
    encoder = goldpan.load_encoder("pixels:4")
    own = encoder.encode(encoder.prepare(open_image(photos / ids[7]).image)[None])[0]
    np.testing.assert_allclose(array[7], own, atol=1e-6)


def test_the_same_again_does_nothing_and_new_rows_are_added(acquired: Workspace, photos: Path) -> None:
    goldpan.embed(acquired, encoder="phash:8")
    version = acquired.vectors_table("phash_8").version
    assert goldpan.embed(acquired, encoder="phash:8").already_done == 12
    assert acquired.vectors_table("phash_8").version == version
    Image.new("RGB", (30, 30), "red").save(photos / "cat" / "z.png")
    goldpan.acquire_folder(acquired, folder=photos)
    report = goldpan.embed(acquired, encoder="phash:8")
    assert (report.rows_out, report.already_done) == (13, 12)
    assert acquired.vectors("phash:8").ids[-1] == "cat/z.png"


def test_the_table_says_what_made_it(acquired: Workspace) -> None:
    goldpan.embed(acquired, encoder="phash:8")
    about = acquired.vectors_table("phash_8").metadata
    assert (about["encoder"], about["metric"], about["dim"]) == ("phash:8", "hamming", 8)
    assert about["revision"]
    assert about["preprocessing"]


def test_a_row_that_fails_is_counted_and_can_be_retried(acquired: Workspace, photos: Path) -> None:
    lost = photos / "dog" / "1.png"
    data = lost.read_bytes()
    lost.unlink()
    (photos / "eel" / "0.png").write_bytes(data[:60])
    report = goldpan.embed(acquired, encoder="pixels:2", batch_size=4)
    assert (report.rows_in, report.rows_out) == (12, 10)
    assert report.failures == {"missing_file": 1, "truncated": 1}
    again = goldpan.embed(acquired, encoder="pixels:2", batch_size=4)
    assert (again.already_done, again.failures) == (10, report.failures)
    lost.write_bytes(data)
    mended = goldpan.embed(acquired, encoder="pixels:2", retry_failures=True)
    assert mended.failures == {"truncated": 1}
    assert acquired.failures.to_table().to_pylist()[0]["attempts"] == 2
    assert len(acquired.vectors("pixels:2").ids) == 11


def test_dtype_and_name(acquired: Workspace) -> None:
    goldpan.embed(acquired, encoder="pixels:2", dtype="float16", name="half")
    goldpan.embed(acquired, encoder="pixels:2")
    half, full = acquired.vectors("half").array, acquired.vectors("pixels:2").array
    assert (half.dtype, full.dtype) == (np.float16, np.float32)
    np.testing.assert_allclose(half, full, atol=1e-3)
    with pytest.raises(WorkspaceError, match="--name"):
        goldpan.embed(acquired, encoder="pixels:2", name="half")


def test_a_table_is_never_mixed(acquired: Workspace) -> None:
    goldpan.embed(acquired, encoder="pixels:2", name="x")
    with pytest.raises(WorkspaceError, match="another revision"):
        goldpan.embed(acquired, encoder="pixels:3", name="x")


def test_shards_are_disjoint_and_whole(acquired: Workspace) -> None:
    for job in range(3):
        goldpan.embed(acquired, encoder="phash:8", batch_size=2, job_index=job, total_jobs=3)
    goldpan.embed(acquired, encoder="phash:8", batch_size=2, shard="0/3", name="first")
    ids = acquired.vectors("phash:8").ids.tolist()
    assert sorted(ids) == sorted(acquired.images.to_table()["id"].to_pylist())
    assert acquired.vectors("first").ids.tolist() == ids[:4]


def test_where_chooses_rows(acquired: Workspace) -> None:
    report = goldpan.embed(acquired, encoder="phash:8", where="label = 'dog'")
    assert report.rows_in == 4
    assert goldpan.embed(acquired, encoder="phash:8").already_done == 4


def test_an_empty_workspace_is_one_sentence(ws: Workspace) -> None:
    with pytest.raises(InputError, match="goldpan acquire"):
        goldpan.embed(ws, encoder="phash:8")


def test_crops_are_embedded_as_crops(ws: Workspace, tmp_path: Path) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, 20:] = 255
    (tmp_path / "i").mkdir()
    Image.fromarray(pixels).save(tmp_path / "i" / "a.png")
    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax"
    (tmp_path / "b.csv").write_text(f"{header}\na,x,/m/1,1,0,0.5,0,1\na,x,/m/2,1,0.5,1,0,1\na,x,/m/3,1,0,1,0,1\n")
    goldpan.acquire_openimages(ws, boxes=tmp_path / "b.csv", images=tmp_path / "i")
    goldpan.embed(ws, encoder="pixels:1")
    np.testing.assert_allclose(ws.vectors("pixels:1").array, [[0] * 3, [1] * 3, [0.5] * 3], atol=0.01)


def test_a_users_function_that_fails_on_one_image(acquired: Workspace, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "class Mine:\n"
        "    spec = 'mine'; revision = '1'; dim = 1; dtype = 'float32'; metric = 'l2'; unit_norm = False\n"
        "    encodes_images = True; encodes_text = False; concurrency = 2; batch_size = 3; preprocessing = {}\n"
        "    def prepare(self, image):\n"
        "        if image.height == 25: raise KeyError('odd one')\n"
        "        return np.float32([image.height if image.height < 27 else np.nan])\n"
        "    def encode(self, batch): return batch.reshape(-1, 1)\n"
        "    def encode_text(self, texts): raise NotImplementedError\n"
        "def make(): return Mine()\n"
    )
    report = goldpan.embed(acquired, encoder=f"{tmp_path}/mine.py:make")
    assert report.failures == {"encoder_failed": 3, "not_finite": 3}
    assert acquired.vectors("mine_make").array.ravel().tolist() == [24, 26] * 3
    assert "odd one" in acquired.failures.to_table("reason = 'encoder_failed'").to_pylist()[0]["detail"]


def test_search_by_id_image_and_vector_agree(acquired: Workspace, photos: Path, tmp_path: Path) -> None:
    goldpan.embed(acquired, encoder="pixels:8")
    by_id = goldpan.search_images(acquired, id="dog/2.png", k=5)
    by_image = goldpan.search_images(acquired, image=photos / "dog" / "2.png", k=5)
    ids, array = acquired.vectors("pixels:8")
    np.save(tmp_path / "q.npy", array[ids.tolist().index("dog/2.png")][None])
    by_vector = goldpan.search_images(acquired, vector=tmp_path / "q.npy", k=5)
    expected = np.linalg.norm(array - array[ids.tolist().index("dog/2.png")], axis=1)
    for answer in (by_id, by_image, by_vector):
        assert [hit.id for hit in answer.hits] == ids[np.argsort(expected, kind="stable")[:5]].tolist()
        np.testing.assert_allclose([hit.score for hit in answer.hits], np.sort(expected)[:5], atol=1e-5)
    assert by_id.hits[0].image["label"] == "dog"
    json.dumps(by_id.as_dict())


def test_search_filters_and_counts(acquired: Workspace) -> None:
    goldpan.embed(acquired, encoder="phash:8")
    answer = goldpan.search_images(acquired, id="cat/0.png", where="label = 'eel' AND height > 24", k=3)
    assert {hit.image["label"] for hit in answer.hits} == {"eel"}
    with pytest.raises(InputError, match="of which 3 fit"):
        goldpan.search_images(acquired, id="cat/0.png", where="label = 'eel' AND height > 24", k=4)
    goldpan.embed(acquired, encoder="pixels:2")
    with pytest.raises(InputError, match="choose with --encoder"):
        goldpan.search_images(acquired, id="cat/0.png", k=3)


def test_a_vector_of_another_size_is_refused(acquired: Workspace, tmp_path: Path) -> None:
    goldpan.embed(acquired, encoder="pixels:2")
    np.save(tmp_path / "q.npy", np.zeros((1, 5), np.float32))
    with pytest.raises(InputError, match="one vector of 12 is needed"):
        goldpan.search_images(acquired, vector=tmp_path / "q.npy", k=1)


def test_a_retry_of_one_part_leaves_the_failures_of_others(acquired: Workspace, photos: Path) -> None:
    lost = photos / "dog" / "1.png"
    data = lost.read_bytes()
    lost.unlink()
    goldpan.embed(acquired, encoder="pixels:2", batch_size=4)
    goldpan.embed(acquired, encoder="pixels:2", batch_size=4, retry_failures=True, where="label = 'cat'")
    assert acquired.failures.count() == 1
    lost.write_bytes(data)
    assert goldpan.embed(acquired, encoder="pixels:2", retry_failures=True, where="label = 'dog'").failed == 0
    assert acquired.failures.count() == 0


def test_a_model_that_fails_on_one_row_of_a_batch(acquired: Workspace, tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "import numpy as np\n"
        "class Odd:\n"
        "    spec = 'odd'; revision = '1'; dim = 1; dtype = 'float32'; metric = 'l2'; unit_norm = False\n"
        "    encodes_images = True; encodes_text = False; concurrency = 1; batch_size = 12; preprocessing = {}\n"
        "    def prepare(self, image): return np.float32([image.height])\n"
        "    def encode(self, batch):\n"
        "        if (batch == 26).any(): raise RuntimeError('cannot')\n"
        "        return batch.reshape(-1, 1)\n"
        "    def encode_text(self, texts): raise NotImplementedError\n"
        "def make(): return Odd()\n"
    )
    report = goldpan.embed(acquired, encoder=f"{tmp_path}/odd.py:make")
    assert (report.rows_out, report.failures) == (9, {"encoder_failed": 3})
    assert len(acquired.vectors("odd_make").ids) == 9


def test_two_runs_of_one_part_are_refused(acquired: Workspace) -> None:
    with acquired.writing("vectors/phash_8, part 0 of 1,"), pytest.raises(WorkspaceError, match="Another run"):
        goldpan.embed(acquired, encoder="phash:8")
    goldpan.embed(acquired, encoder="phash:8")


def test_search_by_text_or_image_works_from_another_folder(
    acquired: Workspace, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "enc.py").write_text(
        "import numpy as np\ndef sums():\n    return lambda images: np.ones((len(images), 2))\n"
    )
    monkeypatch.chdir(tmp_path)
    goldpan.embed(acquired, encoder="enc.py:sums")
    monkeypatch.chdir("/")
    assert len(goldpan.search_images(acquired, image=photos / "dog" / "1.png", k=3).hits) == 3


@pytest.mark.slow
def test_a_cluster_makes_the_same_vectors(acquired: Workspace, ray_cluster: None) -> None:
    for executor in ("local", "ray"):
        report = goldpan.embed(acquired, encoder="pixels:4", name=executor, batch_size=5, executor=executor)
        assert report.rows_out == 12
    for here, there in zip(acquired.vectors("local"), acquired.vectors("ray"), strict=True):
        np.testing.assert_array_equal(here, there)
