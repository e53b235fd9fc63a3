  // English and Chinese. An element that holds our words carries their key in data-t (values in data-a), an attribute
  // of ours in data-l, so a switch writes them again in place; the texts of the run stay as they are.
  const texts = JSON.parse(byId("texts").textContent);
  const LANGUAGES = ["en", "zh"];
  const TAGS = { en: "en", zh: "zh-Hans" };
  let language = "en";

  const told = (value) => {
    if (Array.isArray(value)) return tell(value[0], value.slice(1));
    return typeof value === "number" ? value.toLocaleString("en-US") : String(value);
  };
  const tell = (key, values = []) => {
    const text = Object.hasOwn(texts, key) ? texts[key][LANGUAGES.indexOf(language)] : key;
    if (!values.length) return text;
    const [one, ...more] = text.split("|");
    const chosen = more.length && values[0] !== 1 ? more.join("|") : one;
    return chosen.replace(/\{(\d)\}/g, (_, place) => told(values[Number(place)]));
  };
  const write = (element) => {
    if (element.dataset.t) element.textContent = tell(element.dataset.t, JSON.parse(element.dataset.a ?? "[]"));
    if (element.dataset.l) {
      const [name, key, ...values] = JSON.parse(element.dataset.l);
      element.setAttribute(name, tell(key, values));
    }
    return element;
  };
  const sign = (element, key, ...values) => {
    element.dataset.t = key;
    if (values.length) element.dataset.a = JSON.stringify(values);
    else delete element.dataset.a;
    return write(element);
  };
  const say = (key, ...values) => sign(document.createElement("span"), key, ...values);
  const sayOr = (key, plain) => (Object.hasOwn(texts, key) ? say(key) : plain);
  const label = (element, name, key, ...values) => {
    element.dataset.l = JSON.stringify([name, key, ...values]);
    return write(element);
  };

  const languageButton = byId("language");
  const speak = (wanted) => {
    language = wanted;
    root.lang = TAGS[language];
    document.querySelectorAll("[data-t], [data-l]").forEach(write);
    const other = LANGUAGES[1 - LANGUAGES.indexOf(language)];
    languageButton.textContent = { en: "English", zh: "中文" }[other];
    languageButton.lang = TAGS[other];
  };
  const switchLanguage = () => {
    speak(LANGUAGES[1 - LANGUAGES.indexOf(language)]);
    memory.write("language", language);
  };
  languageButton.addEventListener("click", switchLanguage);
