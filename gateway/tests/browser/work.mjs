// Takes a ticket where a device has to compute for it.
//
// node work.mjs ADDRESS ROOM, with the browser's program in CHROMIUM.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [address, room] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox"],
});
const page = await browser.newPage();
page.on("pageerror", (error) => assert.fail(error));
await page.goto(`${address}/warteraum/${room}?lang=en`);
await page.click("#join");
await page.locator("h1", { hasText: "You take part in the draw" }).waitFor();
await browser.close();
