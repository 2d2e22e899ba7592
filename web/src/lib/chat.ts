// From a path of messages to a request, and from the stream of its answer to updates.

import { ApiFailure, request } from './api';
import { withAttachments } from './attachments';
import { parsePrefill, SseParser, type Prefill } from './sse';
import type { AnswerStats, Node, Settings, ToolCall } from './types';

type Json = Record<string, any>;

// The messages of the request, in OpenAI's shape.
export function requestMessages(path: Node[], system: string): Json[] {
  const messages: Json[] = [];
  if (system.trim()) messages.push({ role: 'system', content: system });
  for (const node of path) {
    if (node.role === 'user') {
      messages.push({ role: 'user', content: withAttachments(node.content, node.attachments ?? []) });
    } else if (node.role === 'tool') {
      for (const result of node.toolResults ?? []) {
        messages.push({ role: 'tool', tool_call_id: result.id, content: result.content });
      }
    } else {
      const message: Json = { role: 'assistant', content: node.content };
      if (node.reasoning) message.reasoning_content = node.reasoning;
      if (node.toolCalls?.length) {
        message.tool_calls = node.toolCalls.map((call) => ({
          id: call.id,
          type: 'function',
          function: { name: call.name, arguments: call.arguments },
        }));
      }
      messages.push(message);
    }
  }
  return messages;
}

export function requestBody(path: Node[], settings: Settings, model: string): Json {
  const body: Json = {
    model,
    messages: requestMessages(path, settings.system),
    stream: true,
    stream_options: { include_usage: true },
  };
  if (settings.effort === 'off') body.thinking = { type: 'disabled' };
  else if (settings.effort !== 'default') {
    body.thinking = { type: 'enabled' };
    body.reasoning_effort = settings.effort;
  }
  if (settings.temperature !== null) body.temperature = settings.temperature;
  if (settings.topP !== null) body.top_p = settings.topP;
  if (settings.maxTokens !== null) body.max_tokens = settings.maxTokens;
  if (settings.seed !== null) body.seed = settings.seed;
  const tools = parseTools(settings.tools);
  if (tools.length) body.tools = tools;
  return body;
}

// The tools that the settings' text describes; throws an Error with a sentence for the user.
export function parseTools(text: string): Json[] {
  if (!text.trim()) return [];
  let tools: unknown;
  try {
    tools = JSON.parse(text);
  } catch (error) {
    throw new Error(`The tools are not JSON: ${(error as Error).message}.`);
  }
  if (!Array.isArray(tools)) throw new Error('The tools are not a list: they have to begin with “[”.');
  return tools.map((tool, index) => {
    // A bare function is what people paste from other protocols.
    const wrapped = tool?.type === 'function' ? tool : { type: 'function', function: tool };
    if (typeof wrapped.function?.name !== 'string') throw new Error(`Tool ${index + 1} has no “name”.`);
    return wrapped;
  });
}

// An answer as far as it has come.
export interface Answer {
  content: string;
  reasoning: string;
  toolCalls: ToolCall[];
  finish: string | null;
  model: string | null;
  usage: Json | null;
  timings: Json | null;
}

export function emptyAnswer(): Answer {
  return { content: '', reasoning: '', toolCalls: [], finish: null, model: null, usage: null, timings: null };
}

// Adds one frame of the stream; throws if it is an error.
export function applyFrame(answer: Answer, frame: Json): void {
  if (frame.error) throw new ApiFailure(String(frame.error.message ?? 'The server ended the answer.'), 500);
  if (typeof frame.model === 'string') answer.model = frame.model;
  if (frame.usage) answer.usage = frame.usage;
  if (frame.timings) answer.timings = frame.timings;
  const choice = frame.choices?.[0];
  if (!choice) return;
  const delta = choice.delta ?? {};
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (typeof reasoning === 'string') answer.reasoning += reasoning;
  if (typeof delta.content === 'string') answer.content += delta.content;
  for (const piece of delta.tool_calls ?? []) {
    const index = Number(piece.index ?? 0);
    if (!Number.isInteger(index) || index < 0 || index > answer.toolCalls.length) continue;
    const call = (answer.toolCalls[index] ??= { id: '', name: '', arguments: '' });
    if (piece.id) call.id = piece.id;
    if (piece.function?.name) call.name += piece.function.name;
    if (typeof piece.function?.arguments === 'string') call.arguments += piece.function.arguments;
  }
  if (choice.finish_reason) answer.finish = choice.finish_reason;
}

export interface Listener {
  onAnswer(answer: Answer): void; // more of it; the object is the same one every time
  onPrefill(prefill: Prefill): void;
}

// Resolves with the whole answer. Rejects with ApiFailure, or AbortError after `signal`.
export async function streamAnswer(body: Json, listener: Listener, signal: AbortSignal): Promise<Answer> {
  const response = await request('/v1/chat/completions', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
    body: JSON.stringify(body),
    signal,
  });
  const reader = response.body?.getReader();
  if (!reader) throw new ApiFailure('The server sent an empty answer.', response.status);
  const parser = new SseParser();
  const answer = emptyAnswer();
  for (;;) {
    let chunk: ReadableStreamReadResult<Uint8Array>;
    try {
      chunk = await reader.read();
    } catch (error) {
      if (signal.aborted) throw error;
      throw new ApiFailure('The connection was lost in the middle of the answer.', 0);
    }
    if (chunk.done) break;
    for (const event of parser.push(chunk.value)) {
      if (event.kind === 'comment') {
        const prefill = parsePrefill(event.text);
        if (prefill) listener.onPrefill(prefill);
      } else if (event.data === '[DONE]') {
        listener.onAnswer(answer);
        return answer;
      } else {
        applyFrame(answer, JSON.parse(event.data));
      }
    }
    listener.onAnswer(answer);
  }
  if (answer.finish === null) throw new ApiFailure('The connection ended in the middle of the answer.', 0);
  return answer;
}

export interface Clock {
  start: number;
  firstToken: number | null;
  firstContent: number | null;
  end: number;
}

const numberOr = <T>(value: unknown, otherwise: T): number | T =>
  typeof value === 'number' && Number.isFinite(value) ? value : otherwise;

// What the answer cost: the server's numbers where it gives them, otherwise the clock's.
export function statsOf(answer: Answer, clock: Clock): AnswerStats {
  const usage = answer.usage ?? {};
  const timings = answer.timings ?? {};
  const completionTokens = numberOr(usage.completion_tokens, numberOr(timings.predicted_n, 0));
  const cachedTokens = numberOr(
    usage.prompt_tokens_details?.cached_tokens,
    numberOr(usage.prompt_cache_hit_tokens, numberOr(timings.cache_n, 0)),
  );
  const decodeMs = clock.firstToken === null ? 0 : clock.end - clock.firstToken;
  const measured = completionTokens > 1 && decodeMs > 0 ? ((completionTokens - 1) * 1000) / decodeMs : null;
  return {
    promptTokens: numberOr(usage.prompt_tokens, numberOr(timings.prompt_n, 0)),
    cachedTokens,
    completionTokens,
    reasoningTokens: numberOr(usage.completion_tokens_details?.reasoning_tokens, 0),
    promptPerSecond: numberOr(timings.prompt_per_second, null),
    tokensPerSecond: numberOr(timings.predicted_per_second, measured),
    firstTokenMs: clock.firstToken === null ? null : clock.firstToken - clock.start,
    totalMs: clock.end - clock.start,
    thinkingMs:
      answer.reasoning && clock.firstToken !== null ? (clock.firstContent ?? clock.end) - clock.firstToken : null,
  };
}
