// Keeps the page current: an event on the stream has the part that changes fetched again, once a second at most.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live || !window.EventSource) return;
  let timer = null;

  async function refresh() {
    timer = null;
    try {
      const answer = await fetch("/?part=live", { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const open = [...live.querySelectorAll("details[open] summary")].map((node) => node.textContent);
      const first = live.querySelector("#recent li")?.textContent;
      // The server has escaped whatever is in it.
      live.innerHTML = await answer.text();
      live.querySelectorAll("details summary").forEach((node) => {
        if (open.includes(node.textContent)) node.parentElement.open = true;
      });
      const newest = live.querySelector("#recent li");
      if (newest && newest.textContent !== first) newest.classList.add("fresh");
      const state = live.querySelector("#state");
      if (state) document.title = `syncd — ${state.textContent}`;
    } catch {
      // The service is restarting: the stream comes back by itself.
    }
  }

  function soon() {
    if (timer === null) timer = setTimeout(refresh, 1000);
  }

  const stream = new EventSource("/api/v1/stream");
  stream.onmessage = soon;
  stream.onopen = soon;
  setInterval(() => { if (!document.hidden) soon(); }, 30000);
})();
