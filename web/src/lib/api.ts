// Requests to the server this page came from, and nowhere else.

import { keep, recall } from './local';

const keyName = 'fathom.key';

export function storedKey(): string {
  return recall(keyName) ?? '';
}

export function storeKey(key: string): void {
  keep(keyName, key || null);
}

export class ApiFailure extends Error {
  constructor(
    message: string,
    readonly status: number, // 0: no answer at all
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }
}

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const key = storedKey();
  if (key) headers.set('Authorization', `Bearer ${key}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, credentials: 'omit', redirect: 'error' });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiFailure('The server does not answer. Is it still running?', 0);
  }
  if (response.ok) return response;
  const retryAfter = Number(response.headers.get('Retry-After') ?? NaN);
  throw new ApiFailure(
    await messageOf(response),
    response.status,
    Number.isFinite(retryAfter) ? retryAfter : null,
  );
}

async function messageOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => '');
  try {
    const message = JSON.parse(text)?.error?.message;
    if (typeof message === 'string' && message) return message;
  } catch {
    // not JSON: a proxy's page, perhaps
  }
  return `The server answered with status ${response.status}${response.statusText ? ` (${response.statusText})` : ''}.`;
}

export async function getJson<T = unknown>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, { signal })).json() as Promise<T>;
}

export async function getText(path: string, signal?: AbortSignal): Promise<string> {
  return (await request(path, { signal })).text();
}
