const root = document.documentElement;
const byId = (id) => document.getElementById(id);
root.classList.add("js");

// Theme: the system's until the reader chooses; kept where the browser lets a page keep anything.
const store = {
  read() { try { return localStorage.getItem("aqaa-eval-theme"); } catch { return null; } },
  write(value) { try { localStorage.setItem("aqaa-eval-theme", value); } catch { /* a private window */ } },
};
const system = matchMedia("(prefers-color-scheme: dark)");
const theme = byId("theme");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
const nameTheme = () => { theme.textContent = isDark() ? "Light theme" : "Dark theme"; };
const chosen = store.read();
if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  store.write(root.dataset.theme);
  nameTheme();
});
system.addEventListener("change", nameTheme);
nameTheme();

