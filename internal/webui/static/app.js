// What the page does beyond what the server wrote: times in the browser's own zone, keys, the menu of a narrow screen.
"use strict";
(() => {
  const root = document.documentElement;

  // ---- Times: the same words as format.go says.
  const plural = (n, thing) => n === 1 ? "1 " + thing : n.toLocaleString("en") + " " + thing + "s";
  const relative = (moment) => {
    const d = Date.now() - moment, far = Math.abs(d);
    if (far < 10e3) return d < 0 ? "in a moment" : "just now";
    const text = far < 60e3 ? plural(Math.floor(far / 1e3), "second")
      : far < 3600e3 ? plural(Math.floor(far / 60e3), "minute")
      : far < 48 * 3600e3 ? plural(Math.floor(far / 3600e3), "hour")
      : plural(Math.floor(far / 86400e3), "day");
    return d < 0 ? "in " + text : text + " ago";
  };
  const pad = (n) => String(n).padStart(2, "0");
  const day = (t) => t.getFullYear() + "-" + pad(t.getMonth() + 1) + "-" + pad(t.getDate());
  const clock = (t) => pad(t.getHours()) + ":" + pad(t.getMinutes());
  const stamp = (t) => day(t) + " " + clock(t) + ":" + pad(t.getSeconds());
  let zone = ""; // asked for after the first paint: a browser takes a while for the first time
  const set = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const localize = (within) => {
    for (const element of within.querySelectorAll("time[data-time]")) {
      const t = new Date(element.dateTime);
      if (isNaN(t)) continue;
      if (zone) {
        const exact = stamp(t) + " (" + zone + ")";
        if (element.title !== exact) element.title = exact;
      }
      switch (element.dataset.time) {
        case "relative": set(element, relative(t.getTime())); break;
        case "lasts": set(element, relative(t.getTime()).replace(" ago", "")); break;
        case "stamp": set(element, stamp(t)); break;
        case "minute": set(element, day(t) + " " + clock(t)); break;
        case "clock": set(element, clock(t)); break;
        case "day": set(element, day(t)); break;
      }
    }
  };
  setInterval(() => localize(document), 10e3);
  document.addEventListener("htmx:after:settle", () => localize(document));
  document.addEventListener("htmx:after:swap", () => localize(document));

  // ---- The zone: days and months of conversations are cut by the server, in the zone that this cookie names.
  const zoned = () => document.cookie.split("; ").find((c) => c.startsWith("dm3sync_zone="));
  const tellZone = () => {
    zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
    const before = zoned(), now = "dm3sync_zone=" + zone.replaceAll("/", ".");
    if (before === now) return;
    document.cookie = now + "; path=/; max-age=31536000; samesite=strict";
    const other = before || zone !== "UTC"; // than the one that this page was written in
    if (other && zoned() === now && document.querySelector(".reader, .talks")) location.reload();
  };

  // ---- The menu: always open beside a wide page, a sheet on a narrow one.
  const more = document.querySelector(".rail .more");
  const narrow = matchMedia("(max-width: 52rem)");
  const fit = () => { if (more) more.open = !narrow.matches; };
  narrow.addEventListener("change", fit);
  document.addEventListener("click", (event) => {
    if (more && narrow.matches && more.open && !more.contains(event.target)) more.open = false;
  });

  // ---- Keys. They can be switched off, for those whose speech types letters.
  const keysOff = () => localStorage.getItem("keys") === "off";
  const keysField = document.getElementById("keys-off");
  if (keysField) {
    keysField.checked = keysOff();
    keysField.addEventListener("change", () => { if (keysField.checked) localStorage.setItem("keys", "off"); else localStorage.removeItem("keys"); });
  }
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  let after = "", since = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && more && narrow.matches && more.open) {
      more.open = false;
      more.querySelector("summary").focus();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target) || keysOff()) return;
    if (document.querySelector("dialog[open]")) return;
    const previous = event.timeStamp - since < 1500 ? after : "";
    after = event.key;
    since = event.timeStamp;
    if (previous === "g") {
      const link = document.querySelector('.rail a[data-key="' + CSS.escape(event.key) + '"]');
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (event.key === "?") {
      event.preventDefault();
      document.getElementById("shortcuts").showModal();
    } else if (event.key === "/") {
      const field = document.querySelector("input[type=search]");
      const link = document.querySelector('.rail a[data-key="s"]');
      if (field) { event.preventDefault(); field.focus(); field.select(); }
      else if (link) { event.preventDefault(); link.click(); }
    }
  });

  // ---- Colours: at once, and kept by the server.
  document.querySelector(".themes")?.addEventListener("submit", (event) => {
    const choice = event.submitter?.value;
    if (!choice) return;
    event.preventDefault();
    if (choice === "auto") delete root.dataset.theme; else root.dataset.theme = choice;
    for (const button of event.target.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === event.submitter));
    fetch("/appearance", {method: "POST", body: new URLSearchParams({theme: choice, back: "/help"}), redirect: "manual", keepalive: true}); // also when the page is left at once
    document.dispatchEvent(new CustomEvent("dm3sync:theme"));
  });

  // ---- Freshness: the agent says when something happened, and what is on the page is fetched anew and changed in place. A
  // tab that nobody sees does not listen, for a browser has few connections for one address.
  const state = document.getElementById("link-state");
  const said = document.getElementById("said");
  let stream = null, last = Number(document.body.dataset.last), moved = Number(document.body.dataset.moved), alarms = Number(document.body.dataset.alarms);
  let run = "", lost = false, retry = 0, timer = 0;
  const refresh = () => document.body.dispatchEvent(new CustomEvent("refresh"));
  const tell = (text) => { state.hidden = !text; set(state, text); };
  const pulse = (event) => {
    const now = JSON.parse(event.data);
    const badge = document.getElementById("alarm-count");
    if (badge) {
      set(badge, String(now.alarms || now.problems));
      badge.hidden = !now.alarms && !now.problems;
      badge.classList.toggle("bad", now.alarms > 0);
    }
    if (now.alarms !== alarms) set(said, now.said);
    const goesOn = now.moved !== moved && document.querySelector("[data-working]"); // what shows long work
    if (now.last !== last || goesOn || now.alarms !== alarms || lost || (run && run !== now.run)) refresh();
    last = now.last; moved = now.moved; alarms = now.alarms; run = now.run; retry = 0;
    if (lost) { lost = false; tell(""); }
  };
  const broken = async () => {
    stream?.close();
    stream = null;
    lost = true;
    let text = "The agent does not answer. Trying again…";
    try {
      const answer = await fetch("/help", {method: "HEAD", redirect: "manual"});
      if (answer.status === 401 || answer.status === 403 || answer.type === "opaqueredirect") text = "This page is logged out. Run dm3sync ui to open it again.";
    } catch { /* it does not answer, as said */ }
    if (stream) return; // it was found again meanwhile
    tell(text);
    retry = Math.min(retry + 1, 6);
    clearTimeout(timer);
    timer = setTimeout(listen, 500 * 2 ** retry);
  };
  const listen = () => {
    if (stream || document.hidden) return;
    stream = new EventSource(document.body.dataset.live);
    stream.addEventListener("pulse", pulse);
    stream.addEventListener("error", broken);
  };
  const hush = () => { stream?.close(); stream = null; clearTimeout(timer); };
  document.addEventListener("visibilitychange", () => { if (document.hidden) hush(); else listen(); });
  addEventListener("pagehide", hush);
  addEventListener("pageshow", (event) => { if (event.persisted) { lost = true; listen(); } });
  setInterval(() => { if (!document.hidden && stream) refresh(); }, 30e3);

  // ---- What is no answer of a page, as that of a guard that has enough, replaces nothing; to somebody who did something, it is told.
  document.addEventListener("htmx:before:response", (event) => {
    const {request, response, hx} = event.detail.ctx;
    if (response.status < 400 || hx.retarget) return; // the page's own sentences say where they belong
    event.preventDefault();
    if (request.method === "GET") return; // asked for by itself, and soon again
    const box = document.createElement("div"), text = document.createElement("p");
    box.className = "notice warn";
    text.textContent = response.status === 429 ? "That was too much at once. Wait for a moment, then try again." : "The agent did not take that. Try again, or reload this page.";
    box.append(text);
    document.getElementById("notices").replaceChildren(box);
  });

  // ---- A form that is sent twice, as by a double click, is sent once: the second answer would say that there is nothing to do.
  const sent = new Map(), once = 5000; // in milliseconds: who asks again after that means it
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (event.timeStamp - (sent.get(form) ?? -once) < once) event.preventDefault();
    else sent.set(form, event.timeStamp);
  });
  addEventListener("pageshow", () => sent.clear());

  // ---- Fields that send their form when they change.
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (!field.matches("[data-submit]")) return;
    if (field.dataset.clears) field.form.elements[field.dataset.clears]?.remove();
    field.form.requestSubmit();
  });

  const start = () => {
    if (!zoned() && document.querySelector(".reader, .talks")) tellZone();
    localize(document);
    fit();
    root.classList.add("ready");
    listen();
    requestAnimationFrame(() => setTimeout(() => { tellZone(); localize(document); }));
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
})();
