// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// Which frames of a video a model looks at: the rules of the package's video/frame_sampling_mvgpt.py and frame_sampling_tinyllava.py.

/** n whole numbers, evenly spread from first to last and cut off behind the point, as numpy.linspace(first, last, n, dtype=int). */
function spread(first, last, n) {
  const step = n > 1 ? (last - first) / (n - 1) : 0;
  return Array.from({ length: n }, (_, i) => Math.floor(i > 0 && i === n - 1 ? last : first + i * step));
}

/** As Python's round: halves go to the even neighbor. */
function roundHalfToEven(x) {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 ? floor + 1 : floor;
}

/** Mobile-VideoGPT: about one frame per second, thinned out if that gives too many, closer together if it gives too few. */
function secondsApart(numFrames, fps, wanted) {
  const stride = Math.max(1, roundHalfToEven(fps));
  const positions = [];
  for (let index = 0; index < numFrames; index += stride) positions.push(index);
  if (positions.length > wanted) return spread(0, positions.length - 1, wanted).map((place) => positions[place]);
  if (positions.length === wanted) return positions;
  const n = Math.min(wanted, numFrames);
  const closer = Math.max(1, Math.floor((numFrames - 1) / Math.max(1, n - 1)));
  return Array.from({ length: n }, (_, i) => i * closer);
}

/** TinyLLaVA-Video: evenly from the first to the last; as many as there are full seconds where no number is wanted. */
function evenly(numFrames, fps, wanted, most) {
  const n = wanted ?? Math.min(most, Math.max(1, Math.floor(numFrames / fps)));
  return spread(0, numFrames - 1, n);
}

/** Numbers of frames, ascending, of a video with a constant frame rate; rule is what `samplingRule` gives. */
export function sampleFrames(numFrames, fps, rule) {
  if (rule.name === "evenly") return evenly(numFrames, fps, rule.numFrames, rule.maxFrames);
  return secondsApart(numFrames, fps, rule.numFrames);
}

/** Times in seconds to look at where the frame rate is not known or not constant. */
export function sampleTimes(first, last, rule) {
  const n = rule.numFrames ?? Math.min(rule.maxFrames, Math.max(1, Math.floor(last - first)));
  const seconds = Math.floor(last - first + 1e-3) + 1;
  if (rule.name !== "evenly" && seconds > n) return spread(0, seconds - 1, n).map((second) => first + second);
  return Array.from({ length: n }, (_, i) => (n > 1 ? first + (i * (last - first)) / (n - 1) : first));
}
