// The page with a server that answers what a test needs (dev/mock.mjs), for one file of tests.
import { after, before, it } from 'node:test';
import { startBrowser, startMock, stopBrowser, withPage } from './harness.mjs';

export let mock;
before(async () => {
  await startBrowser();
  mock = await startMock('--delay', '5');
});
after(async () => {
  await stopBrowser();
  await mock?.stop();
});
export const test = (name, body, options) => it(name, () => withPage(mock.url, body, options));

export const shows = (page, text) =>
  page.waitForFunction((part) => document.querySelector('main')?.textContent?.includes(part), text);
export const listed = (page) => page.locator('nav .entry .title');
export const setTools = async (page) => {
  await page.keyboard.press('Control+,');
  await page.getByRole('textbox', { name: /^Tools/ }).fill('[{"name": "get_weather", "parameters": {"type": "object"}}]');
  await page.getByRole('button', { name: 'Done' }).click();
};
