# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import logging
import os
import warnings

import pytest
from huggingface_hub import is_offline_mode


def test_deprecations_that_transformers_logs_are_failures():
    with pytest.raises(pytest.fail.Exception, match="`old_name` is deprecated"):
        logging.getLogger("transformers.models").warning("`old_name` is deprecated")


def test_deprecations_that_transformers_warns_of_are_failures():
    with pytest.raises(FutureWarning, match="`old_name` is deprecated"):
        warnings.warn_explicit("`old_name` is deprecated", FutureWarning, "a.py", 1, module="transformers.models")


def test_the_hub_is_out_of_reach():
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert is_offline_mode()
