const state = () => document.getElementById("state");
const live = document.getElementById("live");
let began = Date.now();
let wait = +state().dataset.poll;

async function ask(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw answer.status;
  return answer;
}

// For the eye: nobody is told each minute.
function count() {
  for (const it of state().querySelectorAll("[data-left]")) {
    const left = it.dataset.left - (Date.now() - began) / 1000;
    const minutes = left < 60 ? 0 : Math.ceil(left / 60);
    it.textContent = it.dataset.words.split("|")[Math.min(minutes, 2)].replace("#", minutes);
  }
}

function show(place) {
  const numbers = new Intl.NumberFormat(document.documentElement.lang);
  for (const it of state().querySelectorAll("[data-n]"))
    if (place[it.dataset.n] != null) it.textContent = numbers.format(place[it.dataset.n]);
  const it = state().querySelector("[data-eta]");
  if (!it || !place.eta) return;
  const [soon, range] = it.dataset.eta.split("|");
  const { least_s, most_s } = place.eta;
  const least = Math.max(1, Math.floor(least_s / 60));
  const most = Math.max(least + 1, Math.ceil(most_s / 60));
  it.textContent = most_s <= 60 ? soon : range.replace("#", least).replace("#", most);
}

async function renew() {
  const text = await (await ask(location.href)).text();
  const page = new DOMParser().parseFromString(text, "text/html");
  const [old, fresh] = [state(), page.getElementById("state")];
  const active = old.contains(document.activeElement) && document.activeElement;
  const focused = active && (active.id || active.parentElement.id);
  for (const it of old.querySelectorAll("details[open]"))
    fresh.querySelector("#" + it.id)?.setAttribute("open", "");
  old.replaceWith(document.adoptNode(fresh));
  document.title = page.title;
  began = Date.now();
  const is_new = fresh.dataset.band !== old.dataset.band;
  if (is_new && / called /.test(fresh.dataset.band)) return fresh.querySelector("h1").focus();
  const again = document.getElementById(focused);
  (again?.querySelector("summary") ?? again)?.focus();
  if (!is_new) return;
  live.textContent = [...fresh.querySelectorAll("[data-say]")].map((it) => it.textContent).join(". ");
}

async function look() {
  const { room, ticket, band, chance } = state().dataset;
  try {
    const seen = await (await ask(`/api/v1/rooms/${room}${ticket ? "/place" : ""}`)).json();
    const far = String(seen.ahead ?? "").length;
    const now = ticket ? `${seen.phase} ${seen.standing} ${far}` : seen.phase;
    if (now !== band || (ticket && seen.chance !== chance)) await renew();
    else show(seen);
    // Others are all told the same moment.
    wait = seen.poll_after_ms * (ticket ? 1 : 0.75 + Math.random() / 2);
  } catch (status) {
    if (status === 401) await renew().catch(() => {});
    wait = Math.min(Math.max(wait * 2, 5000), 60000);
  }
  setTimeout(look, wait);
}

document.getElementById("as-of").hidden = true;
document.getElementById("by-itself").hidden = false;
setInterval(count, 5000);
setTimeout(look, wait);
