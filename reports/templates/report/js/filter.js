  // Which conversations are wanted, and in which order.
  const form = byId("filters");
  const MOS = metrics.indexOf("mos");
  const limit = (input) => (input && input.value.trim() !== "" ? Number(input.value) : null);
  const wanted = () => ({
    suite: form.suite.value,
    outcome: form.outcome.value,
    language: form.language.value,
    metric: Number(form.metric?.value ?? 0),
    low: limit(form.low),
    high: limit(form.high),
    search: form.search.value.trim().toLowerCase(),
  });

  const fitsOutcome = (item, outcome) => {
    if (outcome === "any") return item.kinds.length > 0;
    if (outcome === "checks") return item.passed < item.checks;
    return !outcome || item.kinds.includes(outcome.slice("kind:".length));
  };
  const fitsScore = (item, { metric, low, high }) => {
    if (low === null && high === null) return true;
    const value = item.values[metric];
    return value !== null && (low === null || value >= low) && (high === null || value <= high);
  };
  const fits = (place, filter) => {
    const item = items[place];
    return (!filter.suite || item.suite === filter.suite)
      && fitsOutcome(item, filter.outcome)
      && (!filter.language || item.languages.includes(filter.language))
      && fitsScore(item, filter)
      && (!filter.search || wordsOf(place).includes(filter.search));
  };

  // Without a score: before the worst, behind the best, behind those whose judges differ or whose speech does.
  const mosOf = (place, missing) => items[place].values[MOS] ?? missing;
  const orders = {
    low: (a, b) => mosOf(a, -Infinity) - mosOf(b, -Infinity),
    high: (a, b) => mosOf(b, -Infinity) - mosOf(a, -Infinity),
    split: (a, b) => (items[b].split ?? -1) - (items[a].split ?? -1),
    gap: (a, b) => (items[b].gap ?? -1) - (items[a].gap ?? -1),
  };
  const select = () => {
    const filter = wanted();
    const found = items.map((_, place) => place).filter((place) => fits(place, filter));
    const order = orders[form.order.value];
    return order ? found.sort((a, b) => order(a, b) || a - b) : found;
  };
