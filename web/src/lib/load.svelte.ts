// The model, the machine and their load, asked for every two seconds while somebody looks.

import { ApiFailure, getJson, getText } from './api';
import { parseMetrics, total } from './prometheus';
import { noteFailure, server } from './server.svelte';

export interface Load {
  running: number | null;
  waiting: number | null;
  maxSequences: number | null;
  residentBytes: number | null;
  cacheBytes: number | null;
  cacheLimit: number | null;
  keptPrefixes: number | null;
  promptTokens: number | null; // all since the start
  cachedTokens: number | null;
  completionTokens: number | null;
  readTokens: number | null; // by the model, of running requests, too
  generatedTokens: number | null;
  stepSeconds: number | null; // in which the model had something to do
  uptimeSeconds: number | null;
  connections: number | null;
  preemptions: number | null;
  active: ActiveRequest[];
}

export interface ActiveRequest {
  number: number;
  state: string;
  who: string;
  ageSeconds: number;
  promptTokens: number;
  cachedTokens: number;
  readTokens: number; // of prompt and answer
  generatedTokens: number;
}

export interface Point {
  time: number; // milliseconds
  generated: number; // tokens per second since the point before
  read: number;
  busy: number | null; // share of the time
}

const periodMs = 2000;
const maxPoints = 90;

export const load = $state({
  props: null as Record<string, any> | null,
  now: null as Load | null,
  history: [] as Point[],
  error: '',
});

const numberOrNull = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

function activeFrom(request: Record<string, any>): ActiveRequest {
  const field = (name: string) => numberOrNull(request[name]) ?? 0;
  return {
    number: field('number'),
    state: String(request.state ?? ''),
    who: [request.key, request.user].filter((name) => typeof name === 'string' && name).join(', '),
    ageSeconds: field('age_s'),
    promptTokens: field('prompt_tokens'),
    cachedTokens: field('cached_tokens'),
    readTokens: field('read_tokens'),
    generatedTokens: field('generated_tokens'),
  };
}

function fromEngine(engine: Record<string, any>): Load {
  const field = (name: string) => numberOrNull(engine[name]);
  return {
    running: field('running'),
    waiting: field('waiting'),
    maxSequences: field('max_sequences'),
    residentBytes: field('resident_bytes'),
    cacheBytes: field('cache_bytes'),
    cacheLimit: field('cache_bytes_limit'),
    keptPrefixes: field('kept_prefixes'),
    promptTokens: field('prompt_tokens'),
    cachedTokens: field('cached_tokens'),
    completionTokens: field('completion_tokens'),
    readTokens: field('prompt_tokens_read'),
    generatedTokens: field('generated_tokens'),
    stepSeconds: field('step_s'),
    uptimeSeconds: field('uptime_s'),
    connections: numberOrNull(engine.http?.connections),
    preemptions: field('preemptions'),
    active: Array.isArray(engine.active) ? engine.active.map(activeFrom) : [],
  };
}

function fromMetrics(text: string): Load {
  const samples = parseMetrics(text);
  return {
    running: total(samples, 'vllm:num_requests_running', 'llamacpp:requests_processing'),
    waiting: total(samples, 'vllm:num_requests_waiting', 'llamacpp:requests_deferred'),
    maxSequences: null,
    residentBytes: total(samples, 'process_resident_memory_bytes'),
    cacheBytes: total(samples, 'fathom_engine_cache_bytes'),
    cacheLimit: null,
    keptPrefixes: total(samples, 'fathom_engine_kept_prefixes'),
    promptTokens: total(samples, 'vllm:prompt_tokens_total'),
    cachedTokens: total(samples, 'vllm:prefix_cache_hits_total'),
    completionTokens: total(samples, 'vllm:generation_tokens_total'),
    readTokens: total(samples, 'fathom_engine_prompt_tokens_read_total', 'llamacpp:prompt_tokens_total'),
    generatedTokens: total(samples, 'fathom_engine_generated_tokens_total', 'vllm:generation_tokens_total'),
    stepSeconds: total(samples, 'fathom_engine_step_seconds_total'),
    uptimeSeconds: total(samples, 'fathom_uptime_seconds_total'),
    connections: total(samples, 'fathom_http_connections'),
    preemptions: total(samples, 'vllm:num_preemptions_total'),
    active: [],
  };
}

// A key that may not see /debug/engine may see /metrics.
async function currentLoad(signal: AbortSignal): Promise<Load> {
  try {
    return fromEngine(await getJson<Record<string, any>>('/debug/engine', signal));
  } catch (error) {
    if (!(error instanceof ApiFailure) || ![403, 404].includes(error.status)) throw error;
    return fromMetrics(await getText('/metrics', signal));
  }
}

function addPoint(before: { load: Load; time: number } | null, now: Load, time: number): void {
  if (!before) return;
  const seconds = (time - before.time) / 1000;
  // After a restart the counters begin again.
  const rate = (field: 'generatedTokens' | 'readTokens' | 'stepSeconds') => {
    const from = before.load[field];
    const to = now[field];
    return from === null || to === null ? null : Math.max(0, (to - from) / seconds);
  };
  const point = { time, generated: rate('generatedTokens') ?? 0, read: rate('readTokens') ?? 0, busy: rate('stepSeconds') };
  load.history = [...load.history, point].slice(-maxPoints);
}

// Polls until the returned function is called, or until a key is wanted. An effect that calls this does so again when one
// was entered.
export function watchLoad(): () => void {
  void server.keysSet;
  const abort = new AbortController();
  let before: { load: Load; time: number } | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const poll = async () => {
    try {
      load.props ??= await getJson<Record<string, any>>('/props', abort.signal);
      const now = await currentLoad(abort.signal);
      const time = performance.now();
      addPoint(before, now, time);
      before = { load: now, time };
      load.now = now;
      load.error = '';
    } catch (error) {
      if (abort.signal.aborted) return;
      load.error = (error as Error).message;
      noteFailure(error);
      // Asking on would open the dialog again that somebody has just closed.
      if (error instanceof ApiFailure && error.status === 401) return;
    }
    if (!abort.signal.aborted) timer = setTimeout(() => void poll(), periodMs);
  };
  void poll();
  return () => {
    abort.abort();
    clearTimeout(timer);
  };
}
