// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// Frames to visual tokens: preprocessing frame by frame, so that no more than one is held in full size, then the encoder.

import { asFloats } from "./graphs.js";

// Of a processor that does not say how many; null says that their number follows the length.
const DEFAULT_NUM_FRAMES = 16;

/** How a family chooses frames, by its settings; null where it takes pictures alone. */
export function samplingRule(config, processorConfig) {
  const video = processorConfig.video_processor;
  if (config.model_type === "mobilevlm" || !video) return null;
  const name = config.model_type === "tinyllava_video" ? "evenly" : "seconds";
  const { num_frames: numFrames = DEFAULT_NUM_FRAMES } = video;
  return { name, numFrames, maxFrames: video.max_frames ?? 64 };
}

export class VisualEncoder {
  #graphs;
  #streams = [];

  constructor(modelType, numFrames, graphs) {
    this.modelType = modelType;
    this.numFrames = numFrames;
    this.#graphs = graphs;
  }

  /** Forgets frames that were added for a visual that never came. */
  reset() {
    this.#streams = [];
  }

  /** Keeps what the encoder needs of a frame { rgb, width, height }. */
  async addFrame({ rgb, width, height }) {
    const graph = this.#graphs.preprocess;
    const outputs = await graph.run({ frames: graph.tensor("frames", rgb, [1, height, width, 3]) });
    this.#streams.push(Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, pixelsOf(tensor)])));
  }

  /** The frames so far as one "video" or "image": { features, numTokens, width, scores, selected }; the last two may be null. */
  async encode(kind) {
    const streams = this.#streams;
    this.reset();
    const isImage = kind === "image" && this.modelType === "mobile_videogpt";
    const graph = isImage ? this.#graphs.imageEncoder : this.#graphs.visionEncoder;
    // An image is what the image encoder sees of a frame.
    const names = isImage ? { pixel_values: "context_pixel_values_videos" } : {};
    const feeds = {};
    for (const [name, { shape }] of graph.inputs) {
      const pixels = this.#join(streams, names[name] ?? name, kind);
      // Videos have a dimension of frames, and images have none.
      feeds[name] = graph.tensor(name, pixels.data, shape.length === 5 ? [1, ...pixels.dims] : pixels.dims);
    }
    const outputs = await graph.run(feeds);
    const features = outputs.video_features ?? outputs.image_features;
    const [, numTokens, width] = features.dims;
    const found = {
      features: asFloats(features),
      numTokens,
      width,
      scores: outputs.frame_scores ? asFloats(outputs.frame_scores) : null,
      selected: outputs.selected_frames ? Array.from(outputs.selected_frames.data, Number) : null,
    };
    Object.values(outputs).forEach((tensor) => tensor.dispose());
    return found;
  }

  #join(streams, name, kind) {
    const frames = streams.map((stream) => stream[name]);
    const [, ...size] = frames[0].dims;
    // Of a clip with fewer frames, the missing ones are zero.
    const fillsUp = kind === "video" && this.modelType === "mobile_videogpt";
    const number = fillsUp ? Math.max(this.numFrames, frames.length) : frames.length;
    const length = frames[0].data.length;
    const data = new Float32Array(number * length);
    frames.forEach((frame, i) => data.set(frame.data, i * length));
    return { data, dims: [number, ...size] };
  }
}

function pixelsOf(tensor) {
  const pixels = { data: asFloats(tensor), dims: tensor.dims };
  tensor.dispose();
  return pixels;
}
