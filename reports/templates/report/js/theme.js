  // Theme: the system's until the reader chooses.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const themeButton = byId("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const nameTheme = () => { sign(themeButton, isDark() ? "theme.light" : "theme.dark"); };
  const switchTheme = () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    memory.write("theme", root.dataset.theme);
    nameTheme();
  };
  const chosenTheme = memory.read("theme");
  if (chosenTheme === "dark" || chosenTheme === "light") root.dataset.theme = chosenTheme;
  themeButton.addEventListener("click", switchTheme);
  system.addEventListener("change", nameTheme);
