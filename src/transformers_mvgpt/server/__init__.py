# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An OpenAI-compatible server. It needs the packages of the extra `serve`: FastAPI, uvicorn and prometheus-client."""
