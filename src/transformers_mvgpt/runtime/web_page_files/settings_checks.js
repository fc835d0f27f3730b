// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// What a model's settings ask for and this page does not do: it is refused, for the answers would be others than the package's.

import { PageError } from "./frames.js";

// Settings of a generation config that would change answers, and the value with which they do not: as in runtime/token_choice.py.
const NEUTRAL = {
  bad_words_ids: null,
  begin_suppress_tokens: null,
  constraints: null,
  dola_layers: null,
  encoder_no_repeat_ngram_size: 0,
  encoder_repetition_penalty: 1,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  exponential_decay_length_penalty: null,
  forced_bos_token_id: null,
  forced_eos_token_id: null,
  guidance_scale: 1,
  min_length: 0,
  min_new_tokens: 0,
  min_p: 0,
  no_repeat_ngram_size: 0,
  num_beams: 1,
  penalty_alpha: null,
  prompt_lookup_num_tokens: null,
  remove_invalid_values: false,
  repetition_penalty: 1,
  sequence_bias: null,
  stop_strings: null,
  suppress_tokens: null,
  top_h: null,
  typical_p: 1,
  watermarking_config: null,
};
const NEUTRAL_OF_VIDEOS = { fps: null, start_seconds: null, end_seconds: null, do_sample_frames: true, sampling: "frames" };

const isGiven = (value) => value !== null && value !== undefined;
const shorten = (value) => JSON.stringify(value).slice(0, 60);

/** Throws a sentence if the page would not do as the settings say; `addressOf` makes a file's name its address. */
export function checkSettings({ generationConfig, processorConfig }, addressOf) {
  const generationFile = addressOf("generation_config.json");
  const refuse = (file, name, value) => {
    throw new PageError(`${file} has "${name}" (${shorten(value)}), which this page does not do: remove it, or ask with \`mvgpt ask\`.`);
  };
  for (const [name, neutral] of Object.entries(NEUTRAL)) {
    const value = generationConfig[name];
    if (isGiven(value) && value !== neutral) refuse(generationFile, name, value);
  }
  // At a temperature of 0 nothing is drawn, and the others are of what is drawn.
  if (generationConfig.do_sample === true && generationConfig.temperature !== 0) refuse(generationFile, "do_sample", true);
  for (const name of ["max_new_tokens", "max_length"]) {
    const value = generationConfig[name];
    if (isGiven(value) && !(Number.isInteger(value) && value >= 1)) {
      throw new PageError(`${generationFile} has "${name}" (${shorten(value)}), which must be a number of at least 1: correct it.`);
    }
  }
  for (const [name, neutral] of Object.entries(NEUTRAL_OF_VIDEOS)) {
    const value = processorConfig.video_processor?.[name];
    if (isGiven(value) && value !== neutral) refuse(addressOf("processor_config.json"), `video_processor.${name}`, value);
  }
}
