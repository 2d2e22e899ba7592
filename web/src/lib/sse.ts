// Server-sent events from pieces of bytes, cut anywhere.

export type SseEvent = { kind: 'event'; name: string; data: string } | { kind: 'comment'; text: string };

export class SseParser {
  private readonly decoder = new TextDecoder();
  private rest = '';
  private data: string[] = [];
  private name = '';

  // What is complete with these bytes.
  push(bytes: Uint8Array): SseEvent[] {
    return this.take(this.decoder.decode(bytes, { stream: true }));
  }

  private take(text: string): SseEvent[] {
    this.rest += text;
    const events: SseEvent[] = [];
    for (;;) {
      const end = /\r\n|\n|\r/.exec(this.rest);
      // A carriage return at the very end may be half of a line's end.
      if (!end || (end[0] === '\r' && end.index === this.rest.length - 1)) return events;
      const line = this.rest.slice(0, end.index);
      this.rest = this.rest.slice(end.index + end[0].length);
      const event = this.takeLine(line);
      if (event) events.push(event);
    }
  }

  private takeLine(line: string): SseEvent | null {
    if (line === '') {
      const { data, name } = this;
      this.data = [];
      this.name = '';
      return data.length ? { kind: 'event', name, data: data.join('\n') } : null;
    }
    if (line.startsWith(':')) return { kind: 'comment', text: line.slice(1).trim() };
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data.push(value);
    if (field === 'event') this.name = value;
    return null;
  }
}

export interface Prefill {
  done: number;
  total: number;
  cached: number;
  secondsLeft: number | null;
}

// "prefill 4096/25000 tokens, 512 cached, about 12 s left"; null for other comments.
export function parsePrefill(comment: string): Prefill | null {
  const counts = /\bprefill\s+(\d+)\s*\/\s*(\d+)/.exec(comment);
  if (!counts) return null;
  const cached = /(\d+)\s+cached/.exec(comment);
  const left = /about\s+(?:(\d+)\s*h\s*)?(?:(\d+)\s*min\s*)?(?:(\d+(?:\.\d+)?)\s*s\s*)?left/.exec(comment);
  return {
    done: Number(counts[1]),
    total: Number(counts[2]),
    cached: cached ? Number(cached[1]) : 0,
    secondsLeft: left ? Number(left[1] ?? 0) * 3600 + Number(left[2] ?? 0) * 60 + Number(left[3] ?? 0) : null,
  };
}
