  // A player: the waveform with a slider over it, or the browser's own where there is no waveform. The sound is taken
  // out of its block when it is first asked for.
  const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const clock = (now, length) => (
    length < 60 ? `${now.toFixed(1)} / ${length.toFixed(1)} s` : `${minutes(now)} / ${minutes(length)}`
  );
  const wave = (path, name) => drawing(
    "svg", { class: name, viewBox: "0 0 300 32", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawing("path", { d: path }),
  );
  const playButton = (name) => {
    const button = make("button", { type: "button", class: "play", "aria-pressed": "false" });
    button.append(drawing(
      "svg", { viewBox: "0 0 16 16", "aria-hidden": "true" },
      drawing("path", { class: "go", d: "M4 2l10 6-10 6z" }),
      drawing("path", { class: "pause", d: "M3 2h4v12H3zM9 2h4v12H9z" }),
    ));
    return label(button, "aria-label", "player.play", name);
  };

  let playing = null;
  const makePlayer = (sound, name, follow = () => {}) => {
    const audio = make("audio", { preload: "none" });
    const load = () => { if (!audio.hasAttribute("src")) audio.setAttribute("src", soundOf(sound)); };
    const player = {
      audio,
      element: make("div", { class: "player" }, audio),
      toggle() {
        load();
        if (audio.paused) audio.play().catch(() => {});
        else audio.pause();
      },
      playFrom(seconds) {
        load();
        audio.currentTime = seconds;
        if (audio.paused) audio.play().catch(() => {});
      },
    };
    const tick = () => {
      follow(audio.currentTime, audio.ended);
      if (!audio.paused) requestAnimationFrame(tick);
    };
    audio.addEventListener("play", () => {
      if (playing && playing !== audio) playing.pause();
      playing = audio;
    });
    for (const event of ["play", "seeked", "ended"]) audio.addEventListener(event, tick);
    if (sound.wave) dress(player, sound, name, load);
    else {
      audio.controls = true;
      label(audio, "aria-label", ...name);
      load();
    }
    return player;
  };

  const dress = ({ audio, element, toggle }, sound, name, load) => {
    const button = playButton(name);
    const played = wave(sound.wave, "wave played");
    const seek = make("input", { type: "range", min: 0, max: sound.length, step: 0.01, value: 0 });
    const time = make("span", { class: "clock" });
    label(seek, "aria-label", "player.position", name);
    const show = () => {
      const share = sound.length > 0 ? Math.min(1, audio.currentTime / sound.length) : 0;
      played.style.clipPath = `inset(0 ${100 * (1 - share)}% 0 0)`;
      seek.value = audio.currentTime;
      seek.setAttribute("aria-valuetext", tell("player.time", [audio.currentTime.toFixed(1), sound.length.toFixed(1)]));
      time.textContent = clock(audio.currentTime, sound.length);
      button.setAttribute("aria-pressed", String(!audio.paused));
      if (!audio.paused) requestAnimationFrame(show);
    };
    button.addEventListener("click", toggle);
    seek.addEventListener("input", () => {
      load();
      audio.currentTime = Number(seek.value);
      show();
    });
    for (const event of ["play", "pause", "ended", "seeked"]) audio.addEventListener(event, show);
    audio.addEventListener("error", () => { sign(time, "player.broken"); });
    element.prepend(button, make("div", { class: "track" }, wave(sound.wave, "wave"), played, seek), time);
    element.classList.add("ready");
    show();
  };
