"""ONNX models: layouts, variants, outputs, texts, and what is said of the ones that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goldpan.core.errors import FormatError, InputError
from goldpan.encoders.loading import EncoderOptions, load_encoder
from goldpan.encoders.protocol import Encoder
from goldpan.encoders.tokens import Tokenizer
from tests.encoders import towers

pytest.importorskip("onnx")
PHOTO = Image.linear_gradient("L").convert("RGB").resize((100, 60))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return towers.save_onnx(tmp_path / "model")


def vector(encoder: Encoder) -> np.ndarray:
    return encoder.encode(encoder.prepare(PHOTO)[None])


def test_flat_and_nested_layouts_are_the_same_model(tmp_path: Path, folder: Path) -> None:
    flat = towers.save_onnx(tmp_path / "flat", flat=True)
    nested, beside = load_encoder(f"onnx:{folder}"), load_encoder(f"onnx:{flat}")
    assert nested.revision == beside.revision
    assert np.array_equal(vector(nested), vector(beside))


def test_variants_are_files_of_another_ending(folder: Path) -> None:
    towers.save_onnx(folder, suffix="_fp16", dim=4)
    assert load_encoder(f"onnx:{folder}").dim == 8
    assert load_encoder(f"onnx:{folder}", EncoderOptions(variant="fp16")).dim == 4
    with pytest.raises(InputError, match=r"no onnx/vision_model_q4.onnx.*found: .*onnx/vision_model.onnx"):
        load_encoder(f"onnx:{folder}", EncoderOptions(variant="q4"))


def test_other_outputs_are_of_images_alone_and_of_any_length(folder: Path) -> None:
    encoder = load_encoder(f"onnx:{folder}", EncoderOptions(output="logits"))
    assert (encoder.dim, encoder.unit_norm, encoder.encodes_text) == (5, False, False)
    scaled = load_encoder(f"onnx:{folder}", EncoderOptions(output="logits", normalize=True))
    assert np.linalg.norm(vector(scaled)) == pytest.approx(1, abs=1e-6)
    assert scaled.revision != encoder.revision
    with pytest.raises(InputError, match="has no output 'embeds'; it has: image_embeds, logits, features"):
        load_encoder(f"onnx:{folder}", EncoderOptions(output="embeds"))


def test_of_a_sequence_the_first_token_is_taken(folder: Path) -> None:
    encoder = load_encoder(f"onnx:{folder}", EncoderOptions(output="features"))
    assert vector(encoder)[0] == pytest.approx(encoder.prepare(PHOTO)[0].mean(axis=1), abs=1e-6)


def test_one_model_of_photos_needs_no_text_tower(folder: Path) -> None:
    (folder / "onnx/vision_model.onnx").rename(folder / "onnx/model.onnx")
    (folder / "onnx/text_model.onnx").unlink()
    encoder = load_encoder(f"onnx:{folder}")
    assert (encoder.dim, encoder.encodes_text) == (8, False)
    with pytest.raises(InputError, match="encodes images only"):
        encoder.encode_text(["a"])


def test_a_text_tower_without_tokenizer_is_none(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert not load_encoder(f"onnx:{folder}").encodes_text


def test_preprocessing_comes_from_the_folder_or_from_options(folder: Path) -> None:
    assert load_encoder(f"onnx:{folder}").preprocessing["mean"] == [0.5, 0.4, 0.3]
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match=r"no preprocessor_config.json; say how images are prepared"):
        load_encoder(f"onnx:{folder}")
    said = load_encoder(f"onnx:{folder}", EncoderOptions(mean=(0, 0, 0), std=(1, 1, 1)))
    assert said.preprocessing["size"] == 32


def test_the_size_of_a_fixed_input_cannot_be_changed(folder: Path) -> None:
    with pytest.raises(InputError, match="takes images of 32 pixels only, not 64"):
        load_encoder(f"onnx:{folder}", EncoderOptions(image_size=64))


def test_broken_files_are_named(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(FormatError, match=r"config.json: is no JSON"):
        load_encoder(f"onnx:{folder}")
    (folder / "config.json").write_text("{}")
    (folder / "onnx/vision_model.onnx").write_bytes(b"nothing like it")
    with pytest.raises(FormatError, match=r"vision_model.onnx: is no model that ONNX Runtime can load"):
        load_encoder(f"onnx:{folder}")


def test_towers_in_the_wrong_place_are_told(folder: Path) -> None:
    (folder / "onnx/text_model.onnx").rename(folder / "onnx/vision_model.onnx")
    with pytest.raises(InputError, match="takes input_ids, attention_mask; a model of photos takes one array"):
        load_encoder(f"onnx:{folder}")
    towers.save_onnx(folder)
    (folder / "onnx/vision_model.onnx").replace(folder / "onnx/text_model.onnx")
    towers_apart = towers.save_onnx(folder.parent / "second")
    (towers_apart / "onnx/vision_model.onnx").rename(folder / "onnx/vision_model.onnx")
    with pytest.raises(FormatError, match="a text tower goes from input_ids to text_embeds"):
        load_encoder(f"onnx:{folder}").encode_text(["a"])


def test_devices_that_are_not_there(folder: Path) -> None:
    with pytest.raises(InputError, match="There is no device 'tpu'; allowed: auto, cpu, cuda"):
        load_encoder(f"onnx:{folder}", EncoderOptions(device="tpu"))
    with pytest.raises(InputError, match="cannot use mps; use --device cpu"):
        load_encoder(f"onnx:{folder}", EncoderOptions(device="mps"))


def test_threads_set_how_many_may_be_inside(folder: Path) -> None:
    assert load_encoder(f"onnx:{folder}", EncoderOptions(device="cpu", threads=3)).concurrency == 3


def test_an_id_of_the_hub_without_a_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"onnx:some/model .*give the path of a downloaded copy"):
        load_encoder("onnx:some/model")
    with pytest.raises(InputError, match=r"neither a folder here nor a repository of the hub"):
        load_encoder("onnx:not/a/model")


def test_a_tower_without_mask_gets_its_full_length(tmp_path: Path) -> None:
    encoder = load_encoder(f"onnx:{towers.save_onnx(tmp_path, mask=False)}", EncoderOptions(normalize=False))
    words = encoder.encode_text(["a", "[PAD]"])
    # Twelve tokens each: the word, [CLS], [SEP] and nine of padding, or ten.
    assert not np.allclose(words[0], words[1])
    longer = encoder.encode_text(["a " * 50])
    assert np.isfinite(longer).all()


@pytest.mark.parametrize(
    ("text_config", "expected"),
    [
        ({"max_length": 7, "max_position_embeddings": 12}, 7),
        ({"max_length": 20, "max_position_embeddings": 12}, 12),  # the 20 of text generation says nothing
        ({}, 9),
    ],
)
def test_length_of_texts(tmp_path: Path, text_config: dict[str, int], expected: int) -> None:
    towers.save_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 9}))
    tokenizer = Tokenizer(tmp_path, {"text_config": text_config})
    assert tokenizer.max_tokens == expected
    (ids,) = tokenizer.token_ids(["dog " * 99])
    assert (len(ids), ids[0], ids[-1]) == (expected, 2, 3)  # cut, with its first and last special token


def test_length_of_texts_that_nobody_states(tmp_path: Path) -> None:
    towers.save_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 10**30}))
    with pytest.raises(InputError, match="how many tokens"):
        Tokenizer(tmp_path, {})


def test_padding_is_the_models_own(tmp_path: Path) -> None:
    towers.save_tokenizer(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps({**content, "padding": None}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"pad_token": {"content": "[SEP]"}}))
    tokens = Tokenizer(tmp_path, {"max_length": 8}).padded([[1, 2], [5, 6, 7]])
    assert tokens.ids.tolist() == [[1, 2, 3], [5, 6, 7]]
    assert tokens.mask.tolist() == [[1, 1, 0], [1, 1, 1]]
