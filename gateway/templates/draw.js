import { verifyDraw } from "/assets/verify-draw.js";

const list = document.getElementById("steps");
const said = list.dataset;
const button = document.getElementById("begin");
const live = document.getElementById("live");
const result = (step) => list.querySelector(`[data-step=${step}] strong`);

async function json(name) {
  const answer = await fetch(`/api/v1/rooms/${said.room}/${name}`);
  return answer.ok ? answer.json() : null;
}

async function check() {
  button.disabled = true;
  for (const it of list.querySelectorAll("strong")) it.textContent = said.open;
  const [proof, receipt] = await Promise.all([json("draw"), said.receipt ? json("receipt") : null]);
  for (const it of list.querySelectorAll("[data-own]")) it.hidden = !receipt;
  const steps = await verifyDraw(proof ?? {}, receipt, (step, done) => {
    result(step).textContent = `${Math.floor(done * 100)} %`;
  });
  for (const { step, holds, place } of steps)
    result(step).textContent = place ? `${place}` : holds ? said.holds : said.fails;
  live.textContent = steps.every((it) => it.holds) ? said.well : said.broken;
  button.disabled = false;
}

button.hidden = false;
button.addEventListener("click", () => check().catch(() => {
  live.textContent = said.later;
  button.disabled = false;
}));
