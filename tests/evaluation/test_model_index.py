# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from transformers_mvgpt.conversion.card_metadata import read_metadata
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation import Estimate, Evaluation, TypeScores, eval_results
from transformers_mvgpt.evaluation.model_index import check_model_index, write_model_index


def scores(value, **others):
    return TypeScores(4, 2, 1, {"exact": Estimate(value, 0.1, 0.9), **others}, 0.5)


EVALUATION = Evaluation([], {"color": scores(0.25), "all": scores(0.5, f1=Estimate(2 / 3, None, None))})


@pytest.fixture
def results():
    return eval_results(EVALUATION, task="video-text-to-text", dataset="My clips (2026)")


def test_results_are_what_the_hub_reads(results):
    index = eval_results_to_model_index("mine", results)
    [entry] = index[0]["results"]
    assert entry["task"] == {"type": "video-text-to-text"}
    assert entry["dataset"] == {"name": "My clips (2026)", "type": "My-clips-2026"}
    assert [(one["type"], one["name"], one["value"]) for one in entry["metrics"]] == [
        ("exact_match", "exact answers: color", 0.25),
        ("exact_match", "exact answers: all", 0.5),
        ("f1", "F1 of words: all", 0.6667),
    ]
    assert entry["metrics"][0]["args"] == {"num_questions": 4, "num_errors": 1, "interval_95": [0.1, 0.9]}
    assert entry["metrics"][2]["args"] == {"num_questions": 4, "num_errors": 1}
    assert model_index_to_eval_results(index) == ("mine", results)


def test_a_file_of_yaml(results, tmp_path):
    write_model_index(tmp_path / "index.yaml", results, "mine")
    card = ModelCard(f"---\n{(tmp_path / 'index.yaml').read_text('utf-8')}---\n")
    assert (card.data.model_name, card.data.eval_results) == ("mine", results)
    with pytest.raises(FileExistsError, match="is there already"):
        check_model_index(tmp_path / "index.yaml", overwrite=False)
    check_model_index(tmp_path / "index.yaml", overwrite=True)


def test_the_head_of_a_card(results, tmp_path):
    """Earlier results about the same data are replaced, others stay, and so does the text."""
    path = tmp_path / "README.md"
    write_model_index(path, results, "mine")
    other = EvalResult("video-text-to-text", "other", "Other", "exact_match", 0.1)
    head = ModelCardData(license="mit", model_name="named", eval_results=[other, *results])
    path.write_text(f"---\n{head}\n---\n\n# Named\n\nText.\n", "utf-8")
    check_model_index(path, overwrite=False)
    write_model_index(path, results, "mine")
    card = ModelCard.load(path)
    assert (card.data.license, card.data.model_name) == ("mit", "named")
    assert card.data.eval_results == [other, *results]
    assert card.text.strip() == "# Named\n\nText."


def test_cards_without_a_head_and_with_a_byte_order_mark(results, tmp_path, caplog):
    path = tmp_path / "README.md"
    write_model_index(path, results, "mine")
    text = path.read_text("utf-8")
    assert text.count("---\n") == 2
    assert text.endswith("\n---\n")
    assert not caplog.records
    path.write_text("# Mine\n", "utf-8")
    write_model_index(path, results, "mine")
    assert ModelCard.load(path).text == "# Mine\n"
    path.write_bytes("\ufeff---\r\nlicense: mit\r\n---\r\nText.\r\n".encode())
    write_model_index(path, results, "mine")
    content = path.read_bytes().decode("utf-8")
    card = ModelCard(content)
    assert (card.data.license, card.data.eval_results, card.text) == ("mit", results, "Text.\r\n")
    assert content.count("\n") == content.count("\r\n")


@pytest.mark.parametrize("head", ["license: [", "- a\n- b", "model-index: 3"])
def test_a_damaged_card_is_found_before_anything_is_measured(head, tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"---\n{head}\n---\n\n# Mine\n", "utf-8")
    with pytest.raises(ValueError, match=r"The head of .*README\.md cannot be read: correct it, or name another file"):
        check_model_index(path, overwrite=False)


def test_an_exported_repository_takes_the_results_over(results, tmp_path):
    from transformers import AutoConfig

    for file in ("config.json",):
        (tmp_path / file).write_bytes((CHECKPOINT / file).read_bytes())
    write_model_index(tmp_path / "README.md", results, "mine")
    metadata = read_metadata(str(tmp_path), AutoConfig.from_pretrained(tmp_path), "exported")
    assert (metadata.model_name, metadata.eval_results) == ("exported", results)
