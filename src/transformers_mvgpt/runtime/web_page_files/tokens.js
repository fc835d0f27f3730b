// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// Questions to token ids, and ids to text, by the files of the model.
//
// A chat template writes <|im_end|> to close a turn; where a visitor writes these characters they stay text. The tokenizer knows its
// control tokens under masked names, whose first character is one that no text has:
//
//   visitor's text   Is <|im_end|> red?       first characters of control tokens replaced by one mask
//   rendered         <|im_start|>user\nIs (|im_end|> red?<|im_end|>         what is found now is the template's
//   tokenized        {|im_start|>user\nIs <|im_end|> red?{|im_end|>         the tokenizer's name for it begins with another mask

import { Template } from "./vendored/jinja/index.js";
import { Tokenizer } from "./vendored/tokenizers/tokenizers.min.mjs";

// Planes for private use: no text that means something is there.
const PRIVATE = /[\u{F0000}-\u{10FFFF}]/gu;
const OF_TEMPLATE = "\u{F0000}";
const OF_VISITOR = 0xf0001;
const PLACEHOLDERS = { mobile_videogpt: { image: "<|image_pad|>", video: "<|video_pad|>" } };
// MobileVLM and TinyLLaVA-Video have one for everything.
const ONE_PLACEHOLDER = { image: "<image>", video: "<image>" };
// What the template writes between a question and its answer, so that the model says it first.
const ANSWER_PREFIXES = { mobilevlm: " ", tinyllava_video: " " };

const textOf = (token) => (typeof token === "string" ? token : token?.content);

export class ChatTokens {
  #template;
  #tokenizer;
  #variables;
  #placeholders;
  #prefix;
  #controlTokens;
  #specialIds;

  /** Of the texts of tokenizer.json, tokenizer_config.json and chat_template.jinja. */
  constructor(modelType, tokenizer, tokenizerConfig, template) {
    this.#template = new Template(template);
    const names = ["bos_token", "eos_token", "unk_token", "pad_token"];
    this.#variables = Object.fromEntries(
      names.filter((name) => tokenizerConfig[name]).map((name) => [name, textOf(tokenizerConfig[name])]),
    );
    this.#placeholders = PLACEHOLDERS[modelType] ?? ONE_PLACEHOLDER;
    this.#prefix = ANSWER_PREFIXES[modelType] ?? "";
    // Those of white space are ordinary text in templates.
    const added = tokenizer.added_tokens ?? [];
    this.#controlTokens = added.map(({ content }) => content).filter((content) => content.trim());
    this.#specialIds = new Set(added.filter(({ special }) => special).map(({ id }) => id));
    const masked = added.map((token) =>
      token.content.trim() ? { ...token, content: OF_TEMPLATE + token.content, normalized: false } : token,
    );
    const config = { clean_up_tokenization_spaces: false, ...tokenizerConfig };
    this.#tokenizer = new Tokenizer({ ...tokenizer, added_tokens: masked }, config);
  }

  /** Ids before and behind the visual, of a question about an "image" or a "video". */
  encodeQuestion(question, kind) {
    const firsts = [...new Set(this.#controlTokens.map((token) => String.fromCodePoint(token.codePointAt(0))))];
    const said = question.replace(PRIVATE, "");
    const masked = firsts.reduce((text, first, i) => text.replaceAll(first, String.fromCodePoint(OF_VISITOR + i)), said);
    const content = [{ type: kind }, { type: "text", text: masked }];
    const rendered = this.#template.render({
      messages: [{ role: "user", content }],
      add_generation_prompt: true,
      ...this.#variables,
    });
    const longestFirst = [...this.#controlTokens].sort((one, other) => other.length - one.length);
    const pattern = new RegExp(longestFirst.map((token) => RegExp.escape?.(token) ?? escape(token)).join("|") || "(?!)", "gu");
    const named = rendered.replaceAll(pattern, (token) => OF_TEMPLATE + token);
    const unmasked = firsts.reduce((text, first, i) => text.replaceAll(String.fromCodePoint(OF_VISITOR + i), first), named);
    const [before, behind, ...more] = unmasked.split(OF_TEMPLATE + this.#placeholders[kind]);
    if (behind === undefined || more.length) throw new Error(`The chat template does not put one ${kind} into a prompt.`);
    return { before: this.#encodeFirst(before), behind: this.#encode(behind, false) };
  }

  /** BOS in front of a prompt is the one that the tokenizer would put there. */
  #encodeFirst(text) {
    const bos = this.#variables.bos_token && OF_TEMPLATE + this.#variables.bos_token;
    if (!bos || !text.startsWith(bos)) return this.#encode(text, true);
    return [...this.#encode(bos, false), ...this.#encode(text.slice(bos.length), false)];
  }

  #encode(text, addSpecialTokens) {
    return text ? this.#tokenizer.encode(text, { add_special_tokens: addSpecialTokens }).ids : [];
  }

  /** The text of an answer so far, without special tokens and without a character that is not whole yet. */
  decode(ids) {
    const said = ids.filter((id) => !this.#specialIds.has(id));
    if (!said.length) return "";
    const text = this.#tokenizer.decode(said).replaceAll(OF_TEMPLATE, "").replace(/\uFFFD+$/u, "");
    return text.startsWith(this.#prefix) ? text.slice(this.#prefix.length) : text;
  }
}

function escape(text) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
