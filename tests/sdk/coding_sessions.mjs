// Sessions of coding clients, played from tests/cases/*_session.json: requests in the client's own shape, the server's
// answers fed back as the client does it, tool results from the case.
import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const cases = join(dirname(fileURLToPath(import.meta.url)), '..', 'cases');
export const readCase = (name) => JSON.parse(readFileSync(join(cases, `${name}.json`), 'utf8'));

// A text of a case: a string, or lines with repeated ones.
export function textOf(lines) {
  if (typeof lines === 'string') return lines;
  const line = (part) => typeof part === 'string' ?
      [part] :
      part.repeat.flatMap((word) => part.each.map((text) => text.replaceAll('#', () => word)));
  return lines.flatMap(line).join('\n');
}

// What a session's request was: {prompt, cached, output, answer}; the answer without ids, which are random.
const record = (prompt, cached, output, answer) => ({prompt, cached, output, answer});

// ---- Claude Code

export class ClaudeCode {
  constructor(session, name = 'one') {
    this.session = session;
    this.messages = [];
    this.requests = 0;
    this.userId = session.user_id.replace('SESSION', name);
  }

  connect(url) {
    this.client = new Anthropic(
        {baseURL: url, apiKey: null, authToken: 'unused', maxRetries: 0, defaultHeaders: this.session.headers});
  }

  // The first block changes with every request: a hash of it.
  system(blocks) {
    const hash = (++this.requests * 0x9e3779b1 >>> 0).toString(16);
    const mark = {cache_control: {type: 'ephemeral'}};
    return [
      {type: 'text', text: this.session.volatile_header.replaceAll('HASH', hash)},
      ...blocks.map((lines, index) => ({type: 'text', text: textOf(lines), ...(index < 2 ? mark : {})})),
    ];
  }

  // The last block of the last two messages is marked, and only in the request.
  marked() {
    const messages = structuredClone(this.messages);
    for (const message of messages.slice(-2)) {
      const last = message.content.at(-1);
      if (last.type !== 'thinking') last.cache_control = {type: 'ephemeral'};
    }
    return messages;
  }

  body() {
    const {session} = this;
    return {
      model: session.model,
      max_tokens: session.max_tokens,
      system: this.system(session.system),
      messages: this.marked(),
      tools: session.tools,
      thinking: session.thinking,
      metadata: {user_id: this.userId},
      temperature: 0,
    };
  }

  async ask(choice) {
    const body = this.body();
    const counted = await this.client.beta.messages.countTokens(
        {model: body.model, system: body.system, messages: body.messages, tools: body.tools, thinking: body.thinking});
    const stream = this.client.beta.messages.stream({...body, ...choice});
    const message = await stream.finalMessage();
    const {usage} = message;
    const prompt = usage.input_tokens + usage.cache_read_input_tokens;
    this.messages.push({role: 'assistant', content: message.content.map(({type, thinking, signature, text, id, name, input}) =>
      type === 'thinking' ? {type, thinking, signature} : type === 'text' ? {type, text} : {type, id, name, input})});
    const answer = message.content.map(({thinking, text, name, input}) => thinking ?? text ?? {name, input});
    return {
      calls: message.content.filter((block) => block.type === 'tool_use'),
      counted: counted.input_tokens,
      stop: message.stop_reason,
      ...record(prompt, usage.cache_read_input_tokens, usage.output_tokens, answer),
    };
  }

  // The turn's requests: the question, and one more with the results if tools were called.
  async play(turn) {
    const text = (lines) => ({type: 'text', text: textOf(lines)});
    const content = [text(turn.user)];
    if (this.messages.length === 0) content.unshift(text(this.session.context));
    if (turn.reminder) content.push(text(this.session.reminder));
    this.messages.push({role: 'user', content});
    const choice = turn.tool ? {tool_choice: {type: 'tool', name: turn.tool, disable_parallel_tool_use: true}} : {};
    const first = await this.ask(choice);
    if (first.calls.length === 0) return [first];
    this.messages.push({
      role: 'user',
      content: first.calls.map((call) => ({
        tool_use_id: call.id,
        type: 'tool_result',
        content: textOf(turn.result ?? 'Not found'),
        ...(turn.is_error ? {is_error: true} : {}),
      })),
    });
    return [first, await this.ask({tool_choice: {type: 'none'}})];
  }

  // A request beside the session: the title of it, by a small model.
  async title(user) {
    const {session} = this;
    return this.client.beta.messages.stream({
      model: session.small_model,
      max_tokens: 32,
      system: this.system(session.side_system),
      messages: [{role: 'user', content: user}],
      metadata: {user_id: this.userId},
      thinking: {type: 'disabled'},
      temperature: 0,
    }).finalMessage();
  }
}

// ---- Codex

const message = (role, text) => ({type: 'message', role, content: [{type: 'input_text', text}]});

// What Codex keeps of an output item: no ids, no plain text of the reasoning.
function kept(item) {
  switch (item.type) {
    case 'reasoning':
      return {type: item.type, summary: item.summary, encrypted_content: item.encrypted_content ?? null};
    case 'message':
      return {type: item.type, role: item.role, content: item.content.map(({text}) => ({type: 'output_text', text}))};
    case 'function_call':
      return {type: item.type, name: item.name, arguments: item.arguments, call_id: item.call_id};
    default:
      return {type: item.type, status: item.status, call_id: item.call_id, name: item.name, input: item.input};
  }
}

export class Codex {
  constructor(session, name = 'one') {
    this.session = session;
    this.name = name;
    this.input = [
      message('developer', textOf(session.developer)),
      ...session.context.map((lines) => message('user', textOf(lines))),
    ];
  }

  connect(url) {
    this.client = new OpenAI({
      baseURL: `${url}/v1`,
      apiKey: 'unused',
      maxRetries: 0,
      defaultHeaders: {...this.session.headers, session_id: this.name},
    });
  }

  async ask(choice) {
    const {session} = this;
    const stream = await this.client.responses.create({
      model: session.model,
      instructions: textOf(session.instructions),
      input: this.input,
      tools: session.tools,
      tool_choice: 'auto',
      parallel_tool_calls: false,
      reasoning: session.reasoning,
      store: false,
      stream: true,
      include: ['reasoning.encrypted_content'],
      prompt_cache_key: this.name,
      max_output_tokens: session.max_output_tokens,
      temperature: 0,
      ...choice,
    });
    const items = [];
    let response = null;
    for await (const event of stream) {
      if (event.type === 'response.output_item.done') items.push(event.item);
      if (['response.completed', 'response.incomplete'].includes(event.type)) response = event.response;
    }
    const {usage} = response;
    this.input.push(...items.map(kept));
    const answer = items.map(({type, content, name, input, arguments: json}) =>
      content ? [type, ...content.map((part) => part.text)] : {name, input: input ?? json});
    return {
      calls: items.filter((item) => item.call_id),
      stop: response.status,
      ...record(usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens, answer),
    };
  }

  async play(turn) {
    this.input.push(message('user', textOf(turn.user)));
    const custom = this.session.tools.some((tool) => tool.name === turn.tool && tool.type === 'custom');
    const choice = turn.tool ? {tool_choice: {type: custom ? 'custom' : 'function', name: turn.tool}} : {};
    const first = await this.ask(choice);
    if (first.calls.length === 0) return [first];
    for (const call of first.calls) {
      this.input.push(
          {type: `${call.type}_output`, call_id: call.call_id, output: textOf(turn.result ?? 'unsupported call')});
    }
    return [first, await this.ask({tool_choice: 'none'})];
  }
}
