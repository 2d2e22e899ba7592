import { describe, expect, it } from 'vitest';
import { parsePrefill, SseParser, type SseEvent } from '../../src/lib/sse';

const bytesOf = (text: string) => new TextEncoder().encode(text);

function parse(text: string, size: number): SseEvent[] {
  const parser = new SseParser();
  const all = bytesOf(text);
  const events: SseEvent[] = [];
  for (let i = 0; i < all.length; i += size) events.push(...parser.push(all.slice(i, i + size)));
  return events;
}

describe('SseParser', () => {
  const stream = ': prefill 1/2 tokens\n\ndata: {"a":"é→😀"}\n\nevent: x\r\ndata: one\r\ndata: two\r\n\r\ndata:[DONE]\n\n';
  const expected: SseEvent[] = [
    { kind: 'comment', text: 'prefill 1/2 tokens' },
    { kind: 'event', name: '', data: '{"a":"é→😀"}' },
    { kind: 'event', name: 'x', data: 'one\ntwo' },
    { kind: 'event', name: '', data: '[DONE]' },
  ];

  it('gives the same events however the bytes are cut', () => {
    for (let size = 1; size <= stream.length; size++) expect(parse(stream, size)).toEqual(expected);
  });

  it('keeps an event back until its empty line', () => {
    const parser = new SseParser();
    expect(parser.push(bytesOf('data: x\n'))).toEqual([]);
    expect(parser.push(bytesOf('\n'))).toEqual([{ kind: 'event', name: '', data: 'x' }]);
  });

  it('ignores fields it does not know and events without data', () => {
    expect(parse('id: 7\nretry: 3\n\nevent: ping\n\ndata\n\n', 3)).toEqual([{ kind: 'event', name: '', data: '' }]);
  });
});

describe('parsePrefill', () => {
  it('reads progress, cache and time', () => {
    expect(parsePrefill('prefill 4096/25000 tokens, 512 cached, about 12 s left')).toEqual({
      done: 4096, total: 25000, cached: 512, secondsLeft: 12,
    });
    expect(parsePrefill('prefill 1/2 tokens, 0 cached, about 3 min 05 s left')?.secondsLeft).toBe(185);
    expect(parsePrefill('prefill 128/900 tokens')).toEqual({ done: 128, total: 900, cached: 0, secondsLeft: null });
  });

  it('is null for other comments', () => {
    expect(parsePrefill('keep-alive')).toBeNull();
    expect(parsePrefill('')).toBeNull();
  });
});
