import { afterEach, describe, expect, it, vi } from 'vitest';
import { keep, recall } from '../../src/lib/local';

const refuse = () => {
  throw new Error('refused');
};

afterEach(() => vi.unstubAllGlobals());

describe('a small value', () => {
  it('is kept in the browser', () => {
    const values = new Map<string, string>();
    vi.stubGlobal('localStorage', {
      getItem: (name: string) => values.get(name) ?? null,
      setItem: (name: string, value: string) => values.set(name, value),
      removeItem: (name: string) => values.delete(name),
    });
    keep('a', '1');
    expect(values.get('a')).toBe('1');
    expect(recall('a')).toBe('1');
    keep('a', null);
    expect(recall('a')).toBe(null);
    expect(values.size).toBe(0);
  });

  it('lasts as long as the page where the browser keeps nothing', () => {
    vi.stubGlobal('localStorage', { getItem: refuse, setItem: refuse, removeItem: refuse });
    expect(recall('b')).toBe(null);
    keep('b', '2');
    expect(recall('b')).toBe('2');
    keep('b', null);
    expect(recall('b')).toBe(null);
  });

  it('is the new one where there is no room for it', () => {
    vi.stubGlobal('localStorage', { getItem: () => 'old', setItem: refuse, removeItem: () => undefined });
    expect(recall('c')).toBe('old');
    keep('c', 'new');
    expect(recall('c')).toBe('new');
  });
});
