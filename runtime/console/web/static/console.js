/* The console's only script. Pages work without it; with it they follow the ledger, and can be used by keyboard.

   - new entries (server-sent events) bring the page up to date, unless somebody is writing in it
   - a table is narrowed as one types
   - keys: listed by "?"; they can be switched off, and never work while one writes
*/
"use strict";
(() => {
  const root = document.documentElement.dataset.base;
  const markup = window.trustedTypes
    ? trustedTypes.createPolicy("fleetward", { createHTML: (text) => text })
    : { createHTML: (text) => text };
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const writing = (element) => element && element.matches("input, select, textarea, [contenteditable]");
  const say = (words) => { const place = $("#live"); if (place && place.textContent !== words) place.textContent = words; };

  /* --- narrowing a table ---------------------------------------------------------------------- */
  function narrow(input) {
    const wanted = input.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const table = document.getElementById(input.dataset.narrows);
    if (!table) return;
    let shown = 0;
    for (const row of $$("tbody tr:not(.group)", table)) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    for (const group of $$("tbody", table)) {
      const head = $("tr.group", group);
      if (head) head.hidden = !$("tr:not(.group):not([hidden])", group);
    }
    const told = $("#narrowed");
    if (told) told.textContent = wanted.length ? `${shown} shown` : "";
  }

  /* --- keeping up ----------------------------------------------------------------------------- */
  let due = null;
  let waiting = false;
  const untouched = () => {
    if (writing(document.activeElement) || $("dialog[open]")) return false;
    return !$$("main textarea, main input:not([type=hidden]):not([type=search])").some((field) => field.value !== field.defaultValue);
  };
  async function refresh() {
    due = null;
    if (document.hidden || !untouched()) { waiting = true; return say("new entries: press r to see them"); }
    waiting = false;
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return say("the page is not up to date: load it again");
    const fresh = new DOMParser().parseFromString(markup.createHTML(await answer.text()), "text/html");
    if (!untouched()) { waiting = true; return say("new entries: press r to see them"); }
    const opened = $$("main details[open]").map((each) => each.id).filter(Boolean);
    const typed = $$("main input[type=search]").map((each) => [each.id, each.value]);
    const focus = document.activeElement && document.activeElement.id;
    const place = [scrollX, scrollY];
    for (const part of ["main", ".top nav", "footer"]) {
      const [old, next] = [$(part), $(part, fresh)];
      if (old && next) old.replaceWith(document.adoptNode(next));
    }
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    for (const [id, value] of typed) { const field = id && document.getElementById(id); if (field) field.value = value; }
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
    scrollTo(...place);
    begin();
    say("up to date");
  }
  function follow() {
    const since = document.documentElement.dataset.size;
    if (!since || !window.EventSource) return;
    const events = new EventSource(`${root}/live?since=${encodeURIComponent(since)}`);
    const told = () => { if (due === null) due = setTimeout(() => refresh().catch(() => say("the page is not up to date")), 1200); };
    events.onmessage = told;
    events.onopen = () => say("following the ledger");
    events.onerror = () => say(events.readyState === EventSource.CLOSED ? "not following the ledger" : "the ledger is away; trying again");
    addEventListener("pagehide", () => events.close());
  }

  /* --- keys ----------------------------------------------------------------------------------- */
  const OFF = "fleetward-keys-off";
  const keysAreOff = () => { try { return localStorage.getItem(OFF) === "1"; } catch { return false; } };
  let went = 0;
  function rows() { return $$("main table[data-rows] tbody tr:not(.group)").filter((row) => !row.hidden); }
  function move(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.classList.contains("here"));
    const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
    for (const row of all) row.classList.toggle("here", row === next);
    const link = $("a", next);
    if (link) link.focus();
    next.scrollIntoView({ block: "nearest" });
  }
  function pressed(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || keysAreOff()) return;
    const help = $("#keys");
    if (event.key === "Escape" && writing(document.activeElement)) { document.activeElement.blur(); return; }
    if (writing(event.target) || help?.open) return;
    if (Date.now() - went < 1500) {
      went = 0;
      const link = $(`.top nav a[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const does = {
      g: () => { went = Date.now(); },
      "/": () => $("main input[type=search]")?.focus(),
      j: () => move(1),
      k: () => move(-1),
      r: () => { refresh().catch(() => location.reload()); },
      "?": () => help?.showModal(),
    }[event.key];
    if (does) { event.preventDefault(); does(); }
  }

  function begin() {
    for (const input of $$("input[data-narrows]")) { input.addEventListener("input", () => narrow(input)); narrow(input); }
    for (const field of $$("select[data-sends]")) field.addEventListener("change", () => field.form.requestSubmit());
  }
  addEventListener("DOMContentLoaded", () => {
    begin();
    follow();
    document.addEventListener("keydown", pressed);
    $("#show-keys")?.addEventListener("click", () => $("#keys").showModal());
    const off = $("#keys-off");
    if (off) {
      off.checked = keysAreOff();
      off.addEventListener("change", () => { try { localStorage.setItem(OFF, off.checked ? "1" : "0"); } catch { /* not kept */ } });
    }
    document.addEventListener("visibilitychange", () => { if (!document.hidden && waiting && due === null) refresh().catch(() => {}); });
  });
})();
