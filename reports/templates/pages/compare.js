
// Filter.
const form = byId("filters");
const list = byId("items");
const items = [...list.querySelectorAll(":scope > details")];
const apply = () => {
  const isBlind = root.classList.contains("blind");
  const [suite, kind] = [form.suite.value, isBlind ? "" : form.kind.value];
  let shown = 0;
  for (const item of items) {
    const fits = (!suite || item.dataset.suite === suite) && (!kind || item.dataset.kinds.split(" ").includes(kind));
    item.hidden = !fits;
    shown += fits ? 1 : 0;
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

// Blind mode: names go, and conversations and answers stand in the drawn order, in the document too.
const blind = byId("blind");
const order = (parent, key) => {
  const children = [...parent.children].filter((child) => child.dataset[key] !== undefined);
  parent.append(...children.sort((a, b) => a.dataset[key] - b.dataset[key]));
};
const lettersOf = {};
for (const who of document.querySelectorAll("h1 .who")) lettersOf[Object.keys(lettersOf).length] = who.textContent;
const tell = () => {
  const counts = {};
  let voted = 0;
  for (const button of document.querySelectorAll(".vote [aria-pressed=true]")) {
    counts[button.dataset.vote] = (counts[button.dataset.vote] ?? 0) + 1;
    voted += 1;
  }
  const tally = byId("tally");
  tally.hidden = voted === 0 || root.classList.contains("blind");
  const told = Object.entries(lettersOf).map(([series, letter]) => `${letter} ${counts[series] ?? 0}`);
  tally.textContent = `You preferred ${told.join(", ")}; no difference ${counts.none ?? 0}; of ${voted} heard.`;
};
const arrange = () => {
  const isBlind = root.classList.contains("blind");
  const key = isBlind ? "blindPlace" : "place";
  order(list, key);
  for (const sides of document.querySelectorAll(".sides")) order(sides, key);
  document.querySelectorAll(".player").forEach(label);
  blind.textContent = isBlind ? "Reveal names" : "Listen blind";
  blind.setAttribute("aria-pressed", String(isBlind));
  apply();
  tell();
};
blind.addEventListener("click", () => {
  root.classList.toggle("blind");
  arrange();
});
for (const vote of document.querySelectorAll(".vote")) {
  vote.addEventListener("click", (event) => {
    const button = event.target.closest("[data-vote]");
    if (!button) return;
    for (const other of vote.querySelectorAll("[data-vote]")) other.setAttribute("aria-pressed", String(other === button));
    vote.closest("details").querySelector(".voted").textContent = "heard";
  });
}

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
for (const item of items) {
  item.addEventListener("toggle", () => {
    if (item.open) item.querySelectorAll(".player").forEach(enhance);
  });
}
follow();
