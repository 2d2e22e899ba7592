// The page as `fathom serve` delivers it, with a model.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  answers, ask, composer, makeKey, settled, startBrowser, startFathom, stopBrowser, withPage,
} from './harness.mjs';

let fathom;
before(async () => {
  await startBrowser();
  fathom = await startFathom();
});
after(async () => {
  await stopBrowser();
  await fathom?.stop();
});
const test = (name, body, options) => it(name, () => withPage(fathom.url, body, options));

const setSeed = async (page, { maxTokens } = {}) => {
  await page.keyboard.press('Control+,');
  await page.getByRole('spinbutton', { name: 'Temperature' }).fill('0');
  if (maxTokens) await page.getByRole('spinbutton', { name: 'Maximum answer tokens' }).fill(`${maxTokens}`);
  await page.getByRole('button', { name: 'Done' }).click();
};

describe('the page', () => {
  it('comes compressed, checked and once', async () => {
    const first = await fetch(fathom.url, { headers: { 'Accept-Encoding': 'gzip' } });
    assert.equal(first.status, 200);
    assert.match(first.headers.get('content-security-policy'), /default-src 'none'/);
    assert.equal(first.headers.get('content-encoding'), 'gzip');
    const html = await first.text();
    const etag = first.headers.get('etag');
    assert.equal((await fetch(fathom.url, { headers: { 'If-None-Match': etag } })).status, 304);
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(html)[1];
    const asset = await fetch(fathom.url + script, { headers: { 'Accept-Encoding': 'identity' } });
    assert.match(asset.headers.get('cache-control'), /immutable/);
    assert.equal(asset.headers.get('content-encoding'), null);
    assert.ok((await asset.text()).length > 10_000);
  });
});

describe('a conversation with the model', () => {
  test('streams, thinks, and is there after a reload', async (page) => {
    await setSeed(page);
    const answer = await ask(page, 'What is 2 plus 3?');
    const text = await answer.locator('> .markdown').textContent();
    assert.match(text, /5/);
    const stats = await answer.getByTestId('stats').textContent();
    assert.match(stats, /\d+ tokens/);
    assert.match(stats, /tokens\/s/);
    assert.match(stats, /prompt \d+/);
    assert.match(await page.locator('.status').textContent(), /context \d+ of [\d,]+/);
    await page.reload();
    assert.equal(await answers(page).last().locator('> .markdown').textContent(), text);
  });

  test('folds what it thinks, and does without when told to', async (page) => {
    await setSeed(page);
    await page.getByRole('combobox', { name: 'Thinking' }).selectOption('high');
    const thought = await ask(page, 'What is 2 plus 3?');
    await thought.locator('summary', { hasText: /^Thought/ }).click();
    assert.notEqual((await thought.locator('details .markdown').textContent()).trim(), '');
    await page.getByRole('combobox', { name: 'Thinking' }).selectOption('off');
    const plain = await ask(page, 'What is 4 plus 4?');
    assert.equal(await plain.locator('details').count(), 0);
    assert.match(await plain.textContent(), /8/);
  });

  test('finds its beginning in the cache', async (page) => {
    await setSeed(page, { maxTokens: 40 }); // or a model that repeats the text fills the context with it
    await page.getByRole('combobox', { name: 'Thinking' }).selectOption('off');
    await page.getByLabel('Text files', { exact: true }).setInputFiles([
      { name: 'list.txt', mimeType: 'text/plain', buffer: Buffer.from('The sky is blue. '.repeat(60)) },
    ]);
    await ask(page, 'Read this.');
    const second = await ask(page, 'And what is 2 plus 3?');
    const cached = /(\d+) % cached/.exec(await second.getByTestId('stats').textContent());
    assert.ok(Number(cached[1]) > 50, `${cached[0]}`);
  });

  test('is stopped, regenerated and edited', async (page) => {
    await page.keyboard.press('Control+,');
    await page.getByRole('spinbutton', { name: 'Maximum answer tokens' }).fill('400');
    await page.getByRole('button', { name: 'Done' }).click();
    // A prompt that takes the model a while.
    await page.getByLabel('Text files', { exact: true }).setInputFiles([
      { name: 'sea.txt', mimeType: 'text/plain', buffer: Buffer.from('The sea is deep and the sky is blue. '.repeat(450)) },
    ]);
    await composer(page).fill('Read this.');
    await composer(page).press('Enter');
    await page.keyboard.press('Escape');
    await settled(page);
    await answers(page).last().getByText('Stopped.').waitFor();
    // The server notices.
    for (let running = 1; running > 0; ) {
      ({ running } = await (await fetch(`${fathom.url}/debug/engine`)).json());
    }

    await answers(page).last().getByRole('button', { name: 'Regenerate answer' }).click();
    await page.getByText('2/2').waitFor();
    await settled(page);
    await page.getByRole('button', { name: 'Edit message' }).click();
    await page.getByRole('textbox', { name: 'Edit message' }).fill('Hello!');
    await page.getByRole('textbox', { name: 'Edit message' }).press('Enter');
    await page.locator('article.user', { hasText: '2/2' }).waitFor();
    await settled(page);
    assert.equal(await answers(page).count(), 1);
    assert.notEqual((await answers(page).last().locator('> .markdown, > details').first().textContent()).trim(), '');
  });

  test('refused by the server says why', async (page) => {
    await page.keyboard.press('Control+,');
    await page.getByRole('textbox', { name: 'System prompt' }).fill('word '.repeat(20_000));
    await page.getByRole('button', { name: 'Done' }).click();
    const answer = await ask(page, 'hello');
    assert.match(await answer.getByRole('alert').textContent(), /context|tokens/);
  }, { expected: /Failed to load resource/ });
});

describe('the machine page', () => {
  test('shows the model and its load', async (page) => {
    await page.getByRole('link', { name: 'Model and machine' }).click();
    const view = page.getByTestId('machine');
    await view.getByText(/^1\d(\.\d)?M$/).waitFor(); // parameters
    await view.getByText('Of the program').waitFor();
    await view.locator('polyline').waitFor({ state: 'attached' });
    assert.equal(await view.getByRole('alert').count(), 0);
  });
});

describe('keys', () => {
  it('are asked for', async () => {
    const secret = makeKey();
    const locked = await startFathom('--keys', secret.file);
    try {
      await withPage(locked.url, async (page) => {
        const key = page.getByLabel('API key', { exact: true }).and(page.locator('input'));
        await key.fill('sk-wrong');
        await key.press('Enter');
        await page.getByText('The server did not accept the key.').waitFor();
        await key.fill(secret.key);
        await key.press('Enter');
        await page.getByRole('dialog').waitFor({ state: 'detached' });
        await ask(page, 'Hello!');
        assert.equal(await answers(page).getByRole('alert').count(), 0);
      }, { expected: /Failed to load resource/ });
    } finally {
      await locked.stop();
    }
  });
});
