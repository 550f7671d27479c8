// Keeps the page current. Without it the page is complete, and as old as its last loading.
"use strict";
(() => {
  const link = document.getElementById("link");
  const parts = () => document.querySelectorAll("[data-live]");
  if (!link || !window.EventSource) return;
  let timer = null;
  let newest = Number(document.querySelector("#recent [data-key]")?.dataset.key ?? 0);

  // When the service was last heard of; what is shown is as old as that.
  let heard = Date.now();
  let lost = false;

  function found() {
    heard = Date.now();
    lost = false;
    document.body.classList.remove("lost");
    say("live", "good");
  }

  function gone() {
    lost = true;
    document.body.classList.add("lost");
    say(`not connected; what is shown is of ${new Date(heard).toLocaleTimeString()}`, "bad");
    document.title = "Not connected — syncd";
  }

  function say(text, tone) {
    link.hidden = false;
    link.textContent = text;
    link.className = `quiet ${tone}`;
  }

  // What a person has opened or stands on stays so.
  function replace(old, fresh) {
    const open = [...old.querySelectorAll("details")].map((node) => node.open);
    const places = "a, button, summary";
    const at = [...old.querySelectorAll(places)].indexOf(document.activeElement);
    old.replaceWith(fresh);
    fresh.querySelectorAll("details").forEach((node, index) => { node.open = Boolean(open[index]); });
    if (at >= 0) fresh.querySelectorAll(places)[at]?.focus({ preventScroll: true });
  }

  async function refresh() {
    timer = null;
    try {
      const answer = await fetch("/?part=live", { headers: { accept: "text/html" }, signal: AbortSignal.timeout(10000) });
      if (!answer.ok) { gone(); return; }
      // The server has escaped whatever is in it, and the page's policy lets no script in it run.
      const fetched = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of parts()) {
        const fresh = fetched.getElementById(old.id);
        if (fresh && fresh.innerHTML !== old.innerHTML) replace(old, document.adoptNode(fresh));
      }
      for (const row of document.querySelectorAll("#recent [data-key]")) {
        if (Number(row.dataset.key) > newest) row.classList.add("fresh");
      }
      newest = Number(document.querySelector("#recent [data-key]")?.dataset.key ?? newest);
      found();
      document.title = `${document.querySelector("#state .word").textContent} — syncd`;
      locally();
    } catch {
      gone(); // it may be restarting: the stream comes back by itself
    }
  }

  // Moments in the zone of whoever reads.
  function locally() {
    for (const node of document.querySelectorAll("time")) node.title = new Date(node.dateTime).toLocaleString();
  }

  function soon() {
    timer ??= setTimeout(refresh, document.hidden ? 5000 : 700);
  }

  const stream = new EventSource("/api/v1/stream");
  stream.onmessage = soon;
  stream.onopen = () => { if (!lost) say("live", "good"); soon(); };
  stream.onerror = gone;
  setInterval(() => { if (!document.hidden) soon(); }, 15000);
  locally();
})();
