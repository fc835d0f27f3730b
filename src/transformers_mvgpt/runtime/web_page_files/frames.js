// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// A video file to its sampled frames, by the browser's own decoder: seek, draw, read the pixels.
//
//   frames shown   0        1        2        3             period: how long one is shown, found by seeking
//                  |--------|--------|--------|
//   seek to        .   ^        ^        ^                  the middle of a frame, where no rounding of times matters

import { sampleFrames, sampleTimes } from "./sampling.js";

const SEEK_SECONDS = 20;
// WebM and others round times to a millisecond.
const ROUNDING_SECONDS = 0.0015;
const MAX_PIXELS = 8192 * 8192;
const STALE_MILLISECONDS = 50;

/** What went wrong, as a sentence for the visitor. */
export class PageError extends Error {}

/** Resolves with the first of the events `name` of a media element; rejects if it cannot go on, or after some time. */
function happens(element, name, sentence) {
  return new Promise((resolve, reject) => {
    const end = new AbortController();
    const options = { signal: end.signal };
    const timer = setTimeout(() => finish(reject, new PageError(sentence)), SEEK_SECONDS * 1000);
    function finish(settle, value) {
      clearTimeout(timer);
      end.abort();
      settle(value);
    }
    element.addEventListener(name, () => finish(resolve), options);
    element.addEventListener("error", () => finish(reject, new PageError(sentence)), options);
  });
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const DAMAGED = "This file cannot be played: it is damaged, no video, or in a format that this browser does not know.";

/** Loads a Blob into a <video> that is not shown. */
async function openVideo(blob) {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.preload = "auto";
  const loaded = happens(video, "loadeddata", DAMAGED);
  video.src = URL.createObjectURL(blob);
  try {
    await loaded;
    if (!video.videoWidth) throw new PageError("This file has sound alone, no picture: choose a video.");
    if (video.videoWidth * video.videoHeight > MAX_PIXELS) {
      throw new PageError(`This video is too large: ${video.videoWidth} × ${video.videoHeight} pixels.`);
    }
    if (!Number.isFinite(video.duration)) {
      // A recording says how long it is when its end is reached.
      const known = happens(video, "durationchange", DAMAGED);
      video.currentTime = 1e9;
      await known;
    }
    if (!Number.isFinite(video.duration)) throw new PageError("This file does not say how long the video is.");
  } catch (error) {
    closeVideo(video);
    throw error;
  }
  return video;
}

function closeVideo(video) {
  URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.load();
}

/** Seeks in a <video>, and sees to it that the frame that is there is not the one before. */
class Seeker {
  #last = NaN;

  constructor(video) {
    this.video = video;
  }

  /**
   * Returns from when on the frame is shown that is there at `seconds`; null where the browser does not tell. With `expected` it waits for
   * a frame that begins then, give or take `tolerance`: some browsers say that they are there, and show the earlier frame a little longer.
   */
  async to(seconds, expected, tolerance) {
    const { video } = this;
    const there = happens(video, "seeked", `The video cannot be read at ${seconds.toFixed(1)} seconds: it is damaged there.`);
    const shown = new Promise((resolve) => video.requestVideoFrameCallback?.(resolve));
    video.currentTime = seconds;
    await there;
    let start = this.#start();
    if (start === null) return null;
    if (start === this.#last) {
      await Promise.race([shown, pause(STALE_MILLISECONDS)]);
      start = this.#start();
    }
    for (let tries = 0; expected !== undefined && Math.abs(start - expected) > tolerance && tries < 20; tries++) {
      await pause(STALE_MILLISECONDS);
      start = this.#start();
    }
    this.#last = start;
    return start;
  }

  #start() {
    if (typeof VideoFrame === "undefined") return null;
    try {
      const frame = new VideoFrame(this.video);
      const seconds = frame.timestamp / 1e6;
      frame.close();
      return seconds;
    } catch {
      return null;
    }
  }
}

/**
 * Start of the first frame, frames per second and number of frames, found with about fifteen seeks; null where the browser does not
 * tell when a frame is shown, or the rate is not constant.
 */
async function measureRate(seeker) {
  const first = await seeker.to(0);
  if (first === null) return null;
  const end = seeker.video.duration;
  let second = first;
  // The step is doubled until another frame is there: that is the next one.
  for (let step = 1 / 256; second - first < ROUNDING_SECONDS; step *= 2) {
    if (first + step >= end) return { first, fps: 1 / Math.max(end - first, 1e-3), numFrames: 1 };
    second = await seeker.to(first + step);
  }
  let period = second - first;
  // Farther frames tell it better and better.
  for (let number = 2; first + (number + 0.5) * period < end && number <= 1024; number *= 2) {
    const start = await seeker.to(first + (number + 0.5) * period);
    const passed = (start - first) / period;
    const whole = Math.round(passed);
    if (whole < 1 || Math.abs(start - first - whole * period) > Math.min(0.25 * period, whole * ROUNDING_SECONDS)) return null;
    period = (start - first) / whole;
  }
  const last = await seeker.to(Math.max(first, end - period / 2));
  return { first, fps: 1 / period, numFrames: Math.round((last - first) / period) + 1 };
}

/** Red, green and blue of what is drawn on a canvas, without its fourth channel. */
function rgbOf(context, width, height) {
  const rgba = context.getImageData(0, 0, width, height, { colorSpace: "srgb" }).data;
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from];
    rgb[to + 1] = rgba[from + 1];
    rgb[to + 2] = rgba[from + 2];
  }
  return rgb;
}

/** Draws what shows a picture, a <video> or an ImageBitmap, in its own size, and returns it with its pixels. */
export class FrameReader {
  #canvas = document.createElement("canvas");
  #context = this.#canvas.getContext("2d", { willReadFrequently: true, alpha: false });

  read(source, width, height, seconds) {
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#context.drawImage(source, 0, 0, width, height);
    return { width, height, seconds, rgb: rgbOf(this.#context, width, height), thumbnail: this.#thumbnail(width, height) };
  }

  #thumbnail(width, height) {
    const small = document.createElement("canvas");
    const scale = Math.min(1, 240 / Math.max(width, height));
    small.width = Math.max(1, Math.round(width * scale));
    small.height = Math.max(1, Math.round(height * scale));
    small.getContext("2d").drawImage(this.#canvas, 0, 0, small.width, small.height);
    return small;
  }
}

/** Yields the sampled frames of a video file: { width, height, seconds, rgb (Uint8Array of height × width × 3), thumbnail }. */
export async function* readFrames(blob, rule) {
  const video = await openVideo(blob);
  try {
    const seeker = new Seeker(video);
    const rate = await measureRate(seeker);
    const starts = rate
      ? sampleFrames(rate.numFrames, rate.fps, rule).map((index) => rate.first + index / rate.fps)
      : sampleTimes(0, Math.max(0, video.duration - 0.05), rule);
    const half = rate ? 0.5 / rate.fps : 0;
    const reader = new FrameReader();
    for (const start of starts) {
      const shown = await seeker.to(Math.min(start + half, video.duration), rate ? start : undefined, half);
      yield reader.read(video, video.videoWidth, video.videoHeight, shown ?? start);
    }
  } finally {
    closeVideo(video);
  }
}

/** A picture file as a frame. */
export async function readPicture(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new PageError("This picture cannot be read: it is damaged, or in a format that this browser does not know.");
  }
  if (bitmap.width * bitmap.height > MAX_PIXELS) {
    throw new PageError(`This picture is too large: ${bitmap.width} × ${bitmap.height} pixels.`);
  }
  const frame = new FrameReader().read(bitmap, bitmap.width, bitmap.height, 0);
  bitmap.close();
  return frame;
}
