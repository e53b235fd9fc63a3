  // The model's own text and the transcript, with what differs between them marked, word by word as it is spoken.
  const ownText = (spans) => {
    if (spans === null) return make("span", { class: "unit" }, say("own.none"));
    if (!spans.length) return make("span", { class: "unit" }, say("own.empty"));
    return spans.map(([text, differs]) => (differs ? make("del", {}, text) : text));
  };

  const piece = (found, turn) => {
    if (typeof found === "string") return found;
    const [text, differs, word, doubt = null] = found;
    const element = make(differs ? "ins" : "span", {}, text);
    if (word !== null) element.dataset.word = word;
    if (doubt !== null) {
      const instead = turn.second.instead[doubt];
      element.classList.add("doubt");
      label(element, "title", ...(instead ? ["second.instead", instead] : ["second.nothing"]));
    }
    return element;
  };
  const heardText = (turn) => {
    if (turn.heard === null) return make("span", { class: "unit" }, say("heard.none"));
    if (!turn.heard.length) return make("span", { class: "unit" }, say("heard.empty"));
    return turn.heard.map((found) => piece(found, turn));
  };

  // The last word that has begun is lit until the next one begins, but not through a pause.
  const LINGER_S = 0.35;
  const spokenAt = (words, now) => {
    let low = 0;
    let high = words.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (words[middle][0] <= now) low = middle + 1;
      else high = middle;
    }
    return low > 0 && now <= words[low - 1][1] + LINGER_S ? low - 1 : null;
  };
  const follower = (words, holder) => {
    let lit = null;
    return (now, ended) => {
      const word = ended || !words ? null : spokenAt(words, now);
      if (word === lit) return;
      lit = word;
      for (const element of holder.querySelectorAll("[data-word]")) {
        element.classList.toggle("now", word !== null && Number(element.dataset.word) === word);
      }
    };
  };
  const seekable = (words, holder, player) => {
    holder.classList.add("seekable");
    label(holder, "title", "heard.hint");
    holder.addEventListener("click", (event) => {
      const element = event.target.closest("[data-word]");
      if (element) player.playFrom(words[Number(element.dataset.word)][0]);
    });
  };
