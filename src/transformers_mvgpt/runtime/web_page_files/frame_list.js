// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// The sampled frames with their scores, and those marked that were chosen.

export class FrameList {
  #list;
  #note;
  #frames = [];

  constructor(list, note) {
    this.#list = list;
    this.#note = note;
  }

  clear() {
    this.#frames = [];
    this.#list.replaceChildren();
    this.#note.textContent = "";
  }

  add(frame) {
    this.#frames.push(frame);
    const time = document.createElement("span");
    time.className = "time";
    time.append(textSpan(`${frame.seconds.toFixed(1)} s`));
    const item = document.createElement("li");
    frame.thumbnail.setAttribute("role", "img");
    frame.thumbnail.setAttribute("aria-label", `Frame at ${frame.seconds.toFixed(1)} seconds`);
    item.append(frame.thumbnail, time);
    this.#list.append(item);
  }

  /** `scores` and `selected` of a video, null where the model gives none. */
  mark(scores, selected) {
    const number = this.#frames.length;
    const chosen = new Set((selected ?? []).filter((index) => index < number));
    const most = scores ? Math.max(...scores.subarray(0, number)) : 0;
    [...this.#list.children].forEach((item, index) => {
      if (scores) {
        const meter = document.createElement("meter");
        Object.assign(meter, { min: 0, max: most || 1, value: Math.max(0, scores[index]) });
        meter.title = `Score ${scores[index].toPrecision(3)}`;
        meter.setAttribute("aria-label", meter.title);
        item.append(meter);
      }
      if (chosen.has(index)) {
        item.classList.add("chosen");
        const badge = textSpan("chosen");
        badge.className = "badge";
        item.querySelector(".time").append(badge);
      }
    });
    this.#list.classList.toggle("many", number > 16);
    this.#note.textContent = note(number, chosen.size);
  }
}

function note(number, numChosen) {
  if (numChosen) {
    return `Of ${number} frames, the model scored how much each matters, and chose ${numChosen} for its video encoder: the outlined ones.`;
  }
  return number > 1 ? `${number} frames, evenly spread over the video.` : "";
}

function textSpan(text) {
  const span = document.createElement("span");
  span.textContent = text;
  return span;
}
