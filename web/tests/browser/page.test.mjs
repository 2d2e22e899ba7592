// The page with a server that answers what a test needs (dev/mock.mjs).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  answers, ask, assertFits, composer, downloaded, sendButton, settled, startBrowser, startMock, stopBrowser, stopButton,
  withPage,
} from './harness.mjs';

let mock;
before(async () => {
  await startBrowser();
  mock = await startMock('--delay', '5');
});
after(async () => {
  await stopBrowser();
  await mock?.stop();
});
const test = (name, body, options) => it(name, () => withPage(mock.url, body, options));

const shows = (page, text) =>
  page.waitForFunction((part) => document.querySelector('main')?.textContent?.includes(part), text);
const listed = (page) => page.locator('nav .entry .title');
const setTools = async (page) => {
  await page.keyboard.press('Control+,');
  await page.getByRole('textbox', { name: /^Tools/ }).fill('[{"name": "get_weather", "parameters": {"type": "object"}}]');
  await page.getByRole('button', { name: 'Done' }).click();
};

describe('an answer', () => {
  test('streams', async (page) => {
    await composer(page).fill('endless');
    await composer(page).press('Enter');
    await shows(page, 'Word 3.');
    assert.ok(await stopButton(page).isVisible());
    await shows(page, 'Word 30.');
    await stopButton(page).click();
    await settled(page);
  });

  test('leaves alone what is finished of it', async (page) => {
    await composer(page).fill('markdown then code');
    await composer(page).press('Enter');
    const heading = answers(page).getByRole('heading', { name: 'Heading' });
    await answers(page).locator('strong').waitFor();
    await heading.evaluate((node) => (node.marked = true));
    await settled(page);
    await answers(page).locator('table').waitFor();
    assert.equal(await heading.evaluate((node) => node.marked), true);

    await composer(page).fill('long code');
    await composer(page).press('Enter');
    await shows(page, 'Word 3.');
    const keyword = answers(page).last().locator('.hljs-keyword').first();
    await keyword.evaluate((node) => (node.marked = true));
    await settled(page);
    assert.equal(await keyword.evaluate((node) => node.marked), true);
  });

  test('keeps its partial text when it is stopped by Esc', async (page) => {
    await composer(page).fill('endless');
    await composer(page).press('Enter');
    await shows(page, 'Word 3.');
    await page.keyboard.press('Escape');
    await settled(page);
    const text = await answers(page).last().textContent();
    assert.match(text, /Word 3\./);
    assert.match(text, /Stopped\./);
    assert.match(await (await ask(page, 'and now?')).textContent(), /You said: and now\?/);
  });

  test('is rendered as Markdown', async (page) => {
    const answer = await ask(page, 'markdown');
    await answer.getByRole('heading', { name: 'Heading' }).waitFor();
    assert.equal(await answer.locator('strong').textContent(), 'bold');
    assert.equal(await answer.locator('ol > li').count(), 2);
    assert.equal(await answer.locator('td[align=right]').count(), 2);
    const link = answer.getByRole('link', { name: 'link' });
    assert.equal(await link.getAttribute('href'), 'https://example.org/');
    assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
    assert.equal(await link.getAttribute('target'), '_blank');
    assert.equal(await answer.locator('input[type=checkbox]').count(), 2);
  });

  test('shows code in colours, to be copied', async (page, context) => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const answer = await ask(page, 'code');
    await answer.locator('.hljs-keyword', { hasText: 'def' }).waitFor();
    await answer.getByRole('button', { name: 'Copy code' }).click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^def add\(a, b\):\n[\s\S]*return a \+ b$/);
    await answer.getByRole('button', { name: 'Copy answer' }).click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^Here it is:\n\n```python/);
  });

  test('shows formulas', async (page) => {
    const answer = await ask(page, 'math');
    await answer.locator('.formula-display math mfrac').waitFor();
    assert.equal(await answer.locator('math').count(), 2);
    assert.match(await answer.textContent(), /It costs \$5 and \$6\./);
  });

  test('folds the thinking', async (page) => {
    const answer = await ask(page, 'think');
    const summary = answer.locator('summary', { hasText: /^Thought/ });
    assert.match(await answer.textContent(), /Thought and done/);
    assert.doesNotMatch(await answer.textContent(), /First I think/);
    await summary.click();
    await answer.getByText('First I think about it.').waitFor();
    assert.equal(await answer.locator('details strong').textContent(), 'again');
  });

  test('comes without thinking when it is off', async (page) => {
    await page.getByRole('combobox', { name: 'Thinking' }).selectOption('off');
    const answer = await ask(page, 'think');
    assert.equal(await answer.locator('details').count(), 0);
  });

  test('shows how far the prompt is read', async (page) => {
    await composer(page).fill('slow prompt');
    await composer(page).press('Enter');
    await page.getByText(/Reading the prompt: [\d,]+ of 25,000 tokens, 512 from cache, about \d+ s left/).waitFor();
    const bar = page.getByRole('progressbar', { name: 'Reading the prompt' });
    assert.equal(await bar.getAttribute('max'), '25000');
    await settled(page);
    assert.equal(await page.locator('[data-testid=prefill]').count(), 0);
  });

  test('tells its cost, and the footer the context used', async (page) => {
    const answer = await ask(page, 'context');
    const stats = await answer.getByTestId('stats').textContent();
    assert.match(stats, /\d+ tokens/);
    assert.match(stats, /tokens\/s/);
    assert.match(stats, /0 % cached/);
    assert.match(stats, /context 7\d %/);
    await ask(page, 'again');
    assert.match(await answers(page).last().getByTestId('stats').textContent(), /(4\d|50) % cached/);
    assert.match(await page.locator('.status').textContent(), /context \d+ of 4,096/);
  });
});

describe('tool calls', () => {
  test('are shown, and go on with the result that is typed', async (page) => {
    await setTools(page);
    await ask(page, 'use the tool');
    const answer = answers(page).first();
    const call = answer.getByRole('region', { name: 'Tool call get_weather' });
    assert.match(await call.locator('pre').first().textContent(), /\{\n {2}"city": "Paris",\n {2}"days": 3\n\}/);
    assert.ok(await sendButton(page).isDisabled());
    await call.getByRole('textbox', { name: 'Result of the call' }).fill('{"sky": "clear"}');
    await answer.getByRole('button', { name: 'Continue with result' }).click();
    await page.getByText('The tool said: {"sky": "clear"}').waitFor();
    assert.match(await call.textContent(), /Result[\s\S]*"sky": "clear"/);
  });

  test('need tools that are JSON', async (page) => {
    await page.keyboard.press('Control+,');
    await page.getByRole('textbox', { name: /^Tools/ }).fill('[{');
    await page.getByText('The tools are not JSON').waitFor();
  });
});

describe('branches', () => {
  test('keep every regenerated answer', async (page) => {
    await ask(page, 'hello');
    await answers(page).last().getByRole('button', { name: 'Regenerate answer' }).click();
    await page.getByText('2/2').waitFor();
    await settled(page);
    await page.getByRole('button', { name: 'Previous version' }).click();
    await page.getByText('1/2').waitFor();
    assert.equal(await answers(page).count(), 1);
  });

  test('keep every version of an edited message', async (page) => {
    await ask(page, 'first');
    await ask(page, 'second');
    await page.getByRole('button', { name: 'Edit message' }).first().click();
    const editor = page.getByRole('textbox', { name: 'Edit message' });
    await editor.fill('changed');
    await editor.press('Enter');
    await page.getByText('You said: changed').waitFor();
    await settled(page);
    assert.equal(await answers(page).count(), 1);
    await page.getByRole('button', { name: 'Previous version' }).click();
    await page.getByText('You said: second').waitFor();
    assert.equal(await answers(page).count(), 2);
    await page.reload();
    await page.getByText('You said: second').waitFor();
  });
});

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

describe('files', () => {
  const file = { name: 'notes.py', mimeType: 'text/x-python', buffer: Buffer.from('x = 1\n') };

  test('that are picked go along as fenced blocks', async (page) => {
    await page.getByLabel('Text files', { exact: true }).setInputFiles([file]);
    await page.getByText('notes.py').waitFor();
    const [request] = await Promise.all([page.waitForRequest('**/chat/completions'), ask(page, 'Read this')]);
    assert.equal(request.postDataJSON().messages.at(-1).content, 'Read this\n\nnotes.py:\n```py\nx = 1\n```');
    await page.locator('article.user summary', { hasText: 'notes.py' }).click();
    assert.equal(await page.locator('article.user pre').textContent(), 'x = 1\n');
  });

  test('that are dropped are attached, and can be removed', async (page) => {
    const data = await page.evaluateHandle(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(['dropped'], 'drop.txt', { type: 'text/plain' }));
      return transfer;
    });
    await page.dispatchEvent('main', 'drop', { dataTransfer: data });
    await page.getByText('drop.txt').waitFor();
    await page.getByRole('button', { name: 'Remove drop.txt' }).click();
    assert.equal(await page.getByText('drop.txt').count(), 0);
  });

  test('have to be text and not too large', async (page) => {
    const picker = page.getByLabel('Text files', { exact: true });
    await picker.setInputFiles([{ name: 'a.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([255, 0, 1]) }]);
    await page.getByText('a.bin is not a text file').waitFor();
    await picker.setInputFiles([{ name: 'b.txt', mimeType: 'text/plain', buffer: Buffer.alloc(3 * 1024 * 1024, 'a') }]);
    await page.getByText('b.txt has 3.0 MB').waitFor();
  });
});

describe('errors', () => {
  const refused = { expected: /Failed to load resource/ };

  test('are told and can be tried again', async (page) => {
    const answer = await ask(page, 'fail');
    await answer.getByText('The model could not go on.').waitFor();
    await answer.getByRole('button', { name: 'Try again' }).click();
    await settled(page);
    assert.equal(await answers(page).count(), 1);
    assert.equal(await page.getByTestId('branch-position').count(), 0);
    await (await ask(page, 'busy')).getByText('The queue is full. Try again in 7 s.').waitFor();
  }, refused);

  test('in the middle keep what had come', async (page) => {
    const answer = await ask(page, 'please break in the middle');
    assert.match(await answer.textContent(), /You said/);
    await answer.getByText(/connection (was lost|ended) in the middle/).waitFor();
  }, { expected: /ERR_/ });

  it('for want of a key ask for one', async () => {
    const locked = await startMock('--key', 'secret', '--delay', '1');
    try {
      await withPage(locked.url, async (page) => {
        const key = page.getByLabel('API key', { exact: true }).and(page.locator('input'));
        await key.fill('wrong');
        await key.press('Enter');
        await page.getByText('The server did not accept the key.').waitFor();
        await key.fill('secret');
        await key.press('Enter');
        await page.getByRole('heading', { name: 'mock-model' }).waitFor();
        await (await ask(page, 'hi')).getByText('You said: hi').waitFor();
        await page.reload();
        await page.getByText('You said: hi').waitFor();
        assert.equal(await page.getByRole('dialog').count(), 0);
      }, refused);
    } finally {
      await locked.stop();
    }
  });

  it('for want of a key ask no second time on the machine page', async () => {
    const locked = await startMock('--key', 'secret', '--delay', '1');
    try {
      await withPage(locked.url, async (page) => {
        const dialog = page.getByRole('dialog', { name: 'API key' });
        const cancel = async () => {
          await dialog.getByRole('button', { name: 'Cancel' }).click();
          await dialog.waitFor({ state: 'detached' });
        };
        await page.clock.install();
        await page.reload();
        await cancel();
        await page.getByRole('link', { name: 'Model and machine' }).click();
        await cancel();

        const asked = [];
        page.on('request', (request) => asked.push(new URL(request.url()).pathname));
        await page.clock.fastForward(60_000);
        await page.evaluate(() => fetch('/favicon.svg').then((response) => response.text()));
        assert.deepEqual(asked, ['/favicon.svg']);
        assert.equal(await dialog.count(), 0);

        await page.getByRole('button', { name: 'API key' }).click();
        const key = page.getByLabel('API key', { exact: true }).and(page.locator('input'));
        await key.fill('secret');
        await key.press('Enter');
        await page.getByTestId('machine').getByText('Mock CPU').waitFor();
      }, refused);
    } finally {
      await locked.stop();
    }
  });
});

describe('text that attacks', () => {
  test('does nothing, from the model or the user', async (page) => {
    await ask(page, 'evil');
    await page.locator('article.assistant summary').first().click();
    await ask(page, 'evil <img src=x onerror="window.hacked=20"> <script>window.hacked=21</script>');
    for (const link of await page.locator('article a').all()) {
      assert.match(await link.getAttribute('href'), /^(https?:|mailto:)/);
    }
    for (const node of ['img', 'script', 'iframe', 'svg[onload]', 'form:not(.calls)', 'object', 'style', '[style]', 'a[href^="javascript:"]']) {
      assert.equal(await page.locator(`article .markdown ${node}, article .bubble ${node}`).count(), 0, node);
    }
    const handlers = await page.evaluate(() =>
      Array.from(document.querySelectorAll('article *')).flatMap((node) => node.getAttributeNames().filter((name) => name.startsWith('on'))),
    );
    assert.deepEqual(handlers, []);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.title(), 'evil – Fathom');
  });

  test('does nothing in titles and imported files', async (page) => {
    const name = '<img src=x onerror="window.hacked=1">';
    await page.getByLabel('File with conversations').setInputFiles({
      name: 'x.json', mimeType: 'application/json',
      buffer: Buffer.from(JSON.stringify({
        format: 'fathom-conversations', version: 1,
        conversations: [{
          title: name,
          nodes: {
            a: { id: 'a', role: 'user', content: name, attachments: [{ name, text: name }] },
            b: { id: 'b', parent: 'a', role: 'assistant', content: name, model: name, error: name, toolCalls: [{ id: name, name, arguments: name }] },
          },
        }],
      })),
    });
    await page.getByRole('heading', { name: '<img' }).first().waitFor();
    assert.equal(await page.locator('article img, h1 img, nav .entry img').count(), 0);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
  });
});

describe('the looks', () => {
  const colours = (page) => page.evaluate(() => getComputedStyle(document.body).color + getComputedStyle(document.documentElement).backgroundColor);

  it('follow the system, unless chosen', async () => {
    const seen = {};
    for (const colorScheme of ['light', 'dark']) {
      await withPage(mock.url, async (page) => {
        await page.evaluate(() => document.fonts.ready);
        seen[colorScheme] = { colours: await colours(page), picture: (await page.screenshot()).toString('base64') };
        await page.getByRole('button', { name: /^Theme: as/ }).click();
        await page.getByRole('button', { name: 'Theme: light' }).click();
        assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
        const dark = await colours(page);
        await page.reload();
        assert.equal(await colours(page), dark);
        if (colorScheme === 'dark') assert.equal(dark, seen.dark.colours);
        else assert.notEqual(dark, seen.light.colours);
      }, { colorScheme });
    }
    assert.notEqual(seen.light.colours, seen.dark.colours);
    assert.notEqual(seen.light.picture, seen.dark.picture);
  });

  test('fit 360 pixels', async (page) => {
    await assertFits(page);
    for (const message of ['markdown', 'code', 'math', 'think', `x${'y'.repeat(300)}`]) await ask(page, message);
    await assertFits(page);
    await page.getByRole('button', { name: 'Conversations' }).click();
    await page.getByRole('link', { name: 'New chat' }).waitFor();
    await assertFits(page);
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'New chat' }).waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Settings of this conversation' }).click();
    await assertFits(page);
    await page.keyboard.press('Escape');
    await page.goto(`${mock.url}/#/machine`);
    await page.getByText('Mock CPU').waitFor();
    await assertFits(page);
  }, { viewport: { width: 360, height: 640 } });

  test('stand still when motion is unwanted', async (page) => {
    await composer(page).fill('slow prompt');
    await composer(page).press('Enter');
    await page.locator('[data-testid=prefill]').waitFor();
    const moving = await page.evaluate(() => document.getAnimations().filter((animation) => animation.playState === 'running' && animation.effect.getComputedTiming().activeDuration > 100).length);
    assert.equal(moving, 0);
    await stopButton(page).click();
    await settled(page);
  }, { reducedMotion: 'reduce' });
});

describe('the keyboard', () => {
  test('is enough', async (page) => {
    const press = async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim() ?? '');
    await page.waitForFunction(() => document.activeElement?.id === 'composer');
    await page.keyboard.type('one');
    await press('Shift+Enter');
    await page.keyboard.type('two');
    await press('Enter');
    await settled(page);
    assert.equal(await page.locator('.bubble').textContent(), 'one\ntwo');
    assert.equal(await focused(), 'Message');

    // Back from the field: its answer's buttons.
    await press('Shift+Tab');
    assert.equal(await focused(), 'Regenerate answer');
    await press('Enter');
    await page.getByText('2/2').waitFor();
    await settled(page);

    await page.evaluate(() => document.activeElement?.blur());
    await press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await press('Escape');
    await press('/');
    assert.equal(await focused(), 'Message');
    await press('Control+k');
    assert.equal(await focused(), 'Search conversations');
    await press('Tab');
    assert.match(await focused(), /^one/);
    await press('Tab');
    assert.match(await focused(), /^Actions for one/);
    await press('Enter', 'Tab');
    assert.equal(await focused(), 'Rename');
    await press('Escape');
    assert.match(await focused(), /^Actions for one/);
    await press('Control+Shift+O');
    await page.getByRole('heading', { name: 'New chat' }).waitFor();
    await press('Control+,');
    await page.getByRole('dialog', { name: 'Settings of this conversation' }).waitFor();
    await press('Escape');
  });

  test('closes the menu of a conversation and lets its answer go on', async (page) => {
    await composer(page).fill('endless');
    await composer(page).press('Enter');
    await shows(page, 'Word 3.');
    const menu = page.getByRole('button', { name: 'Actions for endless' });
    const rename = page.getByRole('button', { name: 'Rename' });
    await menu.click();
    await rename.waitFor();
    await page.keyboard.press('Escape');
    await rename.waitFor({ state: 'detached' });
    assert.ok(await stopButton(page).isVisible());
    assert.ok(await menu.evaluate((node) => node === document.activeElement));
    await page.keyboard.press('Escape');
    await settled(page);
  });

  test('finds the skip link first, and sees where it is', async (page) => {
    const link = page.getByRole('link', { name: 'Skip to the message field' });
    assert.ok(await link.evaluate((node) => node === document.querySelector('a, button, input, [tabindex]')));
    for (let i = 0; i < 40 && !(await link.evaluate((node) => node === document.activeElement)); i++) {
      await page.keyboard.press('Shift+Tab');
    }
    assert.ok(await link.evaluate((node) => node === document.activeElement && node.getBoundingClientRect().top >= 0));
    assert.notEqual(await link.evaluate((node) => getComputedStyle(node).outlineStyle), 'none');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'composer');
  });

  test('everything that acts has a name', async (page) => {
    await ask(page, 'code');
    const nameless = await page.evaluate(() =>
      Array.from(document.querySelectorAll('button, a, input, select, textarea'))
        .filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length))
        .map((node) => node.outerHTML),
    );
    assert.deepEqual(nameless, []);
  });
});

describe('the machine page', () => {
  test('shows model, machine, load and memory', async (page) => {
    await ask(page, 'hello');
    await page.getByRole('link', { name: 'Model and machine' }).click();
    const view = page.getByTestId('machine');
    for (const text of ['Mock CPU', '17M', '4,096 tokens', '0 of 16', '123 MB', '5.0 MB of 1.0 GB']) {
      await view.getByText(text, { exact: true }).waitFor();
    }
    await view.locator('polyline').waitFor({ state: 'attached' });
    await view.getByText(/^\d+ % of the time$/).waitFor();
    await page.goBack();
    await page.getByText('You said: hello').waitFor();

    await composer(page).fill('slow prompt');
    await composer(page).press('Enter');
    await page.getByRole('link', { name: 'Model and machine' }).click();
    await view.getByRole('cell', { name: 'reading 36 %' }).waitFor();
    await view.getByRole('cell', { name: 'laptop' }).waitFor();
  });
});
