  const kept = memory.read("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
  if (kept === "zh") speak("zh");
  nameTheme();
  startKeys();
  if (form) startList();
