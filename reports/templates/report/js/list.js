  // The list, a page at a time: only what is on the page is in the document.
  const PAGE = 50;
  const list = byId("items");
  const expandButton = byId("expand");
  const pages = byId("pages");
  const opened = new Set();
  let found = [];
  let page = 0;
  let allOpen = false;

  const lastPage = () => Math.max(0, Math.ceil(found.length / PAGE) - 1);
  const nameExpand = () => { sign(expandButton, allOpen ? "collapse" : "expand"); };
  const fillItem = (element) => {
    if (element.open && !element.querySelector(".body")) element.append(itemBody(Number(element.dataset.place)));
  };
  const showPage = (wantedPage) => {
    page = Math.min(Math.max(0, wantedPage), lastPage());
    playing?.pause();
    playing = null;
    list.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map((place) => {
      const element = itemLine(place);
      element.open = opened.has(place);
      fillItem(element);
      return element;
    }));
    allOpen = false;
    nameExpand();
    sign(byId("page-at"), "pages.at", page + 1, lastPage() + 1);
    pages.hidden = lastPage() === 0;
    for (const button of pages.querySelectorAll("button")) {
      button.disabled = ["first", "back"].includes(button.dataset.go) ? page === 0 : page === lastPage();
    }
  };
  const apply = () => {
    found = select();
    sign(byId("shown"), "items.shown", found.length, items.length);
    byId("nothing").hidden = found.length > 0;
    showPage(0);
  };
  const openAll = () => {
    allOpen = !allOpen;
    for (const element of list.children) element.open = allOpen;
    nameExpand();
  };
  const clearFilter = () => {
    form.reset();
    apply();
  };
  const targets = { first: () => 0, back: () => page - 1, next: () => page + 1, last: lastPage };
  const turnPage = (go) => {
    showPage(targets[go]());
    byId("conversations").scrollIntoView();
  };

  // A permalink opens its conversation, whatever the filter hides.
  const follow = () => {
    const place = places.get(location.hash.slice(1));
    if (place === undefined) return;
    if (!found.includes(place)) clearFilter();
    opened.add(place);
    showPage(Math.floor(found.indexOf(place) / PAGE));
    const element = byId(items[place].anchor);
    element.classList.add("aimed");
    element.querySelector("summary").focus({ preventScroll: true });
    element.scrollIntoView();
  };

  const startList = () => {
    let later = 0;
    form.addEventListener("input", (event) => {
      clearTimeout(later);
      if (event.target.tagName === "SELECT") apply();
      else later = setTimeout(apply, 150);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    byId("clear").addEventListener("click", clearFilter);
    expandButton.addEventListener("click", openAll);
    pages.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-go]");
      if (button) turnPage(button.dataset.go);
    });
    // Toggle does not bubble; it is caught on its way down.
    list.addEventListener("toggle", ({ target }) => {
      const place = Number(target.dataset.place);
      if (target.open) opened.add(place);
      else opened.delete(place);
      fillItem(target);
    }, true);
    for (const link of document.querySelectorAll("[data-suite-link]")) {
      link.addEventListener("click", () => {
        form.suite.value = link.dataset.suiteLink;
        apply();
      });
    }
    addEventListener("hashchange", follow);
    apply();
    follow();
  };
