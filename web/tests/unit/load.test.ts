import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { load, watchLoad } from '../../src/lib/load.svelte';
import { server } from '../../src/lib/server.svelte';

const fetched = vi.fn<(path: string) => Promise<Response>>();
const polls = () => fetched.mock.calls.filter(([path]) => path === '/debug/engine').length;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('fetch', fetched);
  fetched.mockReset();
  server.keyDialog = false;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('the load', () => {
  it('is asked for until nobody looks any more', async () => {
    fetched.mockImplementation(async () => Response.json({ running: 3 }));
    const stop = watchLoad();
    await vi.advanceTimersByTimeAsync(5000);
    expect(load.now?.running).toBe(3);
    expect(polls()).toBe(3);
    stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(polls()).toBe(3);
  });

  it('is not asked for again when that needs a key', async () => {
    fetched.mockImplementation(async () => Response.json({ error: { message: 'A key is needed.' } }, { status: 401 }));
    const stop = watchLoad();
    await vi.advanceTimersByTimeAsync(0);
    expect(server.keyDialog).toBe(true);
    expect(load.error).toBe('A key is needed.');
    server.keyDialog = false;
    const asked = fetched.mock.calls.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fetched.mock.calls.length).toBe(asked);
    expect(server.keyDialog).toBe(false);
    stop();
  });

  it('is asked for again after other failures', async () => {
    fetched.mockImplementation(async () => Response.json({ error: { message: 'Not now.' } }, { status: 503 }));
    const stop = watchLoad();
    await vi.advanceTimersByTimeAsync(5000);
    stop();
    expect(load.error).toBe('Not now.');
    expect(polls()).toBe(3);
    expect(server.keyDialog).toBe(false);
  });
});
