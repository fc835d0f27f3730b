// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// No request leaves this page, but to the address of a model that the visitor gave: the browser sees to it. A policy in a page cannot be
// loosened later, so this comes before everything else. Workers made of a blob inherit it.
"use strict";
{
  // where these send on who asks for a file of theirs
  const redirects = { "huggingface.co": ["https://*.huggingface.co", "https://*.hf.co"] };
  const allowed = ["'self'", "blob:"];
  const given = new URLSearchParams(location.search).get("model");
  if (given && URL.canParse(given, location.href)) {
    const { protocol, origin, hostname } = new URL(given, location.href);
    if (["http:", "https:"].includes(protocol) && origin !== location.origin) {
      allowed.push(origin, ...(redirects[hostname] ?? []));
    }
  }
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = `connect-src ${allowed.join(" ")}`;
  document.head.append(policy);
}
