"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  root.classList.add("js");

  // Theme: the system's until the reader chooses; kept where the browser lets a page keep anything.
  const store = {
    read() { try { return localStorage.getItem("aqaa-eval-theme"); } catch { return null; } },
    write(value) { try { localStorage.setItem("aqaa-eval-theme", value); } catch { /* a private window */ } },
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const theme = byId("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const nameTheme = () => { theme.textContent = isDark() ? "Light theme" : "Dark theme"; };
  const chosen = store.read();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    store.write(root.dataset.theme);
    nameTheme();
  });
  system.addEventListener("change", nameTheme);
  nameTheme();

  // Filter and order.
  const form = byId("filters");
  const list = byId("items");
  const items = [...list.querySelectorAll(":scope > details")];
  const ranked = (item, missing) => (item.dataset.rank === "" ? missing : Number(item.dataset.rank));
  const orders = {
    "": (a, b) => a.dataset.place - b.dataset.place,
    low: (a, b) => ranked(a, -1) - ranked(b, -1) || orders[""](a, b),
    high: (a, b) => ranked(b, -1) - ranked(a, -1) || orders[""](a, b),
  };
  const matches = (item, suite, outcome) => {
    if (suite && item.dataset.suite !== suite) return false;
    if (outcome === "any") return item.dataset.kinds !== "";
    if (outcome === "checks") return item.dataset.unpassed !== "0";
    return !outcome || item.dataset.kinds.split(" ").includes(outcome.slice("kind:".length));
  };
  let order = "";
  const apply = () => {
    const wanted = { suite: form.suite.value, outcome: form.outcome.value };
    let shown = 0;
    for (const item of items) {
      item.hidden = !matches(item, wanted.suite, wanted.outcome);
      shown += item.hidden ? 0 : 1;
    }
    if (form.order.value !== order) {
      order = form.order.value;
      list.append(...[...items].sort(orders[order]));
    }
    byId("shown").textContent = `${shown} of ${items.length} shown`;
    byId("nothing").hidden = shown > 0 || items.length === 0;
  };
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const link of document.querySelectorAll("[data-suite-link]")) {
    link.addEventListener("click", () => {
      form.suite.value = link.dataset.suiteLink;
      apply();
    });
  }
  const expand = byId("expand");
  expand.addEventListener("click", () => {
    const open = expand.textContent === "Open all";
    for (const item of items) if (!item.hidden) item.open = open;
    expand.textContent = open ? "Close all" : "Open all";
  });

  // A permalink opens its conversation, whatever the filter hides.
  const follow = () => {
    const item = location.hash.length > 1 && byId(decodeURIComponent(location.hash.slice(1)));
    if (!item || !items.includes(item)) return;
    if (item.hidden) {
      form.reset();
      apply();
    }
    item.open = true;
    item.scrollIntoView();
  };
  addEventListener("hashchange", follow);

  // Players: the native one stays where there is no waveform, or no script.
  const svg = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const clock = (now, length) => (
    length < 60 ? `${now.toFixed(1)} / ${length.toFixed(1)} s` : `${minutes(now)} / ${minutes(length)}`
  );
  const playButton = (name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "play";
    button.setAttribute("aria-label", `Play ${name}`);
    button.setAttribute("aria-pressed", "false");
    const icon = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
    icon.append(
      svg("path", { class: "go", d: "M4 2l10 6-10 6z" }),
      svg("path", { class: "pause", d: "M3 2h4v12H3zM9 2h4v12H9z" }),
    );
    button.append(icon);
    return button;
  };
  let playing = null;
  const enhance = (player) => {
    const audio = player.querySelector("audio");
    const wave = player.querySelector("svg.wave");
    if (!wave || player.classList.contains("ready")) return;
    const length = Number(player.dataset.duration);
    const button = playButton(player.dataset.name);
    const track = document.createElement("div");
    const played = wave.cloneNode(true);
    const seek = document.createElement("input");
    const time = document.createElement("span");
    track.className = "track";
    played.classList.add("played");
    time.className = "clock";
    Object.assign(seek, { type: "range", min: 0, max: length, step: 0.01, value: 0 });
    seek.setAttribute("aria-label", `Position in ${player.dataset.name}`);
    const show = () => {
      const share = length > 0 ? Math.min(1, audio.currentTime / length) : 0;
      played.style.clipPath = `inset(0 ${100 * (1 - share)}% 0 0)`;
      seek.value = audio.currentTime;
      seek.setAttribute("aria-valuetext", `${audio.currentTime.toFixed(1)} of ${length.toFixed(1)} seconds`);
      time.textContent = clock(audio.currentTime, length);
      button.setAttribute("aria-pressed", String(!audio.paused));
      if (!audio.paused) requestAnimationFrame(show);
    };
    button.addEventListener("click", () => (audio.paused ? audio.play() : audio.pause()));
    seek.addEventListener("input", () => { audio.currentTime = Number(seek.value); });
    audio.addEventListener("play", () => {
      if (playing && playing !== audio) playing.pause();
      playing = audio;
    });
    for (const event of ["play", "pause", "ended", "seeked"]) audio.addEventListener(event, show);
    audio.addEventListener("error", () => { time.textContent = "cannot be played"; });
    track.append(wave, played, seek);
    player.prepend(button, track, time);
    player.classList.add("ready");
    show();
  };
  for (const item of items) {
    item.addEventListener("toggle", () => {
      if (item.open) item.querySelectorAll(".player").forEach(enhance);
    });
  }
  follow();
})();
