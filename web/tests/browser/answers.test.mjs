// Answers of the page: how they come, what can be done with them, what goes wrong.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answers, ask, composer, sendButton, settled, startMock, stopButton, withPage } from './harness.mjs';
import { setTools, shows, test } from './mock_page.mjs';

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
