// Waits in a room with a real browser, from the ticket to the pass: with a script, and without one.
// Fails with a sentence when something is not as people need it.
//
// node waiting.mjs ADDRESS ROOM, with the browser's program in CHROMIUM.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [address, room] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 360, height: 740 };
// A release has to come first.
const PATIENCE_MS = 90_000;
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  // Its sandbox does not work where tests run as root; it sees our own pages only.
  args: ["--no-sandbox"],
});
const at = (lang) => `${address}/warteraum/${room}?lang=${lang}`;

async function visit(options = {}) {
  const context = await browser.newContext({ viewport: PHONE, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const broken = (what) => assert.fail(`${page.url()}: ${what}`);
  page.on("pageerror", broken);
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) broken(message.text());
  });
  return page;
}

async function judge(page, state) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
  await page.evaluate(axe);
  const { violations } = await page.evaluate((values) => axe.run({ runOnly: values }), RULES);
  const told = violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(" | ")}`);
  assert.deepEqual(told, [], `${state} at ${page.url()}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= PHONE.width, `${state}: ${wide} px wide at ${page.url()}`);
}

const heading = (page) => page.locator("h1").innerText();
const until = (page, text) => page.locator("h1", { hasText: text }).waitFor();

// Without a script, forms and links are enough.
const plain = await visit({ javaScriptEnabled: false });
await plain.goto(at("en"));
assert.equal(await heading(plain), "The waiting room is open");
// A room that was announced this moment may ask to try again.
for (let tries = 0; !(await plain.locator("#other").count()) && tries < 20; tries++)
  await plain.click("#join");
assert.equal(await heading(plain), "You take part in the draw");
await plain.click("text=Refresh");
assert.match(plain.url(), /\?lang=en$/);
await plain.click("noscript a");
assert.match(plain.url(), /auto=1/);

// In all languages, in light and dark, from the beginning.
const pages = [];
for (const [lang, colorScheme] of [["de", "light"], ["de-leicht", "dark"], ["en", "light"]]) {
  const page = await visit({ colorScheme });
  for (const path of ["/", "/warteraum"]) {
    await page.goto(`${address}${path}?lang=${lang}`);
    await judge(page, path);
  }
  await page.goto(at(lang));
  await judge(page, "open");
  await page.click("#join");
  await page.waitForSelector("#other");
  await judge(page, "gathered");
  // What is said aloud from here on.
  await page.evaluate(() => {
    window.said = [];
    const live = document.getElementById("live");
    const note = () => window.said.push(live.textContent);
    new MutationObserver(note).observe(live, { childList: true });
  });
  pages.push(page);
}

const [de, , en] = pages;
for (const [page, text] of [[de, "Sie sind dran"], [pages[1], "Sie sind dran"], [en, "It is your turn"]]) {
  await until(page, text);
  assert.equal((await page.title()).slice(0, 2), "● ");
  const focused = await page.evaluate(() => document.activeElement.id);
  assert.equal(focused, "now", "the heading has the focus when it is one's turn");
  // A change of the band is said once, if at all; the minutes never are.
  const said = await page.evaluate(() => window.said);
  assert.ok(said.length <= 3, JSON.stringify(said));
  await judge(page, "called");
}
await until(plain, "It is your turn");
await plain.click("#enter");
await until(plain, "You are in");

await en.click("#enter");
await until(en, "You are in");
await judge(en, "inside");

// The script changes what it can without taking the focus away.
await de.locator("#check > summary").focus();
await de.evaluate(() => fetch(`${location.pathname}/verlassen`, { method: "POST" }));
await until(de, "Sie haben Ihren Platz aufgegeben");
assert.equal(await de.evaluate(() => document.activeElement.parentElement.id), "check");
assert.match(await de.locator("#live").innerText(), /aufgegeben/);
await judge(de, "left");

// Another device, which has no cookies.
const link = await pages[1].locator("#other a").getAttribute("href");
const other = await visit();
await other.goto(link);
await judge(other, "asked whether to take the ticket over");
await other.click("#take-over");
assert.ok(!other.url().includes("weiter"), "the ticket does not stay in the address");
await until(other, "Sie sind dran");

await en.goto(`${address}/warteraum/${room}/auslosung?lang=en`);
await judge(en, "the draw");
await en.click("#begin");
await en.locator("#live", { hasText: "Everything holds." }).waitFor();
await judge(en, "the draw, checked");
assert.match(await en.locator("[data-step=place]").innerText(), /: \d+$/);

await browser.close();
