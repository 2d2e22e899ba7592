import { describe, expect, it } from 'vitest';
import { mendTail, splitBlocks } from '../../src/lib/blocks';

const brief = (markdown: string) =>
  splitBlocks(markdown).map((block) => (block.kind === 'code' ? `[${block.language}${block.closed ? '' : '…'}] ${block.text}` : block.text));

describe('splitBlocks', () => {
  it('cuts at empty lines', () => {
    expect(brief('a\nb\n\n\nc\n')).toEqual(['a\nb', 'c']);
    expect(brief('')).toEqual([]);
  });

  it('takes code out, closed or not', () => {
    expect(brief('a\n```python\nx\n\ny\n```\nb')).toEqual(['a', '[python] x\n\ny', 'b']);
    expect(brief('```js\nlet a')).toEqual(['[js…] let a']);
    expect(brief('````\n```\n````')).toEqual(['[] ```']);
    expect(brief('~~~ C++ {.x}\na\n~~~')).toEqual(['[c++] a']);
  });

  it('keeps a list together, with its indented parts', () => {
    expect(brief('1. a\n\n2. b\n\n   more\n\nend')).toEqual(['1. a\n\n2. b\n\n   more', 'end']);
    expect(brief('- a\n  ```\n  x\n\n  y\n  ```\n- b')).toEqual(['- a\n  ```\n  x\n\n  y\n  ```\n- b']);
  });

  it('does not cut inside of formulas', () => {
    expect(brief('$$\na\n\nb\n$$\n\nc')).toEqual(['$$\na\n\nb\n$$', 'c']);
    expect(brief('\\[\nx\n\n')).toEqual(['\\[\nx']);
    expect(brief('$$x$$\n\nb')).toEqual(['$$x$$', 'b']);
  });

  it('never changes blocks that an empty line has ended', () => {
    const text = 'One *two*.\n\n```c\nint x;\n\n```\n\n- a\n- b\n\n1. c\n\n# h\ntext\n\n$$\nx\n$$\n\nend';
    const whole = splitBlocks(text);
    for (let length = 1; length <= text.length; length++) {
      const blocks = splitBlocks(text.slice(0, length));
      expect(whole.slice(0, Math.max(0, blocks.length - 2))).toEqual(blocks.slice(0, -2));
    }
  });
});

describe('mendTail', () => {
  it.each([
    ['plain text', 'plain text'],
    ['**bol', '**bol**'],
    ['**bold*', '**bold**'],
    ['**bold** and *it', '**bold** and *it*'],
    ['a **', 'a '],
    ['`code', '`code`'],
    ['a `code` b', 'a `code` b'],
    ['`` a`b', '`` a`b``'],
    ['`a * b', '`a * b`'],
    ['see [the pa', 'see the pa'],
    ['see [the page](http://ex', 'see the page'],
    ['see [the page](http://ex.org) now', 'see [the page](http://ex.org) now'],
    ['- [ ] task', '- [ ] task'],
    ['~~gone', '~~gone~~'],
    ['2 * 3', '2 * 3'],
    ['* item', '* item'],
    ['text\n--', 'text'],
    ['text\n=', 'text'],
    ['a\n\\*b', 'a\n\\*b'],
    ['**a** `b` ~~c~~', '**a** `b` ~~c~~'],
  ])('%j becomes %j', (text, mended) => {
    expect(mendTail(text)).toBe(mended);
  });
});
