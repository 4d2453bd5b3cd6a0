// A conversation that scrolls without end, both ways. The server writes pieces ("slices") of about a hundred entries; this
// script asks for more as they come into view, holds the view still when something is put above it, takes pieces that are far
// away out of the page, leaving their height, and puts them back when they come near.
"use strict";
(() => {
  // ---- The record as it is stored: a window over the page, or a page of its own. Copying works in both.
  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const said = copy.parentElement.querySelector("[data-said]");
      try {
        await navigator.clipboard.writeText(document.querySelector(copy.dataset.copy).textContent);
        said.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren(document.querySelector(copy.dataset.copy));
        said.textContent = "It is selected now; press Ctrl+C or ⌘C.";
      }
    }
  });

  // ---- The list of conversations is renewed while its top is in view.
  const talks = document.getElementById("talks");
  if (talks) document.body.addEventListener("refresh", () => {
    if (scrollY < 200 && talks.querySelectorAll("li > .talk").length <= 40) talks.dispatchEvent(new CustomEvent("renew"));
  });

  // ---- What was found is looked for again while an index or a fetch goes on, but not under the eyes of who has read on in it.
  const hits = document.getElementById("hits");
  const readOn = (event) => {
    if (scrollY >= 200 && event.target.matches("[hx-trigger^=every]")) event.preventDefault();
  };
  hits?.addEventListener("htmx:before:request", readOn);
  hits?.addEventListener("htmx:after:request", readOn); // the answer, where somebody has gone on since it was asked for

  const reader = document.querySelector(".reader");
  if (!reader) return;
  const path = reader.dataset.path;
  const scroller = document.getElementById("reader-scroll");
  const holder = document.getElementById("slices");
  const pill = document.getElementById("reader-pill");
  const say = document.getElementById("reader-say");
  const NEAR = 1500;       // pixels from the view at which a piece is asked for or put back
  const FAR = 6000;        // and at which one is taken out
  const END = 60;          // pixels from the end that still count as the end
  for (const edge of scroller.querySelectorAll(".reader-edge")) edge.remove(); // the script goes further by itself

  const parse = (text) => {
    const template = document.createElement("template");
    template.innerHTML = text;
    return template.content.firstElementChild;
  };
  // asRead keeps what the server wrote of a piece and of each of its entries, since this page changes them: whole texts, marks.
  const asRead = (slice, text) => {
    slice.was = text;
    for (const entry of slice.querySelectorAll("article")) entry.was = entry.outerHTML;
  };
  for (const slice of holder.children) asRead(slice, "");
  const ask = async (query) => {
    const answer = await fetch(path + "/slice?" + query, {headers: {"HX-Request": "true"}});
    const text = await answer.text();
    const made = parse(text);
    if (made) asRead(made, text);
    if (!made || !made.classList.contains("slice")) throw new Error(made ? made.innerText : "no answer");
    return made;
  };
  const failed = () => parse('<section class="slice failed"><div class="notice warn" role="alert"><p><strong>The agent does not answer.</strong> <button type="button" class="button" data-retry>Try again</button></p><p class="soft"></p></div></section>');
  const all = () => [...holder.children];
  const isFull = (slice) => slice.dataset.from && !slice.dataset.out;
  const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < END;

  // ---- Holding still: the first entry in view stays where it is, whatever changes around it.
  const anchor = () => {
    const view = scroller.getBoundingClientRect();
    for (const slice of all()) {
      const box = slice.getBoundingClientRect();
      if (box.bottom <= view.top) continue;
      if (box.top >= view.bottom) break;
      for (const entry of slice.querySelectorAll("article")) {
        const at = entry.getBoundingClientRect();
        if (at.bottom > view.top && at.top < view.bottom) return {id: entry.id, entry, top: at.top};
      }
    }
    return null;
  };
  const still = (change) => {
    const stay = anchor(), end = atEnd() && scroller.dataset.newest === "true";
    change();
    const entry = stay && (stay.entry.isConnected ? stay.entry : stay.id && document.getElementById(stay.id));
    if (end) scroller.scrollTop = scroller.scrollHeight;
    else if (entry) scroller.scrollTop += entry.getBoundingClientRect().top - stay.top;
  };
  // A day that goes on over the border of two pieces has one heading.
  const tidyDays = () => {
    let last = "";
    for (const slice of all()) {
      if (slice.dataset.out) { last = slice.dataset.lastDay || ""; continue; }
      const heading = slice.querySelector(".day");
      if (heading) heading.classList.toggle("again", heading.dataset.day === last);
      const entries = slice.querySelectorAll("article");
      if (entries.length) last = slice.dataset.lastDay = entries[entries.length - 1].dataset.day;
    }
  };

  // ---- More, on either side.
  const busy = {older: false, newer: false};
  const waiting = (side) => {
    const row = parse('<div class="slice waiting" role="status"><p class="waiting-text"><span>Fetching messages from </span><bdi></bdi><span>…</span></p></div>');
    row.dataset.side = side;
    row.querySelector("bdi").textContent = reader.dataset.place || "the place";
    return row;
  };
  const more = async (side) => {
    if (busy[side]) return;
    const list = all();
    const edge = side === "older" ? list[0] : list[list.length - 1];
    if (!edge || !edge.dataset[side] || edge.dataset.out) return;
    busy[side] = true;
    const query = (side === "older" ? "before=" : "after=") + edge.dataset[side];
    const row = waiting(side);
    still(() => side === "older" ? holder.prepend(row) : holder.append(row));
    let made;
    try { made = await ask(query); } catch { made = failed(); }
    made.dataset.query = query;
    if (made.dataset.from) {
      delete edge.dataset[side];
      if (side === "newer") { // what has just been appended is no longer the end of what was known
        scroller.dataset.newest = String(!made.dataset.newer);
      }
    } else if (!made.classList.contains("failed")) { // nothing there any more
      delete edge.dataset[side];
      if (side === "newer") scroller.dataset.newest = "true";
      still(() => { row.remove(); tidyDays(); });
      busy[side] = false;
      caughtUp();
      return;
    }
    still(() => { row.replaceWith(made); tidyDays(); });
    if (made.classList.contains("failed")) {
      made.dataset.side = side;
      const button = made.querySelector("[data-retry]");
      button?.addEventListener("click", () => { still(() => made.remove()); busy[side] = false; more(side); });
      return; // busy stays, so that scrolling does not ask again and again
    }
    busy[side] = false;
    if (months.querySelector("[data-far]")) fresh(); // some of it may have come from the place
    look();
    caughtUp();
  };

  // ---- Out of the page when far, back when near.
  const takeOut = (slice) => {
    slice.style.height = slice.getBoundingClientRect().height + "px"; // its own, so that nothing moves
    slice.dataset.out = "1";
    slice.replaceChildren();
    slice.setAttribute("aria-hidden", "true");
  };
  const renew = async (slice, open) => {
    if (slice.dataset.renewing || !slice.dataset.from) return;
    slice.dataset.renewing = "1";
    try {
      // Up to where the next piece begins, and from the first of all on: messages that came late may lie between.
      let next = slice.nextElementSibling;
      while (next && !next.dataset.from) next = next.nextElementSibling;
      const first = !slice.dataset.older && !slice.previousElementSibling;
      const made = await ask("from=" + (first ? "0." + "0".repeat(64) : slice.dataset.from) +
        (open ? "" : next ? "&until=" + next.dataset.from : "&to=" + slice.dataset.to));
      delete slice.dataset.renewing;
      if (slice.isConnected && !made.classList.contains("failed")) put(slice, made, open);
    } catch { delete slice.dataset.renewing; }
    if (slice.dataset.stale && !slice.dataset.out) look();
    caughtUp();
  };
  // takeOver makes a piece, or a day of it, like one that was read anew. What is as it was stays where it is, so that no click,
  // focus or selection in it is lost.
  const nameOf = (node) => node.id || node.querySelector?.(":scope > .day")?.dataset.day;
  const takeOver = (old, made) => {
    const named = new Map([...old.children].map((child) => [nameOf(child), child]));
    let at = old.firstChild;
    const skip = (to) => { while (at && at !== to) { const next = at.nextSibling; at.remove(); at = next; } };
    for (const child of [...made.childNodes]) {
      const name = nameOf(child), same = name && named.get(name);
      if (same?.parentNode === old) {
        skip(same);
        at = same.nextSibling;
        if (same.matches(".day-group")) takeOver(same, child);
        else if (same.was !== child.was) same.replaceWith(child);
      } else if (!name && at && !nameOf(at) && at.isEqualNode(child)) at = at.nextSibling;
      else old.insertBefore(child, at);
    }
    skip(null);
  };
  const put = (slice, made, open) => {
    if (!slice.dataset.out && made.was === slice.was) return; // nothing has changed
    const before = open ? new Set([...slice.querySelectorAll("article")].map((entry) => entry.id)) : null;
    const fresh = before?.size ? [...made.querySelectorAll("article")].filter((entry) => !before.has(entry.id)) : [];
    const focused = slice.contains(document.activeElement) ? document.activeElement.closest("article")?.id : "";
    still(() => {
      // What the slice knows of its neighbours stays: they are loaded already.
      if (slice.dataset.older === undefined) delete made.dataset.older;
      if (!open && slice.dataset.newer === undefined) delete made.dataset.newer;
      if (!made.dataset.from) drop(slice); // all of it was deleted
      else if (slice.dataset.out) slice.replaceWith(made);
      else {
        takeOver(slice, made);
        for (const name of ["from", "to", "older", "newer"]) {
          if (name in made.dataset) slice.dataset[name] = made.dataset[name]; else delete slice.dataset[name];
        }
        slice.was = made.was;
      }
      tidyDays();
    });
    if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({preventScroll: true});
    if (fresh.length) arrived(fresh);
    look();
  };
  // drop takes a piece away; what lies beyond it is still asked for from its neighbour.
  const drop = (slice) => {
    const {older, newer} = slice.dataset, above = slice.previousElementSibling, below = slice.nextElementSibling;
    if (older && !above && below?.dataset.from) below.dataset.older = below.dataset.from;
    if (newer && !below && above?.dataset.from) above.dataset.newer = above.dataset.to;
    slice.remove();
  };
  const arrived = (fresh) => {
    say.textContent = fresh.length === 1 ? "A new message arrived." : fresh.length + " new messages arrived.";
    if (!atEnd()) showPill();
  };
  const showPill = () => { pill.hidden = false; };

  // look decides what is asked for, put back and taken out; it runs after each scroll, once a frame.
  let planned = false;
  const look = () => {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => { planned = false; lookNow(); });
  };
  const lookNow = () => {
    const view = scroller.getBoundingClientRect();
    for (const slice of all()) {
      const box = slice.getBoundingClientRect();
      const distance = Math.max(view.top - box.bottom, box.top - view.bottom, 0);
      if (slice.dataset.out) {
        if (distance < NEAR) renew(slice, false);
      } else if (isFull(slice) && distance > FAR && !slice.contains(document.activeElement)) {
        takeOut(slice);
      } else if (slice.dataset.stale && !slice.dataset.renewing && distance < NEAR) {
        delete slice.dataset.stale;
        renew(slice, false);
      }
    }
    if (scroller.scrollTop < NEAR) more("older");
    if (scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR) more("newer");
    if (atEnd() && scroller.dataset.newest === "true") pill.hidden = true;
    month();
  };
  // Who is at the newest end stays there when something grows, as a picture that comes, or the window shrinks.
  let following = false, top = 0;
  const follow = () => {
    if (atEnd()) following = true;
    else if (scroller.scrollTop < top - 1) following = false; // somebody went up
    top = scroller.scrollTop;
  };
  const grown = new ResizeObserver(() => {
    if (following && scroller.dataset.newest === "true" && !atEnd()) scroller.scrollTop = scroller.scrollHeight;
  });
  scroller.addEventListener("scroll", () => { follow(); look(); }, {passive: true});
  addEventListener("resize", look);

  // ---- What happens: the page's feed says "refresh"; what is in view is read again, and what came is appended.
  let refreshing = 0, late = false;
  // caughtUp is called when what was asked for has come: what happened meanwhile may be missing in it.
  const caughtUp = () => { if (late) { late = false; refresh(); } };
  const refresh = () => {
    clearTimeout(refreshing);
    refreshing = setTimeout(async () => {
      const list = all().filter((slice) => slice.dataset.from);
      const last = list[list.length - 1];
      for (const slice of list) if (slice !== last) slice.dataset.stale = "1";
      if (last ? busy.newer || last.dataset.renewing : holder.querySelector(".asking, .failed, .waiting")) { late = true; look(); return; }
      if (!last) { location.reload(); return; }
      if (scroller.dataset.newest !== "true") { look(); return; }
      if (last.dataset.out) {
        try {
          const made = await ask("after=" + last.dataset.to);
          if (made.dataset.from) { last.dataset.newer = last.dataset.to; scroller.dataset.newest = "false"; arrived([...made.querySelectorAll("article")]); }
        } catch { /* the next event asks again */ }
      } else {
        await renew(last, true);
        const now = all().filter((slice) => slice.dataset.from).pop();
        if (now?.dataset.newer) scroller.dataset.newest = "false";
      }
      look();
      fresh();
    }, 150);
  };
  document.body.addEventListener("refresh", refresh);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  pill.addEventListener("click", (event) => {
    if (scroller.dataset.newest !== "true") return; // the newest are elsewhere: the link leads there
    event.preventDefault();
    pill.hidden = true;
    scroller.scrollTop = scroller.scrollHeight;
    scroller.focus({preventScroll: true});
  });

  // ---- The time line: which month is in view, keys, and a drawer on a narrow screen.
  const line = document.getElementById("reader-line");
  const months = document.getElementById("months");
  const lineButton = document.querySelector(".reader-line-button");
  let shown = "";
  const month = () => {
    const at = anchor();
    const now = at?.entry.dataset.day?.slice(0, 7) || "";
    if (!now || now === shown) return;
    shown = now;
    mark();
  };
  const mark = () => {
    const links = [...months.querySelectorAll("a.month")];
    for (const link of links) {
      const here = link.dataset.month === shown || link.dataset.month === shown.slice(0, 4);
      if (here) {
        link.setAttribute("aria-current", "true");
        if (!months.contains(document.activeElement)) {
          const list = link.closest("ol");
          list.scrollTop += link.getBoundingClientRect().top - list.getBoundingClientRect().top - list.clientHeight / 2;
        }
      } else link.removeAttribute("aria-current");
      link.tabIndex = -1;
    }
    const start = links.find((link) => link.hasAttribute("aria-current")) || links[0];
    if (start) start.tabIndex = 0;
  };
  months.addEventListener("keydown", (event) => {
    const links = [...months.querySelectorAll("a.month")];
    const at = links.indexOf(document.activeElement);
    if (at < 0) return;
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1, PageDown: at + 12, PageUp: at - 12}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = links[Math.min(Math.max(to, 0), links.length - 1)];
    for (const link of links) link.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  const drawer = (open) => {
    line.classList.toggle("open", open);
    lineButton.setAttribute("aria-expanded", String(open));
    if (open) { mark(); (months.querySelector("[aria-current]") || months.querySelector("a"))?.focus(); }
    else if (line.contains(document.activeElement)) lineButton.focus();
  };
  lineButton.addEventListener("click", () => drawer(!line.classList.contains("open")));
  line.querySelector(".line-close").addEventListener("click", () => drawer(false));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && line.classList.contains("open")) drawer(false); });
  let freshening = 0;
  const fresh = () => { // what was fetched is on this device now
    clearTimeout(freshening);
    const mine = freshening = setTimeout(async () => {
      try {
        const answer = await fetch(path + "/months", {headers: {"HX-Request": "true"}});
        const text = await answer.text();
        if (!answer.ok || mine !== freshening || months.contains(document.activeElement)) return; // a later answer knows more
        months.innerHTML = text;
        mark();
      } catch { /* it stays as it is */ }
    }, 1000);
  };

  // ---- Going to an entry, the record, the whole text.
  const go = (id, flash) => {
    const entry = document.getElementById(id);
    if (!entry) return false;
    scroller.scrollTop += entry.getBoundingClientRect().top - scroller.getBoundingClientRect().top - Math.min(120, scroller.clientHeight / 4);
    entry.focus({preventScroll: true});
    if (flash) { entry.classList.remove("flash"); void entry.offsetWidth; entry.classList.add("flash"); }
    return true;
  };
  const dialog = document.getElementById("record");
  // part is what the server writes for a link; where it refuses, the browser follows the link, and shows why: null.
  const part = async (address) => {
    try {
      const answer = await fetch(address, {headers: {"HX-Request": "true"}});
      if (answer.ok) return await answer.text();
      location.assign(address);
    } catch { /* the agent is away, as the top of the page says */ }
    return null;
  };
  scroller.addEventListener("click", async (event) => {
    const link = event.target.closest("a, button");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    if (link.dataset.goto && go(link.dataset.goto, true)) event.preventDefault();
    else if ("record" in link.dataset) {
      event.preventDefault();
      const text = await part(link.href);
      if (text === null) return;
      document.getElementById("record-body").innerHTML = text;
      if (!dialog.open) dialog.showModal();
    } else if ("whole" in link.dataset) {
      event.preventDefault();
      const text = await part(link.href);
      if (text !== null && link.isConnected) still(() => { link.closest(".bubble").querySelector(".text").innerHTML = text; link.parentElement.remove(); });
    } else if (link.dataset.again) {
      const slice = link.closest(".slice");
      let made;
      try { made = await ask(link.dataset.again); } catch { made = failed(); }
      if (made.dataset.from) still(() => { slice.replaceWith(made); tidyDays(); });
      else still(() => { link.closest(".notice").querySelector("strong").textContent = made.querySelector("strong")?.textContent ?? "It still can't be had."; });
    }
  });
  document.addEventListener("click", (event) => {
    const menu = document.querySelector(".reader-menu[open]");
    if (menu && !menu.contains(event.target)) menu.open = false;
  });
  // j and k go from entry to entry.
  scroller.addEventListener("keydown", (event) => {
    if ((event.key !== "j" && event.key !== "k") || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("keys") === "off") return;
    const entries = [...scroller.querySelectorAll("article")];
    let at = entries.indexOf(document.activeElement.closest?.("article"));
    if (at < 0) at = entries.indexOf(anchor()?.entry) - (event.key === "j" ? 1 : 0);
    const next = entries[at + (event.key === "j" ? 1 : -1)];
    if (!next) return;
    event.preventDefault();
    next.focus({preventScroll: true});
    next.scrollIntoView({block: "nearest"});
  });

  // ---- The beginning: at the newest end, or at what was looked for; what is not here is asked for.
  const begin = async () => {
    let first = holder.firstElementChild;
    while (first?.dataset.ask) {
      let made;
      try { made = await ask(first.dataset.ask); } catch { made = failed(); }
      if (made.classList.contains("failed")) {
        const query = first.dataset.ask;
        first.replaceWith(made);
        await new Promise((again) => made.querySelector("[data-retry]")?.addEventListener("click", again));
        const retry = parse('<section class="slice asking"><div class="fetching" role="status"><p>Asking again…</p></div></section>');
        retry.dataset.ask = query;
        made.replaceWith(retry);
        first = retry;
        continue;
      }
      first.replaceWith(made);
      scroller.dataset.newest = String(!made.dataset.newer);
      first = null;
      fresh();
    }
    tidyDays();
    reader.classList.add("ready"); // what is hidden can't be focused
    const mark = holder.querySelector("[data-mark]")?.dataset.mark;
    if (!mark || !go(mark, Boolean(reader.dataset.at))) scroller.scrollTop = reader.dataset.date && !mark ? 0 : scroller.scrollHeight;
    follow();
    grown.observe(holder);
    grown.observe(scroller);
    lookNow();
    markMonths();
    caughtUp();
  };
  const markMonths = () => { shown = ""; month(); };
  begin();
})();
