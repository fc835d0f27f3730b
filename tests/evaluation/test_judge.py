# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest

from transformers_mvgpt.evaluation.judge import judge_answer, load_judge


def test_judges_by_name(tmp_path):
    file = tmp_path / "strict.py"
    file.write_text("def same(question, right_answer, answer):\n    return right_answer == answer\nNUMBER = 1\n")
    assert load_judge(f"{file}:same")("What?", "red", "red") is True
    assert load_judge("math:prod") is __import__("math").prod
    with pytest.raises(ValueError, match=r"has no function `NUMBER`"):
        load_judge(f"{file}:NUMBER")
    with pytest.raises(ValueError, match=r"has no function `other`"):
        load_judge("math:other")
    with pytest.raises(FileNotFoundError, match=r"There is no judge at .*none\.py\."):
        load_judge(f"{tmp_path}/none.py:same")
    with pytest.raises(ImportError, match="no_such_module"):
        load_judge("no_such_module:same")


@pytest.mark.parametrize("name", ["math", "math:", ":prod", "math:1+1", "math:__import__('os')"])
def test_names_are_not_evaluated(name):
    with pytest.raises(ValueError, match="must be MODULE:FUNCTION, or FILE.py:FUNCTION"):
        load_judge(name)


@pytest.mark.parametrize("score", [True, 0, 0.5])
def test_scores_of_a_judge(score):
    assert judge_answer(lambda *texts: score, "What?", "red", "blue") == float(score)


@pytest.mark.parametrize("score", [None, "yes", 7, -0.1, float("nan")])
def test_what_is_no_score(score):
    with pytest.raises(
        ValueError, match=r"The judge gave .* to the answer 'blue': it must give a number from 0 to 1, or a"
    ):
        judge_answer(lambda *texts: score, "What?", "red", "blue")
