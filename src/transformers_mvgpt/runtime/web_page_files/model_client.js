// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// The page's side of model_worker.js: calls by message, one after the other.

import { PageError } from "./frames.js";

// A worker that is busy with one step, or with a chat template that never ends, does not hear that it is to stop.
const STOP_SECONDS = 3;

/** A sentence for errors of the runtime, which speaks of its own matters. */
function explain(message) {
  if (/out of memory|bad_alloc|allocat|memory access out of bounds|RangeError|Array buffer/i.test(message)) {
    return "There is not enough memory for this model in the browser: close other pages, or choose a smaller model or precision.";
  }
  return message;
}

export class ModelClient {
  #worker;
  #address;
  #calls = new Map();
  #number = 0;
  #answer = Promise.resolve();
  #ready;
  #fetchExternal;
  /** Whether the worker was ended because it did not stop. */
  isEnded = false;

  constructor(fetchExternal) {
    this.#fetchExternal = fetchExternal;
    // A worker made of a blob has the policy of this page.
    const code = `import ${JSON.stringify(new URL("./model_worker.js", import.meta.url).href)};`;
    this.#address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    this.#worker = new Worker(this.#address, { type: "module" });
    this.#ready = new Promise((resolve, reject) => {
      this.#worker.onerror = (event) => {
        const error = new PageError(explain(event.message || "The model's program could not be loaded."));
        reject(error);
        for (const call of this.#calls.values()) call.reject(error);
        this.#calls.clear();
      };
      this.#worker.onmessage = ({ data }) => (data.isReady ? resolve() : this.#hear(data));
    });
  }

  #hear({ number, text, result, error, external }) {
    if (external) return this.#sendExternal(external);
    const call = this.#calls.get(number);
    if (!call) return;
    if (text !== undefined) {
      call.text = text;
      return call.onText(text);
    }
    this.#calls.delete(number);
    error === undefined ? call.resolve(result) : call.reject(new PageError(explain(error)));
  }

  async #sendExternal(file) {
    try {
      const bytes = await this.#fetchExternal(file);
      this.#worker.postMessage({ name: "external", file, bytes }, [bytes.buffer]);
    } catch (error) {
      this.#worker.postMessage({ name: "external", file, error: error.message });
    }
  }

  async #call(name, given = {}, transfer = [], onText = () => {}) {
    const number = this.#number++;
    await this.#ready;
    return new Promise((resolve, reject) => {
      this.#calls.set(number, { resolve, reject, onText });
      this.#worker.postMessage({ number, name, ...given }, transfer);
    });
  }

  /** Returns { device, numThreads }. */
  load(files, wanted) {
    const buffers = new Set(Object.values(files.graphs).map((bytes) => bytes.buffer));
    return this.#call("load", { files, wanted }, [...buffers]);
  }

  reset() {
    return this.#call("reset");
  }

  addFrame({ rgb, width, height }) {
    return this.#call("addFrame", { frame: { rgb, width, height } }, [rgb.buffer]);
  }

  /** Returns { scores, selected, numTokens }. */
  show(kind) {
    return this.#call("show", { kind });
  }

  /** `onText` hears the answer so far. Returns { text, isStopped }. */
  answer(question, onText) {
    this.#answer = this.#call("answer", { question }, [], onText);
    return this.#answer;
  }

  /** Stops the answers that were asked for so far, if need be by ending the worker; resolves when that is done. */
  async stop() {
    this.#worker.postMessage({ name: "stop", firstWanted: this.#number });
    let timer;
    const isLate = new Promise((resolve) => {
      timer = setTimeout(resolve, STOP_SECONDS * 1000, true);
    });
    const hasEnded = this.#answer.then(
      () => false,
      () => false,
    );
    if (await Promise.race([hasEnded, isLate])) this.#end();
    clearTimeout(timer);
  }

  #end() {
    this.isEnded = true;
    this.close();
    // What was written so far is the answer.
    for (const { resolve, text } of this.#calls.values()) resolve({ text: text ?? "", isStopped: true });
    this.#calls.clear();
  }

  close() {
    this.#worker.terminate();
    URL.revokeObjectURL(this.#address);
  }
}
