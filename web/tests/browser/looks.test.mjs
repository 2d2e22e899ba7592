// How the page looks and is used: themes, narrow screens, keyboard, the machine page.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, assertFits, composer, settled, stopButton, withPage } from './harness.mjs';
import { mock, shows, test } from './mock_page.mjs';

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
