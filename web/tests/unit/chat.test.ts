import { describe, expect, it } from 'vitest';
import { decodeText, fenceFor, withAttachments } from '../../src/lib/attachments';
import { applyFrame, emptyAnswer, parseTools, requestBody, statsOf } from '../../src/lib/chat';
import { defaultSettings, type Node } from '../../src/lib/types';

const node = (rest: Partial<Node>): Node => ({ id: 'x', parent: null, role: 'user', created: 0, content: '', ...rest });

describe('requestBody', () => {
  it('sends what was chosen and nothing else', () => {
    expect(requestBody([node({ content: 'hi' })], defaultSettings, 'm')).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: 'hi' }],
      stream: true,
      stream_options: { include_usage: true },
    });
    const body = requestBody(
      [node({ content: 'hi' })],
      { ...defaultSettings, system: 'Be brief.', effort: 'max', temperature: 0, topP: 0.5, maxTokens: 9, seed: 0 },
      'm',
    );
    expect(body).toMatchObject({
      thinking: { type: 'enabled' }, reasoning_effort: 'max', temperature: 0, top_p: 0.5, max_tokens: 9, seed: 0,
    });
    expect(body.messages[0]).toEqual({ role: 'system', content: 'Be brief.' });
    expect(requestBody([], { ...defaultSettings, effort: 'off' }, 'm').thinking).toEqual({ type: 'disabled' });
  });

  it('gives back reasoning, calls and results', () => {
    const call = { id: 'c1', name: 'f', arguments: '{}' };
    const { messages } = requestBody(
      [
        node({ role: 'assistant', reasoning: 'r', toolCalls: [call] }),
        node({ role: 'tool', toolResults: [{ id: 'c1', content: '42' }] }),
      ],
      defaultSettings,
      'm',
    );
    expect(messages).toEqual([
      {
        role: 'assistant', content: '', reasoning_content: 'r',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: '42' },
    ]);
  });
});

describe('parseTools', () => {
  it('accepts tools and bare functions', () => {
    expect(parseTools('')).toEqual([]);
    const wrapped = [{ type: 'function', function: { name: 'f' } }];
    expect(parseTools('[{"name": "f"}]')).toEqual(wrapped);
    expect(parseTools(JSON.stringify(wrapped))).toEqual(wrapped);
  });
  it.each(['{', '{}', '[1]', '[{"type": "function"}]', '[null]'])('refuses %s with a sentence', (text) => {
    expect(() => parseTools(text)).toThrow(/tools are not|no “name”/);
  });
});

describe('applyFrame', () => {
  it('puts an answer together', () => {
    const answer = emptyAnswer();
    const frames = [
      { model: 'm', choices: [{ delta: { role: 'assistant', content: '' } }] },
      { choices: [{ delta: { reasoning_content: 'hm' } }] },
      { choices: [{ delta: { content: 'Hel' } }] },
      { choices: [{ delta: { content: 'lo' } }] },
      { choices: [{ delta: { tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '' } }] } }] },
      { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: '{"x"' } }] } }] },
      { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] } }] },
      { choices: [{ delta: { tool_calls: [{ index: 1, id: 'b', function: { name: 'g', arguments: '{}' } }] } }] },
      { choices: [{ delta: { tool_calls: [{ index: 1e9, id: 'c' }] } }] },
      { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
      { choices: [], usage: { prompt_tokens: 5 }, timings: { predicted_per_second: 9 } },
    ];
    for (const frame of frames) applyFrame(answer, frame);
    expect(answer).toEqual({
      content: 'Hello', reasoning: 'hm', finish: 'tool_calls', model: 'm',
      toolCalls: [{ id: 'a', name: 'f', arguments: '{"x":1}' }, { id: 'b', name: 'g', arguments: '{}' }],
      usage: { prompt_tokens: 5 }, timings: { predicted_per_second: 9 },
    });
  });

  it('throws what the server says went wrong', () => {
    expect(() => applyFrame(emptyAnswer(), { error: { message: 'out of memory' } })).toThrow('out of memory');
  });
});

describe('statsOf', () => {
  it('prefers the numbers of the server', () => {
    const answer = {
      ...emptyAnswer(), reasoning: 'r',
      usage: {
        prompt_tokens: 100, completion_tokens: 11, prompt_tokens_details: { cached_tokens: 64 },
        completion_tokens_details: { reasoning_tokens: 4 },
      },
      timings: { prompt_per_second: 50, predicted_per_second: 20 },
    };
    expect(statsOf(answer, { start: 0, firstToken: 100, firstContent: 300, end: 1100 })).toEqual({
      promptTokens: 100, cachedTokens: 64, completionTokens: 11, reasoningTokens: 4, promptPerSecond: 50,
      tokensPerSecond: 20, firstTokenMs: 100, totalMs: 1100, thinkingMs: 200,
    });
    const measured = statsOf({ ...answer, timings: null }, { start: 0, firstToken: 100, firstContent: null, end: 1100 });
    expect(measured.tokensPerSecond).toBe(10);
  });

  it('knows nothing of an answer without tokens', () => {
    const stats = statsOf(emptyAnswer(), { start: 5, firstToken: null, firstContent: null, end: 9 });
    expect(stats).toMatchObject({ tokensPerSecond: null, firstTokenMs: null, thinkingMs: null, totalMs: 4 });
  });
});

describe('attachments', () => {
  it('are fenced blocks with their names', () => {
    expect(withAttachments('Look:', [{ name: 'a.py', text: 'x = 1\n' }])).toBe('Look:\n\na.py:\n```py\nx = 1\n```');
    expect(withAttachments('', [{ name: 'n', text: 'a\n```\nb' }])).toBe('n:\n````\na\n```\nb\n````');
    expect(fenceFor('`````')).toBe('``````');
  });
  it('have to be text', () => {
    expect(decodeText('a', new TextEncoder().encode('\ufeffa\r\nb'))).toBe('a\nb');
    expect(() => decodeText('a.bin', new Uint8Array([0xff, 0xfe, 0]))).toThrow('a.bin is not a text file');
    expect(() => decodeText('a.bin', new Uint8Array([65, 0, 66]))).toThrow('not a text file');
  });
});
