  // One conversation: a line in the list, and its turns when it is opened.
  const badge = (kind) => make("span", { class: "badge" }, sayOr(`failure.${kind}`, kind));
  const titles = new Map([...document.querySelectorAll("[data-suite-link]")].map(
    (link) => [link.dataset.suiteLink, link.textContent],
  ));
  const soundSide = (sound, name, absent, follow) => {
    if (sound && (sound.link || "sound" in sound)) return makePlayer(sound, name, follow);
    return { element: make("p", { class: "note" }, sound ? sound.problem : say(absent)) };
  };

  const aside = (key, text) => (
    text ? make("p", { class: "aside", dir: "auto" }, make("b", {}, say(key)), " ", text) : null
  );
  const questionSide = (turn, number) => {
    const { question } = turn;
    const unit = make("span", { class: "unit" }, question.language);
    if (question.voice) unit.append(" · ", say("voice", question.voice));
    return make(
      "div", { class: "side question" },
      make("h4", {}, say("question"), " ", unit),
      soundSide(turn.asked, ["player.question", number], turn.unheard ? "unheard" : "written").element,
      make("p", { class: "words", dir: "auto", lang: question.language }, question.text),
      aside("reference", question.reference),
      aside("rubric", question.rubric),
    );
  };

  const row = (key, cell) => make("div", {}, make("dt", {}, say(key)), cell);
  const answerSide = (turn, number) => {
    const heard = make("dd", { class: "words", dir: "auto", lang: turn.language || null }, heardText(turn));
    const follow = follower(turn.words, heard);
    const player = soundSide(turn.answered, ["player.answer", number], "no_sound", follow);
    if (player.audio && turn.words) seekable(turn.words, heard, player);
    const rows = [row("heard", heard), row("own", make("dd", { class: "words", dir: "auto" }, ownText(turn.own)))];
    if (turn.second && turn.second.instead.length) {
      rows.splice(1, 0, row("second", make("dd", { class: "words soft", dir: "auto" }, turn.second.text)));
    }
    return make(
      "div", { class: "side answer" },
      make("h4", {}, say("answer"), ...turn.failures.map(badge)),
      player.element,
      turn.notes.map((note) => make("p", { class: "note", dir: "auto", lang: "en" }, note)),
      make("dl", { class: "texts" }, rows),
      turn.facts.length
        ? make("p", { class: "facts" }, turn.facts.map(([key, value]) => make("span", {}, say(key), " ", make("b", {}, value), " ")))
        : null,
    );
  };

  const checkRow = ([name, passed, measured, part]) => make(
    "li", { class: passed ? "passed" : "unpassed" },
    make("span", { class: "verdict" }, say(passed ? "checks.passed" : "checks.unpassed")),
    make(
      "span", { class: "check", dir: "auto" },
      make("b", {}, name), " ", make("span", { class: "unit" }, sayOr(`part.${part}`, part)), make("br"), measured,
    ),
  );
  const scoreRow = (score) => make(
    "tr", { class: score.status },
    make("th", { scope: "row", title: tell(`note.${score.metric}`) }, say(`metric.${score.metric}`)),
    make("td", { class: "number strong" }, score.value),
    make(
      "td", { class: "reason", dir: "auto" },
      score.status === "scored" ? null : [make("span", { class: "badge" }, say(`status.${score.status}`)), " "],
      score.failure ? [sayOr(`failure.${score.failure}`, score.failure), ": "] : null,
      score.reason, " ", make("span", { class: "unit" }, score.judge),
    ),
  );
  const scoreTable = (scores, key, ...values) => {
    if (!scores.length) return null;
    const head = ["metric", "value", "reason"].map((name) => make("th", { scope: "col" }, say(`scores.${name}`)));
    const table = make(
      "table", { class: "scores" },
      make("thead", { class: "hidden" }, make("tr", {}, head)),
      make("tbody", {}, scores.map(scoreRow)),
    );
    return label(make("div", { class: "scroll", role: "region", tabindex: 0 }, table), "aria-label", key, ...values);
  };

  const turnArticle = (turn, number, item, count) => {
    const checks = turn.checks.length ? make("ul", { class: "checks" }, turn.checks.map(checkRow)) : null;
    if (checks) label(checks, "aria-label", "checks.of", number);
    const article = make(
      "article", { class: "turn" },
      count > 1 ? make("h3", {}, say("turn", number)) : null,
      make("div", { class: "pair" }, questionSide(turn, number), answerSide(turn, number)),
      checks,
      scoreTable(turn.scores, "scores.turn", number),
    );
    return label(article, "aria-label", "turn.of", number, item.key);
  };
  const itemBody = (place) => {
    const item = items[place];
    const { turns, scores } = bodyOf(place);
    return make(
      "div", { class: "body" },
      turns.map((turn, index) => turnArticle(turn, index + 1, item, turns.length)),
      make(
        "div", { class: "whole" },
        make("h3", {}, say("whole")),
        scoreTable(scores, "scores.whole") ?? make("p", { class: "unit" }, say("scores.none")),
        make("p", { class: "permalink" }, make("a", { href: `#${item.anchor}` }, say("permalink"))),
      ),
    );
  };

  const tally = (item) => (item.checks
    ? make("span", { class: item.passed === item.checks ? "tally all" : "tally" }, say("checks.tally", item.passed, item.checks))
    : null);
  const itemLine = (place) => {
    const item = items[place];
    const line = make(
      "summary", {},
      make("span", { class: "mos" }, make("span", { class: "hidden" }, "MOS "), item.mos),
      make(
        "span", { class: "what" },
        make("span", { class: "name" }, titles.get(item.suite) ?? item.suite, " ", make("span", { class: "unit" }, item.key)),
        make("span", { class: "lead", dir: "auto" }, item.lead),
      ),
      make("span", { class: "marks" }, item.kinds.map(badge), tally(item)),
    );
    return make("details", { class: "item", id: item.anchor, "data-place": place }, line);
  };
