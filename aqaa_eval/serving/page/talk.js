// Records or takes a file, sends the conversation as an OpenAI chat request, and plays the answer.
"use strict";

const MODEL = document.documentElement.dataset.model;
const LONGEST_S = 120;
const byId = (id) => document.getElementById(id);

let messages = []; // the conversation as the server takes it
let recording = null; // what is open while the microphone is
let generation = 0; // of the conversation: an answer to an earlier one is dropped

const tell = (text) => { byId("state").textContent = text; };

function complain(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

function busy(isBusy) {
  byId("record").disabled = isBusy;
  byId("file").disabled = isBusy;
}

async function startRecording() {
  if (!navigator.mediaDevices) {
    throw new Error("This browser gives no microphone to pages that are not on this machine or not encrypted. " +
      "Send a recording instead.");
  }
  const constraints = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
  const context = new AudioContext();
  await context.audioWorklet.addModule("/recorder.js");
  const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
  const blocks = [];
  let nSamples = 0;
  node.port.onmessage = (event) => {
    blocks.push(event.data);
    nSamples += event.data.length;
    tell(`Recording: ${(nSamples / context.sampleRate).toFixed(0)} s`);
    if (nSamples > LONGEST_S * context.sampleRate) toggle();
  };
  context.createMediaStreamSource(stream).connect(node);
  recording = { stream, context, node, blocks };
  byId("record").setAttribute("aria-pressed", "true");
  byId("record").textContent = "Stop and send";
  tell("Recording");
}

async function stopRecording() {
  const { stream, context, node, blocks } = recording;
  recording = null;
  byId("record").setAttribute("aria-pressed", "false");
  byId("record").textContent = "Record";
  node.port.onmessage = null;
  stream.getTracks().forEach((track) => track.stop());
  const rate = context.sampleRate;
  await context.close();
  if (!blocks.length) throw new Error("Nothing was recorded: is a microphone connected?");
  return wavOf(blocks, rate);
}

// 16-bit mono WAV: what every model takes.
function wavOf(blocks, rate) {
  const nSamples = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * nSamples));
  const write = (offset, text) => [...text].forEach((c, i) => view.setUint8(offset + i, c.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, 36 + 2 * nSamples, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(36, "data");
  view.setUint32(40, 2 * nSamples, true);
  let offset = 44;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(offset, Math.max(-1, Math.min(1, sample)) * 32767, true);
      offset += 2;
    }
  }
  return new Blob([view.buffer], { type: "audio/wav" });
}

function base64Of(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error("The recording cannot be read."));
    reader.readAsDataURL(blob);
  });
}

function blobOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return new Blob([bytes], { type: "audio/wav" });
}

function show(role, { text, sound, note }) {
  const item = document.createElement("li");
  item.className = role;
  const who = document.createElement("p");
  who.className = "who";
  who.textContent = (role === "user" ? "You" : MODEL) + (note ? `, ${note}` : "");
  item.append(who);
  if (text) {
    const words = document.createElement("p");
    words.className = "text";
    words.textContent = text;
    item.append(words);
  }
  let player = null;
  if (sound) {
    player = document.createElement("audio");
    player.controls = true;
    player.src = URL.createObjectURL(sound);
    item.append(player);
  }
  byId("turns").append(item);
  item.scrollIntoView({ block: "nearest" });
  return player;
}

async function ask(blob) {
  const mine = generation;
  const format = blob.type.includes("mpeg") ? "mp3" : "wav"; // the server looks at the bytes
  const question = { role: "user",
    content: [{ type: "input_audio", input_audio: { data: await base64Of(blob), format } }] };
  show("user", { sound: blob });
  tell("Waiting for the answer");
  const began = performance.now();
  const headers = { "Content-Type": "application/json" };
  const token = byId("token");
  if (token && token.value) headers.Authorization = `Bearer ${token.value}`;
  const reply = await fetch("/v1/chat/completions", {
    method: "POST",
    headers,
    body: JSON.stringify({ model: MODEL, messages: [...messages, question], modalities: ["text", "audio"],
      audio: { voice: "default", format: "wav" } }),
  });
  const body = await reply.json();
  if (!reply.ok) throw new Error(body.error ? body.error.message : `The server answers ${reply.status}.`);
  if (mine !== generation) return;
  receive(question, body.choices[0].message, (performance.now() - began) / 1000);
}

function receive(question, message, tookS) {
  const spoken = message.audio;
  const text = message.content || (spoken && spoken.transcript) || "";
  const player = show("assistant", {
    text: text || (spoken ? "" : "(no answer)"),
    sound: spoken ? blobOf(spoken.data) : null,
    note: `after ${tookS.toFixed(1)} s` + (spoken ? "" : ", without sound"),
  });
  messages = [...messages, question,
    spoken ? { role: "assistant", audio: { id: spoken.id } } : { role: "assistant", content: text }];
  tell("");
  if (player) player.play().catch(() => tell("Press play to hear the answer."));
}

async function guarded(work) {
  complain("");
  try {
    await work();
  } catch (error) {
    tell("");
    complain(error.name === "NotAllowedError" ? "The microphone was not allowed. Send a recording instead."
      : error.message);
  } finally {
    busy(false);
  }
}

function toggle() {
  return guarded(async () => {
    if (!recording) return startRecording();
    const blob = await stopRecording();
    busy(true);
    return ask(blob);
  });
}

byId("record").addEventListener("click", toggle);
byId("file").addEventListener("change", () => guarded(async () => {
  const [file] = byId("file").files;
  byId("file").value = "";
  if (!file) return;
  busy(true);
  await ask(file);
}));
byId("again").addEventListener("click", () => {
  generation += 1;
  messages = [];
  byId("turns").replaceChildren();
  complain("");
  tell("");
});
