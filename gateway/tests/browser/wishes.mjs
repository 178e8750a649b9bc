// Looks at pages of wishes in every language, by day and by night, and fails with a sentence when
// somebody could not read or use one of them.
//
// node wishes.mjs ADDRESS PATH..., with the browser's program in CHROMIUM, and in PICTURES a folder
// for pictures of them, if somebody wants to look. Of a waiting room it is the form of its wishes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [address, ...paths] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 320, height: 740 };
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox"],
});

async function judge(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((values) => axe.run({ runOnly: values }), RULES);
  const told = violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(" | ")}`);
  assert.deepEqual(told, [], page.url());
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= PHONE.width, `${wide} px wide: ${page.url()}`);
}

let pictures = 0;
for (const colorScheme of ["light", "dark"]) {
  const context = await browser.newContext({ viewport: PHONE, colorScheme });
  const page = await context.newPage();
  for (const path of paths) {
    let shown = path;
    if (path.startsWith("/warteraum/")) {
      await page.goto(address + path);
      await page.click("#join");
      await page.locator("#join").waitFor({ state: "detached" });
      shown = `${path}/wunsch`;
    }
    for (const lang of ["de", "de-leicht", "en"]) {
      const answer = await page.goto(`${address}${shown}?lang=${lang}`);
      assert.equal(answer.status(), 200, page.url());
      await judge(page);
      pictures += 1;
      if (process.env.PICTURES) {
        const file = `${process.env.PICTURES}/${pictures}-${colorScheme}-${lang}.png`;
        await page.screenshot({ path: file, fullPage: true });
      }
    }
    if (shown === path) continue;
    // With the keyboard alone: one is chosen, and the arrows choose another.
    await page.focus("#at-once");
    assert.ok(await page.isChecked("#at-once"));
    await page.keyboard.press("ArrowDown");
    assert.ok(await page.isChecked("#ask"));
  }
  await context.close();
}
await browser.close();
