// The official @anthropic-ai/sdk package against `fathom serve`.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import {startServer, tools, until} from './server.mjs';

let server, client;
before(async () => {
  server = await startServer();
  client = new Anthropic({baseURL: server.url, apiKey: 'unused', maxRetries: 0});
});
after(async () => assert.equal(await server.stop(), 0));

const functions = Object.entries(tools).map(
    ([name, tool]) => ({name, description: tool.description, input_schema: tool.parameters}));
const ask = (content) => [{role: 'user', content}];
const base = {model: 'claude-sonnet-4-5', max_tokens: 400, temperature: 0};
const off = {thinking: {type: 'disabled'}};
const textOf = (message) => message.content.filter((block) => block.type === 'text').map((block) => block.text).join('');

test('models are listed', async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model);
  assert.equal(models[0].id, 'nano');
  assert.equal(models[0].type, 'model');
  for (const baseURL of [server.url, `${server.url}/anthropic`]) {
    const at = new Anthropic({baseURL, apiKey: 'unused', maxRetries: 0});
    for (const id of ['claude-sonnet-4-5', 'deepseek-ai/DeepSeek-V4-Flash']) {
      const model = await at.models.retrieve(id);
      assert.deepEqual([model.type, model.id], ['model', id]);
    }
  }
});

test('plain answer', async () => {
  const message = await client.messages.create({...base, ...off, messages: ask('Hello!')});
  assert.equal(textOf(message), 'Hello! How can I help you?');
  assert.equal(message.stop_reason, 'end_turn');
  assert.ok(message.usage.input_tokens + message.usage.cache_read_input_tokens > 0);
  assert.match(message._request_id, /^req-/);
});

test('streamed answer with thinking', async () => {
  const stream = client.messages.stream(
      {...base, thinking: {type: 'enabled', budget_tokens: 1024}, messages: ask('What is 347 + 285?')});
  let text = '', thinking = '';
  stream.on('text', (delta) => (text += delta));
  stream.on('thinking', (delta) => (thinking += delta));
  const message = await stream.finalMessage();
  assert.match(text, /632/);
  assert.ok(thinking.length > 0);
  const block = message.content.find((b) => b.type === 'thinking');
  assert.equal(block.thinking, thinking);
  assert.ok(block.signature.length > 0);
  assert.equal(textOf(message), text);
  assert.equal(message.stop_reason, 'end_turn');
});

test('tool call over several turns', async () => {
  const messages = ask('What is 47 * 19?');
  const first = await client.messages.create({...base, messages, tools: functions});
  assert.equal(first.stop_reason, 'tool_use');
  const call = first.content.find((block) => block.type === 'tool_use');
  assert.equal(call.name, 'calculator');
  assert.equal(call.input.expression, '47 * 19');
  const second = await client.messages.create({
    ...base,
    tools: functions,
    messages: [
      ...messages,
      {role: 'assistant', content: first.content},
      {role: 'user', content: [{type: 'tool_result', tool_use_id: call.id, content: '893'}]},
    ],
  });
  assert.match(textOf(second), /893/);
  assert.ok(second.usage.cache_read_input_tokens > 0);
});

test('tool call streamed', async () => {
  const stream = client.messages.stream({...base, messages: ask('What time is it in Tokyo?'), tools: functions});
  let json = '';
  stream.on('inputJson', (delta) => (json += delta));
  const message = await stream.finalMessage();
  const call = message.content.find((block) => block.type === 'tool_use');
  assert.equal(call.name, 'get_time');
  assert.deepEqual(call.input, {timezone: 'Tokyo'});
  assert.deepEqual(JSON.parse(json), call.input);
});

test('any and named tools are called whatever was asked', async () => {
  // A small model that has nothing to ask for may write on in a string without a bound.
  const bound = ({properties, ...schema}) => ({
    ...schema,
    properties: Object.fromEntries(Object.entries(properties).map(([name, kind]) => [name, {...kind, maxLength: 20}])),
  });
  const bounded = functions.map((tool) => ({...tool, input_schema: bound(tool.input_schema)}));
  for (const tool_choice of [{type: 'any'}, {type: 'tool', name: 'get_time', disable_parallel_tool_use: true}]) {
    const message = await client.messages.create({...base, ...off, messages: ask('Hello!'), tools: bounded, tool_choice});
    assert.equal(message.stop_reason, 'tool_use');
    const calls = message.content.filter((block) => block.type === 'tool_use');
    assert.ok(calls.length >= 1);
    if (tool_choice.type === 'tool') assert.deepEqual(calls.map((call) => call.name), ['get_time']);
  }
});

test('results of parallel calls are accepted in one turn', async () => {
  const call = (id, timezone) => ({type: 'tool_use', id, name: 'get_time', input: {timezone}});
  const result = (tool_use_id, content) => ({type: 'tool_result', tool_use_id, content});
  const message = await client.messages.create({
    ...base,
    ...off,
    tools: functions,
    messages: [
      ...ask('What time is it in Tokyo and in Paris?'),
      {role: 'assistant', content: [call('toolu_a', 'Tokyo'), call('toolu_b', 'Paris')]},
      {role: 'user', content: [result('toolu_a', '08:05'), result('toolu_b', '00:05')]},
    ],
  });
  assert.ok(message.content.length > 0);
});

test('tokens are counted as they are used', async () => {
  const counted = await client.messages.countTokens({model: base.model, ...off, messages: ask('Hello!'), system: 'Be kind.'});
  const message = await client.messages.create({...base, ...off, messages: ask('Hello!'), system: 'Be kind.'});
  assert.equal(counted.input_tokens, message.usage.input_tokens + message.usage.cache_read_input_tokens);
});

test('stop sequences and limits', async () => {
  const stopped = await client.messages.create({...base, ...off, messages: ask('Hello!'), stop_sequences: ['How']});
  assert.equal(stopped.stop_reason, 'stop_sequence');
  assert.equal(stopped.stop_sequence, 'How');
  const cut = await client.messages.create({...base, ...off, messages: ask('Hello!'), max_tokens: 2});
  assert.equal(cut.stop_reason, 'max_tokens');
});

test('a body over the limit is a typed error', async () => {
  const small = await startServer('--max-body', '4096');
  try {
    const limited = new Anthropic({baseURL: small.url, apiKey: 'unused', maxRetries: 0});
    await assert.rejects(limited.messages.create({...base, messages: ask('word '.repeat(1000))}),
                         (error) => error.status === 413 && error.error.error.type === 'request_too_large' &&
                             /^req-/.test(error.requestID));
  } finally {
    await small.stop();
  }
});

test('errors have types', async () => {
  await assert.rejects(client.messages.create({...base, messages: []}), Anthropic.BadRequestError);
  await assert.rejects(client.messages.create({...base, messages: ask('word '.repeat(20000))}),
                       (error) => error.status === 400 && error.error.error.message.startsWith('prompt is too long'));
});

test('an aborted stream frees its place', async () => {
  const stream = client.messages.stream({...base, messages: ask('Hello!'), max_tokens: 4000, temperature: 1});
  const failed = assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
  await new Promise((resolve) => stream.once('connect', resolve));
  stream.abort();
  await failed;
  await until(async () => (await server.running()) === 0);
});
