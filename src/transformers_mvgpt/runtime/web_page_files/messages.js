// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// What the page says about itself: what it does, how far it is, and what went wrong.

const byId = (id) => document.getElementById(id);

/** What the page is doing, or that it waits. `done` of `all` shows a bar; without `all`, one that only moves. */
export function showStatus(text, done, all) {
  const status = byId("status");
  if (status.textContent !== text) status.textContent = text;
  const bar = byId("progress");
  bar.hidden = done === undefined;
  if (all) {
    bar.max = all;
    bar.value = done;
  } else {
    bar.removeAttribute("value");
  }
}

/** A sentence about what went wrong, with the visual or, as "ask-alert", with the question. The empty text takes both away. */
export function showAlert(text, place = "alert") {
  for (const id of ["alert", "ask-alert"]) {
    const alert = byId(id);
    alert.textContent = id === place ? text : "";
    alert.hidden = !alert.textContent;
  }
}
