// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// The files of an exported model, fetched from its folder. The page fetches them, and not its worker, so that its policy holds.

import { PageError } from "./frames.js";
import { checkSettings } from "./settings_checks.js";

const TEXTS = {
  config: "config.json",
  generationConfig: "generation_config.json",
  processorConfig: "processor_config.json",
  tokenizer: "tokenizer.json",
  tokenizerConfig: "tokenizer_config.json",
};
// Without it, tokens are chosen as nothing was said.
const OPTIONAL = "generation_config.json";
export const PRECISIONS = ["fp32", "fp16", "int8", "q4"];

/** The graphs of a family: under which name, and from which file. */
function graphFiles(modelType, precision) {
  const suffix = precision === "fp32" ? "" : `_${precision}`;
  const graphs = {
    preprocess: "preprocess",
    visionEncoder: "vision_encoder",
    embedTokens: `embed_tokens${suffix}`,
    decoder: `decoder_model_merged${suffix}`,
  };
  if (modelType === "mobile_videogpt") graphs.imageEncoder = "image_encoder";
  return graphs;
}

/** Bytes of a file, counted while they come; null if it is optional and not there. */
async function fetchBytes(address, onBytes, isOptional = false) {
  let response;
  try {
    response = await fetch(address);
  } catch {
    throw new PageError(
      `The model cannot be fetched from ${address}: there is no such address, it does not allow other pages (CORS), or there is no network.`,
    );
  }
  if (isOptional && response.status === 404) return null;
  if (!response.ok) throw new PageError(`The model has no file ${address} (${response.status} ${response.statusText}).`);
  const total = Number(response.headers.get("Content-Length")) || 0;
  const chunks = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.length;
    onBytes(length, Math.max(total, length));
  }
  if (chunks.length === 1) return chunks[0];
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

export class ModelFolder {
  #base;
  #suffix;

  constructor(address) {
    const url = new URL(address, location.href);
    this.#suffix = url.search;
    url.search = url.hash = "";
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    this.#base = url;
  }

  address(name) {
    return new URL(name, this.#base).href + this.#suffix;
  }

  /** Settings as objects, the chat template as text, graphs as bytes; `onProgress` hears bytes so far and in all. */
  async fetchAll(precision, onProgress) {
    const ignore = () => {};
    const decode = (bytes) => new TextDecoder().decode(bytes);
    const read = async ([key, name]) => {
      const bytes = await fetchBytes(this.address(name), ignore, name === OPTIONAL);
      if (bytes === null) return [key, {}];
      try {
        return [key, JSON.parse(decode(bytes))];
      } catch {
        throw new PageError(`${this.address(name)} is not JSON: the address must be the folder of an exported model.`);
      }
    };
    const settings = Object.fromEntries(await Promise.all(Object.entries(TEXTS).map(read)));
    checkSettings(settings, (name) => this.address(name));
    settings.template = decode(await fetchBytes(this.address("chat_template.jinja"), ignore));
    const progress = new Map();
    const show = () => {
      const sums = [...progress.values()].reduce(([done, all], [length, total]) => [done + length, all + total], [0, 0]);
      onProgress(...sums);
    };
    const graphs = await Promise.all(
      Object.entries(graphFiles(settings.config.model_type, precision)).map(async ([key, stem]) => {
        const bytes = await fetchBytes(this.address(`onnx/${stem}.onnx`), (...sizes) => {
          progress.set(stem, sizes);
          show();
        });
        return [key, bytes];
      }),
    );
    return { settings, graphs: Object.fromEntries(graphs) };
  }

  /** Weights that a graph keeps beside it, by the name that it says. */
  async fetchExternal(name, onProgress) {
    if (!/^[\w.-]+$/.test(name)) throw new PageError(`The model names a file that it may not have: ${name}`);
    return fetchBytes(this.address(`onnx/${name}`), onProgress);
  }
}
