// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// The page: a video is chosen, its frames go to the model one by one, and questions are answered.

import { AnswerLog } from "./answer_log.js";
import { Camera } from "./camera.js";
import { FrameList } from "./frame_list.js";
import { readFrames, readPicture } from "./frames.js";
import { showAlert, showStatus } from "./messages.js";
import { ModelClient } from "./model_client.js";
import { ModelFolder, PRECISIONS } from "./model_folder.js";
import { samplingRule } from "./visual_encoder.js";

const NAMES = { mobile_videogpt: "Mobile-VideoGPT", mobilevlm: "MobileVLM", tinyllava_video: "TinyLLaVA-Video" };
const byId = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);

const frameList = new FrameList(byId("frames"), byId("frames-note"));
const answers = new AnswerLog(byId("answers"));
const camera = new Camera();
// What is going on: a visual that is read can be replaced by another one, an answer can be stopped.
let client;
let rule;
let latest = 0;
let isReading = false;
let isAnswering = false;
let hasVisual = false;
let recording;
// What an ended model left behind: when it had stopped, and how a new one is shown the latest visual.
let stopping = Promise.resolve();
let seeAgain;
let isStopWanted = false;

const settings = await (await fetch("page.json")).json();
const isOwnModel = !parameters.get("model");
const precision = parameters.get("precision") || settings.precision;

function fillModelForm() {
  byId("model").value = parameters.get("model") ?? "";
  byId("precision").replaceChildren(...PRECISIONS.map((name) => new Option(name, name, false, name === precision)));
  byId("device-choice").value = parameters.get("device") === "wasm" ? "wasm" : "";
}

const PARTS = { visionEncoder: "vision encoder", imageEncoder: "image encoder", embedTokens: "embeddings", decoder: "language model" };

function describeDevice({ onGpu, numThreads, reasons }) {
  const cpu = `the CPU (WebAssembly, ${numThreads} thread${numThreads > 1 ? "s" : ""})`;
  const gpu = `WebGPU: ${onGpu.map((name) => PARTS[name]).join(", ")}; the rest on ${cpu}`;
  byId("device").textContent = `Computes in ${precision} on ${onGpu.length ? gpu : cpu}. ${reasons.join(" ")}`;
}

function describeModel(config) {
  const name = NAMES[config.model_type];
  if (!name) throw new Error(`This page cannot run a model of the type "${config.model_type}".`);
  byId("model-name").textContent = isOwnModel && settings.title ? settings.title : name;
  if (rule) return;
  for (const place of document.querySelectorAll(".kind")) place.textContent = "picture";
  for (const place of document.querySelectorAll(".Kind")) place.textContent = "Picture";
  document.title = "Ask about a picture";
  byId("file").accept = "image/*";
  byId("record").textContent = "Take a picture";
}

async function loadModel() {
  const folder = new ModelFolder(parameters.get("model") || settings.model);
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  showStatus("The model is being fetched.", 0);
  const files = await folder.fetchAll(precision, (done, all) => {
    showStatus(`The model is being fetched: ${megabytes(all)} MB.`, done, all);
  });
  rule = samplingRule(files.settings.config, files.settings.processorConfig);
  describeModel(files.settings.config);
  showStatus("The model is being prepared.", 0);
  client = new ModelClient((name) => folder.fetchExternal(name, () => {}));
  describeDevice(await client.load(files, parameters.get("device")));
  showStatus(`Ready. Choose a ${rule ? "video" : "picture"}.`);
}

/** Until there is a model. One that did not stop was ended, and is loaded again. */
async function prepare() {
  await stopping;
  if (client?.isEnded) {
    client = undefined;
    ready = loadModel();
  }
  await ready;
}

/** Stops the answer, as far as it has begun. */
function stop() {
  isStopWanted = true;
  if (client) stopping = client.stop();
}

/** What can be done now. */
function updateControls() {
  byId("ask").disabled = !hasVisual || isReading;
  byId("ask").hidden = isAnswering;
  byId("stop").hidden = !isAnswering;
}

/** Everything about an earlier visual goes; returns whether the one that is read now is still the latest. */
function beginVisual() {
  const number = ++latest;
  if (isAnswering) stop();
  recording?.abort();
  hasVisual = false;
  isReading = true;
  showAlert("");
  showStatus(`The ${rule === null ? "picture" : "video"} is being opened.`, 0);
  frameList.clear();
  answers.clear();
  byId("seen").hidden = byId("examples").hidden = true;
  updateControls();
  return () => number === latest;
}

function showVisual(element, blob) {
  camera.close();
  for (const id of ["player", "picture", "camera", "stage-hint"]) byId(id).hidden = id !== element;
  for (const id of ["player", "picture"]) {
    const shown = byId(id);
    if (shown.src) URL.revokeObjectURL(shown.src);
    shown.removeAttribute("src");
  }
  if (blob) byId(element).src = URL.createObjectURL(blob);
}

/** Shows the model the frames that `frames` yields, as one video or image. */
async function readVisual(kind, frames, number, isLatest) {
  await prepare();
  if (!isLatest()) return;
  await client.reset();
  let count = 0;
  showStatus(kind === "video" ? "The frames are being read." : "The picture is being read.", 0, number);
  for await (const frame of frames) {
    if (!isLatest()) return;
    frameList.add(frame);
    byId("seen").hidden = kind !== "video";
    await client.addFrame(frame);
    showStatus("The frames are being read.", ++count, number);
  }
  showStatus("The model looks at them.", 0);
  const { scores, selected } = await client.show(kind);
  if (!isLatest()) return;
  frameList.mark(scores, selected);
  hasVisual = true;
  showStatus(`Ready for questions about the ${kind === "video" ? "video" : "picture"}.`);
}

/** Runs what reads a visual, and says what went wrong with it. */
async function reading(isLatest, read) {
  try {
    await read();
  } catch (error) {
    if (!isLatest()) return;
    showVisual("stage-hint");
    showAlert(error.message);
    showStatus("");
  } finally {
    if (isLatest()) {
      isReading = false;
      updateControls();
    }
  }
}

async function readFile(blob, isLatest) {
  await prepare();
  const isPicture = blob.type.startsWith("image/");
  if (!rule && !isPicture) throw new Error("This model looks at pictures: choose a picture.");
  showVisual(isPicture ? "picture" : "player", blob);
  seeAgain = async (isStillLatest) => {
    const frames = isPicture ? [await readPicture(blob)] : readFrames(blob, rule);
    await readVisual(isPicture ? "image" : "video", frames, isPicture ? 1 : rule.numFrames ?? rule.maxFrames, isStillLatest);
  };
  await seeAgain(isLatest);
}

function showExamples() {
  const buttons = settings.questions.map((question) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = question;
    button.addEventListener("click", () => {
      byId("question").value = question;
      byId("question").focus();
    });
    return button;
  });
  byId("examples").replaceChildren(...buttons);
  byId("examples").hidden = !buttons.length;
}

function chooseFile(event) {
  const [file] = event.target.files;
  if (!file) return;
  // The same file can be chosen again.
  event.target.value = "";
  const isLatest = beginVisual();
  reading(isLatest, () => readFile(file, isLatest));
}

function useClip() {
  const isLatest = beginVisual();
  reading(isLatest, async () => {
    const blob = await (await fetch(settings.clip)).blob();
    await readFile(blob, isLatest);
    if (isLatest()) showExamples();
  });
}

async function openCamera() {
  showAlert("");
  try {
    await prepare();
    byId("record").disabled = true;
    showVisual("camera");
    await camera.open(byId("viewfinder"));
    byId("record").disabled = false;
    byId("record").focus();
  } catch (error) {
    closeCamera();
    showAlert(error.message);
  }
}

function closeCamera() {
  recording?.abort();
  camera.close();
  byId("camera").hidden = true;
  byId("stage-hint").hidden = false;
  byId("use-camera").focus();
}

/** Frames of the camera are there but once: the model gets copies. */
async function readRecorded(kind, frames, isLatest) {
  seeAgain = (isStillLatest) => {
    const copies = frames.map((frame) => ({ ...frame, rgb: frame.rgb.slice() }));
    return readVisual(kind, copies, frames.length, isStillLatest);
  };
  await seeAgain(isLatest);
}

async function record() {
  if (recording) {
    recording.abort();
    return;
  }
  const isLatest = beginVisual();
  await reading(isLatest, async () => {
    if (!rule) return readRecorded("image", [camera.takePicture()], isLatest);
    recording = new AbortController();
    byId("record").textContent = "Stop recording";
    let frames;
    try {
      frames = await camera.record(rule, recording.signal, (seconds) => showStatus(`Recording: ${Math.floor(seconds)} s.`));
    } finally {
      recording = undefined;
      byId("record").textContent = "Record";
    }
    await readRecorded("video", frames, isLatest);
  });
}

async function ask(event) {
  event.preventDefault();
  if (isAnswering || byId("ask").disabled) return;
  const question = byId("question").value.trim();
  if (!question) {
    showAlert("The question is empty: write what you want to know.", "ask-alert");
    byId("question").focus();
    return;
  }
  showAlert("");
  isAnswering = true;
  isStopWanted = false;
  updateControls();
  const answer = answers.add(question);
  const about = latest;
  try {
    if (client.isEnded) {
      frameList.clear();
      await seeAgain(() => about === latest);
    }
    showStatus("The model answers.", 0);
    const isTooLate = isStopWanted || about !== latest;
    const { text, isStopped } = isTooLate ? { text: "", isStopped: true } : await client.answer(question, answer.show);
    answer.end(text, isStopped);
    if (about === latest) showStatus("Ready for another question.");
    byId("question").select();
  } catch (error) {
    answer.remove();
    showAlert(error.message, "ask-alert");
    showStatus("");
  } finally {
    isAnswering = false;
    updateControls();
  }
}

byId("file").addEventListener("change", chooseFile);
byId("use-clip").addEventListener("click", useClip);
byId("use-camera").addEventListener("click", openCamera);
byId("close-camera").addEventListener("click", closeCamera);
byId("record").addEventListener("click", record);
byId("ask-form").addEventListener("submit", ask);
byId("stop").addEventListener("click", stop);

fillModelForm();
let ready = loadModel();
ready
  .then(() => {
    byId("use-clip").hidden = !settings.clip || !rule;
  })
  .catch((error) => {
    showAlert(error.message);
    showStatus("The model could not be loaded.");
  });
