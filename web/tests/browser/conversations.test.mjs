// Conversations of the page: the list, what is kept in the browser, several tabs.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { answers, ask, composer, downloaded, sendButton, stopButton } from './harness.mjs';
import { listed, setTools, shows, test } from './mock_page.mjs';

describe('conversations', () => {
  test('are found, renamed, exported, deleted and imported', async (page) => {
    await ask(page, 'The zebra question');
    await page.keyboard.press('Control+Shift+O');
    await ask(page, 'Something else');
    assert.deepEqual(await listed(page).allTextContents(), ['Something else', 'The zebra question']);

    await page.keyboard.press('Control+k');
    await page.keyboard.type('zebra said');
    await page.waitForFunction(() => document.querySelectorAll('nav .entry').length === 1);
    assert.match(await page.locator('nav .entry').textContent(), /The zebra question/);
    await page.locator('nav .entry a').click();
    await answers(page).getByText('You said: The zebra question').waitFor();
    await page.getByRole('searchbox').fill('');

    await page.getByRole('button', { name: 'Actions for The zebra question' }).click();
    await page.getByRole('button', { name: 'Rename' }).click();
    await page.keyboard.type('Stripes');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Stripes' }).waitFor();

    const menu = page.getByRole('button', { name: 'Actions for Stripes' });
    await menu.click();
    const markdown = await downloaded(page, () => page.getByRole('button', { name: 'Export Markdown' }).click());
    assert.equal(markdown.name, 'Stripes.md');
    assert.match(markdown.text, /# Stripes\n\n## You\n\nThe zebra question\n\n## mock-model\n\nYou said: The zebra question/);
    await menu.click();
    const json = await downloaded(page, () => page.getByRole('button', { name: 'Export JSON' }).click());
    assert.equal(JSON.parse(json.text).conversations[0].title, 'Stripes');

    page.on('dialog', (dialog) => dialog.accept());
    await menu.click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('heading', { name: 'New chat' }).waitFor();
    assert.deepEqual(await listed(page).allTextContents(), ['Something else']);

    await page.getByLabel('File with conversations').setInputFiles({
      name: json.name, mimeType: 'application/json', buffer: Buffer.from(json.text),
    });
    await page.getByText('You said: The zebra question').waitFor();
    await page.getByLabel('File with conversations').setInputFiles({
      name: 'x.json', mimeType: 'application/json', buffer: Buffer.from('{'),
    });
    await page.getByText('The file is not JSON').waitFor();
  });

  test('go on while another one is read', async (page) => {
    await ask(page, 'quick');
    await page.keyboard.press('Control+Shift+O');
    await composer(page).fill('long');
    await composer(page).press('Enter');
    await shows(page, 'Word 3.');
    await page.locator('nav .entry a', { hasText: 'quick' }).click();
    await page.getByText('You said: quick').waitFor();
    await sendButton(page).waitFor();
    await page.locator('nav .entry a', { hasText: 'long' }).click();
    await page.getByText(/Word 399\./).waitFor();
  });

  test('that are deleted while they are answered do not come back', async (page) => {
    page.on('dialog', (dialog) => dialog.accept());
    await composer(page).fill('endless');
    await composer(page).press('Enter');
    await shows(page, 'Word 3.');
    await page.getByRole('button', { name: 'Actions for endless' }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No conversations yet.').waitFor();
    await ask(page, 'another');
    await page.reload();
    await listed(page).waitFor();
    assert.deepEqual(await listed(page).allTextContents(), ['another']);
  });

  test('that were cut off by a reload keep what had come', async (page) => {
    await composer(page).fill('endless');
    await composer(page).press('Enter');
    await shows(page, 'Word 350.');
    await page.reload();
    await page.getByText('The page was closed before the answer was complete.').waitFor();
    assert.match(await answers(page).textContent(), /Word 5\./);
    await page.getByRole('button', { name: 'Regenerate answer' }).waitFor();
  });

  test('send the system prompt and the sampling settings', async (page) => {
    await page.getByRole('button', { name: 'Settings of this conversation' }).click();
    await page.getByRole('textbox', { name: 'System prompt' }).fill('Be brief.');
    await page.getByRole('spinbutton', { name: 'Temperature' }).fill('0.25');
    await page.getByRole('spinbutton', { name: 'Seed' }).fill('42');
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('combobox', { name: 'Thinking' }).selectOption('max');
    const [request] = await Promise.all([page.waitForRequest('**/chat/completions'), ask(page, 'hello')]);
    const body = request.postDataJSON();
    assert.deepEqual(body.messages[0], { role: 'system', content: 'Be brief.' });
    assert.equal(body.temperature, 0.25);
    assert.equal(body.seed, 42);
    assert.equal(body.reasoning_effort, 'max');
    assert.equal('top_p' in body, false);
  });

  test('send every number that the server accepts, and tell which it does not', async (page) => {
    await page.keyboard.press('Control+,');
    const temperature = page.getByRole('spinbutton', { name: 'Temperature' });
    await temperature.fill('0.33');
    await page.getByRole('spinbutton', { name: 'Top-p' }).fill('0.955');
    await page.getByRole('spinbutton', { name: 'Seed' }).fill('1.5');
    await page.getByText('Accepted is a whole number from 0 to 2^53 - 1. Until then the server chooses.').waitFor();
    await temperature.fill('101');
    await page.getByText('Accepted is a number from 0 to 100. Until then 0.33 is used.').waitFor();
    assert.equal(await temperature.getAttribute('aria-invalid'), 'true');
    await page.getByRole('button', { name: 'Done' }).click();
    const [request] = await Promise.all([page.waitForRequest('**/chat/completions'), ask(page, 'hello')]);
    const body = request.postDataJSON();
    assert.equal(body.temperature, 0.33);
    assert.equal(body.top_p, 0.955);
    assert.equal('seed' in body, false);

    await page.keyboard.press('Control+,');
    assert.equal(await temperature.inputValue(), '0.33');
    await temperature.fill('3');
    assert.equal(await temperature.getAttribute('aria-invalid'), 'false');
    await temperature.fill('-1');
    await page.getByText('Until then 3 is used.').waitFor();
    await page.getByRole('button', { name: 'Reset' }).click();
    await page.getByText('Until then').waitFor({ state: 'detached' });
    assert.equal(await temperature.inputValue(), '');
  });
});

describe('two tabs', () => {
  const openAgain = async (page, context) => {
    const other = await context.newPage();
    await other.goto(page.url());
    await composer(other).waitFor();
    return other;
  };

  test('keep the messages of both', async (page, context) => {
    await ask(page, 'first');
    const other = await openAgain(page, context);
    await shows(other, 'You said: first');
    await ask(page, 'from one');
    await shows(other, 'You said: from one');
    await ask(other, 'from two');
    await shows(page, 'You said: from two');
    await page.reload();
    for (const text of ['first', 'from one', 'from two']) await shows(page, `You said: ${text}`);
    assert.equal(await answers(page).count(), 3);
  });

  test('keep two answers that come at the same time', async (page, context) => {
    await ask(page, 'first');
    const other = await openAgain(page, context);
    await shows(other, 'You said: first');
    await composer(page).fill('endless');
    await composer(page).press('Enter');
    await shows(page, 'Word 3.');
    await other.getByText('Another tab is receiving this answer.').waitFor();
    await ask(other, 'meanwhile');
    await stopButton(page).click();
    await other.getByText('Stopped.').waitFor();
    await page.reload();
    for (const text of ['You said: first', 'Word 3.', 'Stopped.', 'You said: meanwhile']) await shows(page, text);
    assert.equal(await answers(page).count(), 3);
  });

  test('both forget what one deletes, also while the other is receiving an answer', async (page, context) => {
    await composer(page).fill('endless');
    await composer(page).press('Enter');
    await shows(page, 'Word 3.');
    const other = await openAgain(page, context);
    other.on('dialog', (dialog) => dialog.accept());
    await other.getByRole('button', { name: 'Actions for endless' }).click();
    await other.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No conversations yet.').waitFor();
    await page.getByRole('heading', { name: 'New chat' }).waitFor();
    await ask(page, 'another');
    await page.reload();
    await listed(page).waitFor();
    assert.deepEqual(await listed(page).allTextContents(), ['another']);
  });
});

describe('a browser', () => {
  test('that blocks storage shows the page all the same, and exports what is open', async (page, context) => {
    await context.addInitScript(() => {
      const get = () => {
        throw new DOMException('Access is denied.', 'SecurityError');
      };
      for (const name of ['localStorage', 'indexedDB', 'BroadcastChannel']) Object.defineProperty(window, name, { get });
    });
    await page.reload();
    await page.getByText('Conversations cannot be kept in this browser: Access is denied.').waitFor();
    await ask(page, 'The zebra question');
    await setTools(page);
    await page.getByRole('button', { name: /^Theme: as/ }).click();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
    await page.keyboard.press('Control+Shift+O');
    await ask(page, 'Something else');
    await page.locator('nav .entry a', { hasText: 'zebra' }).click();
    await shows(page, 'You said: The zebra question');

    await page.getByRole('button', { name: 'Actions for Something else' }).click();
    const markdown = await downloaded(page, () => page.getByRole('button', { name: 'Export Markdown' }).click());
    assert.match(markdown.text, /You said: Something else/);
    const all = await downloaded(page, () => page.getByRole('button', { name: 'Export all conversations' }).click());
    const titles = JSON.parse(all.text).conversations.map((conversation) => conversation.title);
    assert.deepEqual(titles.sort(), ['Something else', 'The zebra question']);
    await page.getByText('Stored conversations are left out, for they cannot be read: Access is denied.').waitFor();
    await page.getByRole('searchbox').fill('zebra said');
    await page.waitForFunction(() => document.querySelectorAll('nav .entry').length === 1);
    assert.match(await page.locator('nav .entry').textContent(), /The zebra question/);
  });

  test('without room keeps what is new on the page until there is some', async (page) => {
    await ask(page, 'first');
    await page.evaluate(() => {
      window.full = true;
      const { put } = IDBObjectStore.prototype;
      IDBObjectStore.prototype.put = function (...values) {
        if (!window.full) return put.apply(this, values);
        if (this.name === 'summaries') this.transaction.abort();
      };
      Storage.prototype.setItem = () => {
        throw new DOMException('No room.', 'QuotaExceededError');
      };
    });
    await ask(page, 'second');
    await page.getByText('The conversation cannot be kept in this browser').waitFor();
    await page.getByRole('button', { name: 'Actions for first' }).click();
    const markdown = await downloaded(page, () => page.getByRole('button', { name: 'Export Markdown' }).click());
    assert.match(markdown.text, /You said: second/);

    const thinking = page.getByRole('combobox', { name: 'Thinking' });
    await thinking.selectOption('high');
    await page.keyboard.press('Control+Shift+O');
    await page.getByRole('heading', { name: 'New chat' }).waitFor();
    assert.equal(await thinking.inputValue(), 'high');
    await page.locator('nav .entry a', { hasText: 'first' }).click();
    await shows(page, 'You said: second');

    await page.evaluate(() => (window.full = false));
    await ask(page, 'third');
    await page.reload();
    await shows(page, 'You said: second');
    await shows(page, 'third');
  });
});
