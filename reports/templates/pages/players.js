// Players: the native one stays where there is no waveform, or no script.
const svg = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const clock = (now, length) => (
  length < 60 ? `${now.toFixed(1)} / ${length.toFixed(1)} s` : `${minutes(now)} / ${minutes(length)}`
);
const playButton = () => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "play";
  button.setAttribute("aria-pressed", "false");
  const icon = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  icon.append(
    svg("path", { class: "go", d: "M4 2l10 6-10 6z" }),
    svg("path", { class: "pause", d: "M3 2h4v12H3zM9 2h4v12H9z" }),
  );
  button.append(icon);
  return button;
};
// What a player is called, by whether the names are hidden; for those who hear the page.
const label = (player) => {
  const name = root.classList.contains("blind") ? player.dataset.blindName : player.dataset.name;
  player.querySelector("audio").setAttribute("aria-label", name);
  player.querySelector(".play")?.setAttribute("aria-label", `Play ${name}`);
  player.querySelector("input")?.setAttribute("aria-label", `Position in ${name}`);
};
let playing = null;
const enhance = (player) => {
  const audio = player.querySelector("audio");
  const wave = player.querySelector("svg.wave");
  if (!wave || player.classList.contains("ready")) return;
  const length = Number(player.dataset.duration);
  const button = playButton();
  const track = document.createElement("div");
  const played = wave.cloneNode(true);
  const seek = document.createElement("input");
  const time = document.createElement("span");
  track.className = "track";
  played.classList.add("played");
  time.className = "clock";
  Object.assign(seek, { type: "range", min: 0, max: length, step: 0.01, value: 0 });
  const show = () => {
    const share = length > 0 ? Math.min(1, audio.currentTime / length) : 0;
    played.style.clipPath = `inset(0 ${100 * (1 - share)}% 0 0)`;
    seek.value = audio.currentTime;
    seek.setAttribute("aria-valuetext", `${audio.currentTime.toFixed(1)} of ${length.toFixed(1)} seconds`);
    time.textContent = clock(audio.currentTime, length);
    button.setAttribute("aria-pressed", String(!audio.paused));
    if (!audio.paused) requestAnimationFrame(show);
  };
  button.addEventListener("click", () => (audio.paused ? audio.play() : audio.pause()));
  seek.addEventListener("input", () => { audio.currentTime = Number(seek.value); });
  audio.addEventListener("play", () => {
    if (playing && playing !== audio) playing.pause();
    playing = audio;
  });
  for (const event of ["play", "pause", "ended", "seeked"]) audio.addEventListener(event, show);
  audio.addEventListener("error", () => { time.textContent = "cannot be played"; });
  track.append(wave, played, seek);
  player.prepend(button, track, time);
  player.classList.add("ready");
  label(player);
  show();
};
