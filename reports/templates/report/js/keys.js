  // The keyboard alone is enough; single keys can be switched off, for those who speak to their computer.
  const help = byId("keys");
  const keysOn = byId("keys-on");
  const showHelp = () => { if (!help.open) help.showModal(); };
  const summaries = () => [...list.querySelectorAll(":scope > details > summary")];
  const current = () => document.activeElement?.closest?.("details.item") ?? null;
  const move = (step) => {
    const all = summaries();
    const item = current();
    const at = item ? all.indexOf(item.querySelector("summary")) + step : step > 0 ? 0 : all.length - 1;
    if (at >= 0 && at < all.length) all[at].focus();
    else if (at < 0 ? page > 0 : page < lastPage()) {
      showPage(page + step);
      summaries().at(at < 0 ? -1 : 0)?.focus();
    }
  };
  const playCurrent = () => {
    const item = current();
    if (!item) return;
    item.open = true;
    fillItem(item);
    const button = item.querySelector(".answer .play");
    if (button) button.click();
    else {
      const audio = item.querySelector(".answer audio");
      if (audio) audio[audio.paused ? "play" : "pause"]();
    }
  };
  const toggleCurrent = () => {
    const item = current();
    if (item) item.open = !item.open;
  };
  const everywhere = { t: switchTheme, l: switchLanguage, "?": showHelp };
  const inList = {
    j: () => move(1),
    k: () => move(-1),
    o: toggleCurrent,
    p: playCurrent,
    "/": () => form.search.focus(),
    "[": () => turnPage("back"),
    "]": () => turnPage("next"),
    e: openAll,
    x: clearFilter,
  };
  const startKeys = () => {
    keysOn.checked = memory.read("keys") !== "off";
    keysOn.addEventListener("change", () => memory.write("keys", keysOn.checked ? "on" : "off"));
    byId("keys-button").addEventListener("click", showHelp);
    byId("keys-close").addEventListener("click", () => help.close());
    addEventListener("keydown", (event) => {
      const isTyping = event.target.closest?.("input:not([type=range]):not([type=checkbox]), select, textarea");
      if (event.key === "Escape" && event.target === form?.search) form.search.blur();
      if (isTyping || help.open || !keysOn.checked || event.ctrlKey || event.metaKey || event.altKey) return;
      const actions = form ? { ...inList, ...everywhere } : everywhere;
      const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
      if (!action) return;
      event.preventDefault();
      action();
    });
  };
