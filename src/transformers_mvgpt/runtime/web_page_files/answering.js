// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// An exported model that is shown one visual at a time and asked about it.

import { Graph, numThreads } from "./graphs.js";
import { LanguageModel, likeliest } from "./language_model.js";
import { ChatTokens } from "./tokens.js";
import { VisualEncoder, samplingRule } from "./visual_encoder.js";

// Of a model that says nothing about it.
const MAX_NEW_TOKENS = 1024;
// Preprocessing computes in whole and in double numbers, for which a GPU is not made; nor is it for a scan, a loop of many small steps.
const isForCpu = (name, modelType) => name === "preprocess" || (name === "visionEncoder" && modelType === "mobile_videogpt");

export class VideoModel {
  /** Of what `ModelFolder.fetchAll` gives. */
  static async create({ settings, graphs }, device, fetchExternal) {
    const made = {};
    for (const [name, bytes] of Object.entries(graphs)) {
      const keptOnDevice = name === "decoder" ? presentNames(settings.config) : [];
      const place = isForCpu(name, settings.config.model_type) ? "wasm" : device;
      made[name] = await Graph.create(place, bytes, { keptOnDevice, fetchExternal });
    }
    return new VideoModel(settings, made);
  }

  #settings;
  #language;
  #prefix = null;

  constructor(settings, graphs) {
    const { config, processorConfig, tokenizer, tokenizerConfig, template } = settings;
    this.#settings = settings;
    const onGpu = Object.entries(graphs).filter(([, { device }]) => device === "webgpu");
    const reasons = Object.entries(graphs).filter(([, { reason }]) => reason);
    /** Names of the graphs that are on the GPU, threads of the others, and why those are not that were meant to be. */
    this.places = {
      onGpu: onGpu.map(([name]) => name),
      numThreads: numThreads(),
      reasons: reasons.map(([name, { reason }]) => `${name}: ${reason}`),
    };
    this.tokens = new ChatTokens(config.model_type, tokenizer, tokenizerConfig, template);
    this.encoder = new VisualEncoder(config.model_type, samplingRule(config, processorConfig)?.numFrames, graphs);
    this.#language = new LanguageModel(graphs.embedTokens, graphs.decoder);
    const ends = settings.generationConfig.eos_token_id ?? config.text_config.eos_token_id;
    this.endIds = new Set([ends].flat());
  }

  /** Encodes the frames that were added; questions are about them from now on. */
  async show(kind) {
    this.#forgetPrefix();
    this.visual = null;
    const { features, ...others } = await this.encoder.encode(kind);
    this.visual = { kind, features, ...others };
    return { scores: others.scores, selected: others.selected, numTokens: others.numTokens };
  }

  /** Yields the text of the answer so far, after each token, until `isStopped()`. */
  async *answer(question, isStopped) {
    const { kind, width, numTokens } = this.visual;
    const { before, behind } = this.tokens.encodeQuestion(question, kind);
    const limit = this.#settings.config.text_config.max_position_embeddings ?? Infinity;
    const length = before.length + numTokens + behind.length;
    if (length >= limit) {
      throw new Error(`The question is too long: with the ${kind} it has ${length} tokens, and the model reads ${limit}. Shorten it.`);
    }
    const prefix = await this.#readPrefix(before);
    let { scores, cache } = await this.#language.extend(prefix, await this.#language.embed(behind), width);
    const ids = [];
    try {
      const { max_new_tokens: number, max_length: inAll } = this.#settings.generationConfig;
      const wanted = number ?? (inAll ? Math.max(1, inAll - length) : MAX_NEW_TOKENS);
      const most = Math.min(wanted, limit - length);
      while (!isStopped()) {
        const id = likeliest(scores);
        if (this.endIds.has(id)) break;
        ids.push(id);
        yield this.tokens.decode(ids);
        if (ids.length >= most || isStopped()) break;
        const next = await this.#language.extend(cache, await this.#language.embed([id]), width);
        LanguageModel.dispose(cache);
        ({ scores, cache } = next);
      }
    } finally {
      LanguageModel.dispose(cache);
    }
  }

  /** Keys and values of the prompt up to the last visual token, which all questions about a visual share. */
  async #readPrefix(before) {
    const key = before.join();
    if (this.#prefix?.key !== key) {
      this.#forgetPrefix();
      const { features, width } = this.visual;
      const text = await this.#language.embed(before);
      const embeddings = new Float32Array(text.length + features.length);
      embeddings.set(text);
      embeddings.set(features, text.length);
      const { cache } = await this.#language.extend(null, embeddings, width);
      this.#prefix = { key, cache };
    }
    return this.#prefix.cache;
  }

  #forgetPrefix() {
    LanguageModel.dispose(this.#prefix?.cache);
    this.#prefix = null;
  }
}

function presentNames(config) {
  const layers = Array.from({ length: config.text_config.num_hidden_layers }, (_, i) => i);
  return layers.flatMap((layer) => [`present.${layer}.key`, `present.${layer}.value`]);
}
