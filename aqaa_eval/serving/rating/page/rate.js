"use strict";

// The page knows tasks by number only: no model, no score, no file name reaches it.
const at = (id) => document.getElementById(id);
const WORDS = { 1: "1 bad", 2: "2 poor", 3: "3 fair", 4: "4 good", 5: "5 excellent" };
const PAIR = [[1, "1 first is better"], [3, "2 equal"], [5, "3 second is better"]];
let task = null;
let players = [];
let heard = 0;
let visited = [];
let busy = false;

function headers(more) {
  const token = at("token");
  return token && token.value ? { ...more, Authorization: `Bearer ${token.value}` } : more;
}

async function call(path, body) {
  const options = body === undefined ? { headers: headers({}) } : {
    method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body),
  };
  const reply = await fetch(path, options);
  if (!reply.ok) {
    const told = await reply.json().catch(() => null);
    throw new Error(told && told.error ? told.error.message : `the server answered ${reply.status}`);
  }
  return reply;
}

function complain(error) {
  at("problem").hidden = !error;
  at("problem").textContent = error ? error.message : "";
}

function player(label, path) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  const sound = new Audio();
  let url = null;
  const made = {
    button,
    stop() { sound.pause(); button.classList.remove("playing"); },
    drop() { made.stop(); if (url) URL.revokeObjectURL(url); },
    async play() {
      players.forEach((other) => other.stop());
      if (!url) {
        url = URL.createObjectURL(await (await call(path)).blob());
        sound.src = url;
      }
      sound.currentTime = 0;
      button.classList.add("playing");
      await sound.play();
    },
    ended: () => new Promise((resolve) => { sound.onended = resolve; }),
  };
  sound.addEventListener("ended", () => { button.classList.remove("playing"); button.dataset.heard = "yes"; });
  button.addEventListener("click", () => { heard = players.indexOf(made) + 1; made.play().catch(complain); });
  return made;
}

function show(state) {
  players.forEach((old) => old.drop());
  players = [];
  heard = 0;
  task = state;
  complain(null);
  at("turns").replaceChildren();
  at("choices").replaceChildren();
  at("back").disabled = visited.length === 0;
  if (state.number === null) {
    at("state").textContent = `All ${state.n_tasks} are rated. Thank you! This page can be closed.`;
    return;
  }
  at("state").textContent = `${state.n_done} of ${state.n_tasks} rated`;
  state.turns.forEach((turn, place) => at("turns").append(turnItem(state, turn, place)));
  const choices = state.is_pair ? PAIR : Object.entries(WORDS).map(([value, word]) => [Number(value), word]);
  for (const [value, word] of choices) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = word;
    button.addEventListener("click", () => rate(value));
    at("choices").append(button);
  }
}

function turnItem(state, turn, place) {
  const item = document.createElement("li");
  const asked = document.createElement("p");
  asked.textContent = turn.question;
  const sounds = document.createElement("div");
  sounds.className = "sounds";
  if (turn.has_question_sound) add(sounds, `Question ${place + 1}`, `/v1/question/${state.number}/${place}`);
  turn.has_sound.forEach((has, side) => {
    const which = state.is_pair ? ["first", "second"][side] : "";
    const label = `Answer ${place + 1}${which ? ` ${which}` : ""}`;
    if (has) add(sounds, label, `/v1/sound/${state.number}/${side}/${place}`);
    else sounds.append(Object.assign(document.createElement("span"), { textContent: `${label}: nothing was said` }));
  });
  item.append(asked, sounds);
  return item;
}

function add(parent, label, path) {
  const made = player(label, path);
  players.push(made);
  parent.append(made.button);
}

async function rate(value) {
  if (busy || !task || task.number === null) return;
  busy = true;
  try {
    const rated = task.number;
    const state = await (await call("/v1/rating", { number: rated, rating: value })).json();
    visited = visited.filter((number) => number !== rated).concat(rated);
    show(state);
  } catch (error) {
    complain(error);
  } finally {
    busy = false;
  }
}

async function load(number) {
  try {
    show(await (await call(number === undefined ? "/v1/task" : `/v1/task?number=${number}`)).json());
  } catch (error) {
    complain(error);
  }
}

function back() {
  const number = visited.pop();
  if (number !== undefined) load(number);
}

async function playAll() {
  const mine = task;
  for (const one of [...players]) {
    if (task !== mine) return;
    await one.play();
    await one.ended();
  }
}

document.addEventListener("keydown", (event) => {
  if (event.target.id === "token" || event.ctrlKey || event.metaKey || event.altKey || !task) return;
  if (event.key === " ") {
    event.preventDefault();
    if (!players.length) return;
    const next = players[heard % players.length];
    heard += 1;
    next.play().catch(complain);
  } else if (event.key === "Backspace") {
    event.preventDefault();
    back();
  } else if (event.key.toLowerCase() === "r") {
    playAll().catch(complain);
  } else if (/^[1-5]$/.test(event.key)) {
    if (!task.is_pair) rate(Number(event.key));
    else if (event.key <= "3") rate(PAIR[Number(event.key) - 1][0]);
  }
});
at("back").addEventListener("click", back);
if (at("token")) at("token").addEventListener("change", () => load());
load();
