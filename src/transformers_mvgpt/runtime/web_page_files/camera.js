// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// What a camera sees, as frames: a few per second are kept while it records, and the rule of the model chooses among them.

import { FrameReader, PageError } from "./frames.js";
import { sampleFrames } from "./sampling.js";

const FRAMES_PER_SECOND = 4;
export const MAX_SECONDS = 30;
// More than a model sees, and 120 frames of it fit into the memory of a phone.
const WANTED = { facingMode: "environment", width: { ideal: 640 } };

const REFUSED = {
  NotAllowedError: "The camera was not allowed: allow it in the browser, or choose a file.",
  NotFoundError: "There is no camera: choose a file.",
  NotReadableError: "The camera is in use elsewhere: close that, or choose a file.",
};

export class Camera {
  #stream;
  #video;
  #timer;

  /** Shows what the camera sees in a <video>. */
  async open(video) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new PageError("A camera needs a page at https:// or 127.0.0.1: choose a file.");
    }
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: WANTED });
    } catch (error) {
      throw new PageError(REFUSED[error.name] ?? `The camera cannot be used: ${error.message}`);
    }
    this.#video = video;
    video.srcObject = this.#stream;
    await video.play();
  }

  /** Keeps frames until `signal` aborts or MAX_SECONDS are over; `onSeconds` hears how long it has been. Returns those of the rule. */
  async record(rule, signal, onSeconds) {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const kept = [];
    const reader = new FrameReader();
    const begin = performance.now();
    await new Promise((resolve) => {
      const take = () => {
        const seconds = (performance.now() - begin) / 1000;
        kept.push(reader.read(this.#video, width, height, seconds));
        onSeconds(seconds);
        if (seconds >= MAX_SECONDS) resolve();
      };
      take();
      this.#timer = setInterval(take, 1000 / FRAMES_PER_SECOND);
      signal.addEventListener("abort", resolve, { once: true });
    });
    clearInterval(this.#timer);
    return sampleFrames(kept.length, FRAMES_PER_SECOND, rule).map((index) => kept[index]);
  }

  /** One frame, for models of pictures. */
  takePicture() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    return new FrameReader().read(this.#video, width, height, 0);
  }

  close() {
    clearInterval(this.#timer);
    this.#stream?.getTracks().forEach((track) => track.stop());
    if (this.#video) this.#video.srcObject = null;
    this.#stream = undefined;
  }
}
