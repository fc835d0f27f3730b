// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// The model in a thread of its own, so that the page stays alive while it computes. Called by model_client.js.

import { VideoModel } from "./answering.js";
import { findDevice } from "./graphs.js";

let model;
// Calls before this one are stopped.
let firstWanted = 0;
const externals = new Map();

/** Lets messages in, such as one that stops the answer: a computation lets none. */
const breathe = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });

/** The page fetches what only a graph knows of. */
function fetchExternal(name) {
  self.postMessage({ external: name });
  return new Promise((resolve, reject) => externals.set(name, { resolve, reject }));
}

const CALLS = {
  async load({ files, wanted }) {
    model = await VideoModel.create(files, await findDevice(wanted), fetchExternal);
    return model.places;
  },
  reset() {
    model.encoder.reset();
  },
  addFrame({ frame }) {
    return model.encoder.addFrame(frame);
  },
  show({ kind }) {
    return model.show(kind);
  },
  async answer({ question }, report, isStopped) {
    let last = "";
    for await (const text of model.answer(question, isStopped)) {
      last = text;
      report(text);
      await breathe();
    }
    return { text: last, isStopped: isStopped() };
  },
};

// One call after the other: a visual is forgotten before the next one comes, and an answer has ended.
let calls = Promise.resolve();

async function call({ number, name, ...given }) {
  try {
    const report = (text) => self.postMessage({ number, text });
    const result = await CALLS[name](given, report, () => number < firstWanted);
    self.postMessage({ number, result });
  } catch (error) {
    self.postMessage({ number, error: String(error?.message ?? error) });
  }
}

self.onmessage = ({ data }) => {
  if (data.name === "stop") {
    firstWanted = data.firstWanted;
  } else if (data.name === "external") {
    const { resolve, reject } = externals.get(data.file);
    data.bytes ? resolve(data.bytes) : reject(new Error(data.error));
  } else {
    calls = calls.then(() => call(data));
  }
};
self.postMessage({ isReady: true });
