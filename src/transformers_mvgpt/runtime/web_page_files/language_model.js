// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// The language model: embeddings in, the next token out, with keys and values of what it has read kept between.
//
//   prompt   system prompt | visual tokens | question | answer
//            -----------------------------
//            read once for each visual, and shared by its questions

import { asFloats } from "./graphs.js";

export class LanguageModel {
  #embedTokens;
  #decoder;
  #pastNames;

  constructor(embedTokens, decoder) {
    this.#embedTokens = embedTokens;
    this.#decoder = decoder;
    this.#pastNames = [...decoder.inputs.keys()].filter((name) => name.startsWith("past_key_values."));
  }

  /** Embeddings of ids, as floats of shape (ids, width). */
  async embed(ids) {
    if (!ids.length) return new Float32Array(0);
    const { inputs_embeds: embedded } = await this.#embedTokens.run({
      input_ids: this.#embedTokens.tensor("input_ids", ids, [1, ids.length]),
    });
    const values = asFloats(embedded);
    embedded.dispose();
    return values;
  }

  /** Reads embeddings behind what a cache holds (null: nothing). The cache that was given stays as it is. */
  async extend(cache, embeddings, width) {
    const decoder = this.#decoder;
    const length = embeddings.length / width;
    const past = cache?.length ?? 0;
    const total = past + length;
    const feeds = {
      inputs_embeds: decoder.tensor("inputs_embeds", embeddings, [1, length, width]),
      attention_mask: decoder.tensor("attention_mask", new BigInt64Array(total).fill(1n), [1, total]),
      position_ids: decoder.tensor("position_ids", Array.from({ length }, (_, i) => past + i), [1, length]),
    };
    if (decoder.inputs.has("num_logits_to_keep")) {
      feeds.num_logits_to_keep = decoder.tensor("num_logits_to_keep", [1], []);
    }
    for (const name of this.#pastNames) feeds[name] = cache ? cache.tensors[name] : this.#empty(name);
    const { logits, ...present } = await decoder.run(feeds);
    const scores = lastRow(logits);
    logits.dispose();
    const tensors = Object.fromEntries(
      this.#pastNames.map((name) => [name, present[name.replace("past_key_values.", "present.")]]),
    );
    return { scores, cache: { length: total, tensors } };
  }

  #empty(name) {
    const { shape } = this.#decoder.inputs.get(name);
    return this.#decoder.tensor(name, [], [1, shape[1], 0, shape[3]]);
  }

  static dispose(cache) {
    Object.values(cache?.tensors ?? {}).forEach((tensor) => tensor.dispose());
  }
}

/** Scores of the token that follows the last one. */
function lastRow(logits) {
  const [, kept, vocabulary] = logits.dims;
  return asFloats(logits).subarray((kept - 1) * vocabulary);
}

/** The id with the highest score, the first of equal ones. */
export function likeliest(scores) {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id] > scores[best]) best = id;
  if (Number.isNaN(scores[best])) throw new Error("The model's scores are not numbers: its file may be damaged.");
  return best;
}
