// What the browser tests share: servers that they start and end themselves, one Chromium, and pages that report every
// error, every violation of the content security policy and every request to elsewhere.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const web = fileURLToPath(new URL('../..', import.meta.url));

// Starts a program and waits for the line of its output that says at which address it is ready.
async function startServer(command, args, cwd = web) {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      const found = /(?:^|ready at )(https?:\/\/[\w.:[\]-]+)/.exec(line);
      if (found) resolve(found[1]);
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${command} ended with ${code} before it was ready`)));
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
  };
  return { url, stop };
}

// FATHOM_DIST: the built page.
export function startMock(...args) {
  const dist = process.env.FATHOM_DIST ?? 'dist';
  return startServer(process.execPath, ['dev/mock.mjs', '--port', '0', '--dist', dist, ...args]);
}

// FATHOM_BINARY: the program; FATHOM_MODEL: the model's directory.
const { FATHOM_BINARY: binary, FATHOM_MODEL: model } = process.env;
export function startFathom(...args) {
  assert.ok(binary && model, 'FATHOM_BINARY and FATHOM_MODEL have to be set');
  return startServer(binary, ['serve', '--model', model, '--port', '0', ...args]);
}

// A new key in a file of its own, for --keys.
export function makeKey(...args) {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'fathom-web-')), 'keys.json');
  const key = execFileSync(binary, ['serve', 'keys', '--keys', file, 'add', 'test', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  return { file, key: key.toString().trim() };
}

let browser = null;
export async function startBrowser() {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
}
export async function stopBrowser() {
  await browser?.close();
}

// Runs `test` with a page of its own profile, then checks that nothing went wrong unnoticed. `expected` is a pattern of
// console errors that belong to the test, such as those of a refused request.
export async function withPage(url, test, { expected = null, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  context.setDefaultTimeout(20_000);
  const faults = [];
  context.on('request', (request) => {
    const target = new URL(request.url());
    if (!['data:', 'blob:'].includes(target.protocol) && target.origin !== new URL(url).origin) {
      faults.push(`request to ${request.url()}`);
    }
  });
  await context.exposeFunction('reportViolation', (text) => faults.push(text));
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) =>
      window.reportViolation(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`),
    );
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return;
    if (!expected?.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  page.on('popup', (popup) => faults.push(`window opened: ${popup.url()}`));
  try {
    await page.goto(url);
    await page.getByRole('textbox', { name: 'Message' }).waitFor();
    await test(page, context);
    assert.deepEqual(faults, []);
  } catch (error) {
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/failure-${Date.now()}.png` });
    throw error;
  } finally {
    await context.close();
  }
}

export const composer = (page) => page.getByRole('textbox', { name: 'Message', exact: true });
export const answers = (page) => page.locator('article.assistant');
export const sendButton = (page) => page.getByRole('button', { name: 'Send', exact: true });
export const stopButton = (page) => page.getByRole('button', { name: 'Stop', exact: true });

export async function settled(page) {
  await sendButton(page).waitFor();
}

// Sends a message and waits for the end of the answer, which it returns.
export async function ask(page, text) {
  await composer(page).fill(text);
  await composer(page).press('Enter');
  await settled(page);
  return answers(page).last();
}

// The text of a download.
export async function downloaded(page, action) {
  const [download] = await Promise.all([page.waitForEvent('download'), action()]);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  return { name: download.suggestedFilename(), text: Buffer.concat(chunks).toString() };
}

// Nothing is wider than the window.
export async function assertFits(page) {
  const wide = await page.evaluate(() => {
    const inScroller = (node) => {
      for (let up = node.parentElement; up; up = up.parentElement) {
        if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(up).overflowX) && up !== document.body) return true;
      }
      return false;
    };
    return Array.from(document.querySelectorAll('body *'))
      .filter((node) => node.checkVisibility({ visibilityProperty: true }))
      .filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && !inScroller(node))
      .map((node) => `${node.tagName}.${node.className}`);
  });
  assert.deepEqual(wide, []);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  const scrollers = await page.evaluate(() =>
    Array.from(document.querySelectorAll('.scroller, .page, .list')).filter((node) => node.scrollWidth > node.clientWidth + 1).map((node) => node.className),
  );
  assert.deepEqual(scrollers, []);
}
