# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
