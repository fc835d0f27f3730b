// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// Questions and answers, the newest first. A screen reader hears an answer when it is whole.

const readable = (milliseconds) => (milliseconds < 995 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`);

export class AnswerLog {
  #log;

  constructor(log) {
    this.#log = log;
  }

  clear() {
    this.#log.replaceChildren();
  }

  /** Adds a question; returns functions that show its answer so far and at its end, and one that takes it back. */
  add(question) {
    const article = document.createElement("article");
    const [asked, said, how] = ["asked", "said", "how"].map((name) => {
      const paragraph = document.createElement("p");
      paragraph.className = name;
      article.append(paragraph);
      return paragraph;
    });
    asked.textContent = question;
    article.setAttribute("aria-busy", "true");
    this.#log.prepend(article);
    const begin = performance.now();
    return {
      show(text) {
        said.textContent = text;
      },
      end(text, isStopped) {
        said.textContent = text || "(no answer)";
        how.textContent = `${isStopped ? "stopped after" : "in"} ${readable(performance.now() - begin)}`;
        article.setAttribute("aria-busy", "false");
      },
      remove() {
        article.remove();
      },
    };
  }
}
