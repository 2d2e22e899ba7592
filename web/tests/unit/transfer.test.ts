import { describe, expect, it } from 'vitest';
import { bytes, count, duration, percent, shortCount, timeLeft } from '../../src/lib/format';
import { parseMetrics, total } from '../../src/lib/prometheus';
import { matchIn, wordsOf } from '../../src/lib/search';
import { exportJson, exportMarkdown, fileName, parseImport } from '../../src/lib/transfer';
import { addNode, newConversation, selectedPath } from '../../src/lib/tree';
import { defaultSettings, type Conversation } from '../../src/lib/types';

function sample(): Conversation {
  const conversation = newConversation({ ...defaultSettings, system: 'Be brief.', effort: 'high', seed: 7 });
  const question = addNode(conversation, {
    parent: null, role: 'user', content: 'What is this?', attachments: [{ name: 'a.txt', text: 'hello' }],
  });
  addNode(conversation, { parent: question.id, role: 'assistant', content: 'Old answer', finish: 'stop' });
  const call = addNode(conversation, {
    parent: question.id, role: 'assistant', content: '', reasoning: 'Hm.', model: 'nano', finish: 'tool_calls',
    toolCalls: [{ id: 'c1', name: 'look', arguments: '{"a":1}' }],
  });
  const result = addNode(conversation, {
    parent: call.id, role: 'tool', content: '', toolResults: [{ id: 'c1', content: '42' }],
  });
  addNode(conversation, { parent: result.id, role: 'assistant', content: 'A **greeting**.', finish: 'stop' });
  return conversation;
}

describe('export and import', () => {
  it('give back the same conversation under another id', () => {
    const original = sample();
    const [copy] = parseImport(exportJson([original]));
    expect(copy!.id).not.toBe(original.id);
    expect({ ...copy, id: '' }).toEqual({ ...original, id: '' });
    expect(selectedPath(copy!)).toEqual(selectedPath(original));
  });

  it.each([
    ['not JSON', 'x{'],
    ['another format', '{"a": 1}'],
    ['another version', '{"format": "fathom-conversations", "version": 2, "conversations": []}'],
    ['a message without its parent',
      '{"format": "fathom-conversations", "version": 1, "conversations": [{"nodes": {"a": {"id": "a", "role": "user", "parent": "b"}}}]}'],
  ])('refuse %s', (_, text) => {
    expect(() => parseImport(text)).toThrow(/^The file/);
  });

  it('take only what is known from a file', () => {
    const [read] = parseImport(JSON.stringify({
      format: 'fathom-conversations', version: 1,
      conversations: [{
        title: 5, settings: { effort: 'huge', temperature: 'hot' },
        nodes: {
          a: { id: 'a', role: 'user', content: 'x', evil: 1 }, b: { id: 'b', role: 'root' },
          c: { id: '../c', role: 'user' }, p: { id: '__proto__', role: 'user' }, n: null,
        },
        selected: { '': 'gone' },
      }],
    }));
    expect(Object.keys(read!.nodes)).toEqual(['a']);
    expect(read!.nodes.a).toEqual({ id: 'a', parent: null, role: 'user', created: 0, content: 'x' });
    expect(read!.settings).toEqual(defaultSettings);
    expect(read!.title).toBe('x');
    expect(read!.selected).toEqual({});
  });

  it('write Markdown of what is shown', () => {
    const text = exportMarkdown(sample());
    for (const part of ['# What is this?', 'Be brief.', 'a.txt:\n```txt\nhello\n```', 'Call of `look`', '```\n42\n```', 'A **greeting**.']) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain('Old answer');
  });

  it('name files harmlessly', () => {
    expect(fileName('What? ../é', 'md')).toBe('What-..-e.md');
    expect(fileName('???', 'json')).toBe('conversation.json');
  });
});

describe('search', () => {
  it('wants every word, anywhere', () => {
    expect(matchIn(sample(), wordsOf('GREETING this'))).toContain('greeting');
    expect(matchIn(sample(), wordsOf('old'))).toContain('Old answer');
    expect(matchIn(sample(), wordsOf('greeting absent'))).toBeNull();
    expect(matchIn(sample(), wordsOf('a.txt'))).toContain('a.txt');
  });
});

describe('metrics', () => {
  it('are read with their labels', () => {
    const samples = parseMetrics(
      '# HELP x y\n# TYPE x counter\nx{model="a\\"b",le="+Inf"} 3\nx{model="c"} 4.5e1\ny 0\nz NaN\nbroken\nvllm:q{m="}"} +Inf 12\n',
    );
    expect(samples[0]).toEqual({ name: 'x', labels: { model: 'a"b', le: '+Inf' }, value: 3 });
    expect(total(samples, 'missing', 'x')).toBe(48);
    expect(total(samples, 'y')).toBe(0);
    expect(total(samples, 'z')).toBeNull();
    expect(total(samples, 'vllm:q')).toBe(Infinity);
  });
});

describe('numbers', () => {
  it('are short', () => {
    expect([0, 999, 1000, 4096, 17e6, 999_960, 284e9].map(shortCount)).toEqual(['0', '999', '1k', '4.1k', '17M', '1M', '284B']);
    expect([0, 999, 1000, 123e6, 1.5e12].map(bytes)).toEqual(['0 B', '999 B', '1.0 KB', '123 MB', '1.5 TB']);
    expect([5, 1500, 9960, 59_700, 61_000, 3_700_000, 200_000_000].map(duration)).toEqual([
      '5 ms', '1.5 s', '10 s', '1 min 0 s', '1 min 1 s', '1 h 1 min', '2 d 7 h',
    ]);
    expect([0, 5.4, 61].map(timeLeft)).toEqual(['1 s', '5 s', '1 min 1 s']);
    expect([0, 0.001, 0.5, 1.2].map(percent)).toEqual(['0 %', '<1 %', '50 %', '100 %']);
    expect(count(1234567)).toBe('1,234,567');
  });
});
