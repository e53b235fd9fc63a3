  // The conversations: a list that is read at once, and a block for each that is read when it is opened or searched.
  const { metrics, items } = JSON.parse(byId("index").textContent);
  const places = new Map(items.map((item, place) => [item.anchor, place]));
  const bodyOf = (place) => JSON.parse(byId(`data-${place}`).textContent);
  const soundOf = (player) => ("sound" in player ? byId(`sound-${player.sound}`).textContent : player.link);

  const searched = new Map();
  const wordsOf = (place) => {
    if (!searched.has(place)) {
      const item = items[place];
      const said = bodyOf(place).turns.flatMap((turn) => [
        turn.question.text, (turn.heard ?? []).map((piece) => (typeof piece === "string" ? piece : piece[0])).join(""),
        (turn.own ?? []).map(([text]) => text).join(""), ...turn.notes,
      ]);
      searched.set(place, [item.key, ...said].join("\n").toLowerCase());
    }
    return searched.get(place);
  };
