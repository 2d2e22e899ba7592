// The official openai package against `fathom serve`.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import OpenAI from 'openai';
import {personSchema, startServer, tools, until} from './server.mjs';

let server, client;
before(async () => {
  server = await startServer();
  client = new OpenAI({baseURL: `${server.url}/v1`, apiKey: 'unused', maxRetries: 0});
});
after(async () => assert.equal(await server.stop(), 0));

const functions = Object.entries(tools).map(([name, tool]) => ({type: 'function', function: {name, ...tool}}));
const ask = (content) => [{role: 'user', content}];
const base = {model: 'nano', temperature: 0, max_tokens: 400};

test('models are listed with their context', async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model);
  assert.equal(models[0].id, 'nano');
  assert.equal(models[0].max_model_len, 8192);
  for (const id of ['nano', 'deepseek-ai/DeepSeek-V4-Flash']) assert.equal((await client.models.retrieve(id)).id, id);
});

test('plain answer', async () => {
  const answer = await client.chat.completions.create({...base, messages: ask('Hello!')});
  assert.equal(answer.choices[0].message.content, 'Hello! How can I help you?');
  assert.equal(answer.choices[0].finish_reason, 'stop');
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test('streamed answer equals the plain one and ends with usage', async () => {
  const plain = await client.chat.completions.create({...base, messages: ask('What is 347 + 285?')});
  const stream = await client.chat.completions.create(
      {...base, messages: ask('What is 347 + 285?'), stream: true, stream_options: {include_usage: true}});
  let content = '', reasoning = '', usage = null, finish = null;
  for await (const chunk of stream) {
    const choice = chunk.choices[0];
    content += choice?.delta.content ?? '';
    reasoning += choice?.delta.reasoning_content ?? '';
    finish = choice?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.match(content, /632/);
  assert.equal(content, plain.choices[0].message.content);
  assert.equal(reasoning, plain.choices[0].message.reasoning_content);
  assert.equal(finish, 'stop');
  assert.equal(usage.completion_tokens, plain.usage.completion_tokens);
});

test('reasoning can be switched off', async () => {
  const answer = await client.chat.completions.create(
      {...base, messages: ask('Hello!'), thinking: {type: 'disabled'}});
  assert.ok(!answer.choices[0].message.reasoning_content);
  const thought = await client.chat.completions.create({...base, messages: ask('Hello!'), reasoning_effort: 'high'});
  assert.ok(thought.choices[0].message.reasoning_content);
  assert.ok(thought.usage.completion_tokens_details.reasoning_tokens > 0);
});

test('tool call over several turns', async () => {
  const messages = ask('What is 47 * 19?');
  const first = await client.chat.completions.create({...base, messages, tools: functions});
  assert.equal(first.choices[0].finish_reason, 'tool_calls');
  const call = first.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, 'calculator');
  assert.equal(JSON.parse(call.function.arguments).expression, '47 * 19');
  const second = await client.chat.completions.create({
    ...base,
    tools: functions,
    messages: [...messages, first.choices[0].message, {role: 'tool', tool_call_id: call.id, content: '893'}],
  });
  assert.match(second.choices[0].message.content, /893/);
  assert.ok(second.usage.prompt_tokens_details.cached_tokens > 0);
});

test('tool call streamed', async () => {
  const stream = client.chat.completions.stream(
      {...base, messages: ask('What time is it in Tokyo?'), tools: functions});
  const message = await stream.finalMessage();
  assert.equal(message.tool_calls[0].function.name, 'get_time');
  assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), {timezone: 'Tokyo'});
});

test('required and named tools are called whatever was asked', async () => {
  const required = await client.chat.completions.create(
      {...base, messages: ask('Hello!'), tools: functions, tool_choice: 'required', thinking: {type: 'disabled'}});
  assert.ok(required.choices[0].message.tool_calls.length >= 1);
  const named = await client.chat.completions.create({
    ...base,
    messages: ask('Hello!'),
    tools: functions,
    tool_choice: {type: 'function', function: {name: 'get_time'}},
    parallel_tool_calls: false,
    thinking: {type: 'disabled'},
  });
  assert.deepEqual(named.choices[0].message.tool_calls.map((call) => call.function.name), ['get_time']);
  JSON.parse(named.choices[0].message.tool_calls[0].function.arguments);
  const none = await client.chat.completions.create(
      {...base, messages: ask('What is 47 * 19?'), tools: functions, tool_choice: 'none'});
  assert.ok(!none.choices[0].message.tool_calls?.length);
});

test('only allowed tools are called', async () => {
  const allowed = {mode: 'required', tools: [{type: 'function', function: {name: 'get_time'}}]};
  const answer = await client.chat.completions.create({
    ...base,
    messages: ask('What is 47 * 19?'),
    tools: functions,
    tool_choice: {type: 'allowed_tools', allowed_tools: allowed},
    parallel_tool_calls: false,
    thinking: {type: 'disabled'},
  });
  assert.deepEqual(answer.choices[0].message.tool_calls.map((call) => call.function.name), ['get_time']);
});

test('the assistant may have refused', async () => {
  const conversation = (content) =>
      [...ask('Tell me a secret.'), {role: 'assistant', content}, ...ask('Hello!')];
  const part = await client.chat.completions.create(
      {...base, max_tokens: 20, messages: conversation([{type: 'refusal', refusal: 'No.'}])});
  const text = await client.chat.completions.create({...base, max_tokens: 20, messages: conversation('No.')});
  assert.equal(part.usage.prompt_tokens, text.usage.prompt_tokens);
  assert.deepEqual(part.choices[0].message, text.choices[0].message);
});

test('results of parallel calls are accepted in one turn', async () => {
  const call = (id, timezone) => ({id, type: 'function', function: {name: 'get_time', arguments: JSON.stringify({timezone})}});
  const answer = await client.chat.completions.create({
    ...base,
    tools: functions,
    messages: [
      ...ask('What time is it in Tokyo and in Paris?'),
      {role: 'assistant', content: null, tool_calls: [call('call_a', 'Tokyo'), call('call_b', 'Paris')]},
      {role: 'tool', tool_call_id: 'call_a', content: '08:05'},
      {role: 'tool', tool_call_id: 'call_b', content: '00:05'},
    ],
  });
  assert.ok(answer.choices[0].message.content || answer.choices[0].message.tool_calls);
});

test('JSON schema', async () => {
  const response_format = {type: 'json_schema', json_schema: {name: 'person', strict: true, schema: personSchema}};
  for (const thinking of [{type: 'disabled'}, {type: 'enabled'}]) {
    const answer = await client.chat.completions.create(
        {...base, messages: ask('Anna is 31 years old. Answer in JSON.'), response_format, thinking});
    const person = JSON.parse(answer.choices[0].message.content);
    assert.deepEqual(Object.keys(person).sort(), ['age', 'name']);
    assert.ok(Number.isInteger(person.age));
  }
});

test('several choices, seeds and logprobs', async () => {
  const parameters = {...base, temperature: 1.2, n: 3, seed: 5, max_tokens: 20, logprobs: true, top_logprobs: 2,
                      messages: ask('Hello!'), thinking: {type: 'disabled'}};
  const first = await client.chat.completions.create(parameters);
  const second = await client.chat.completions.create(parameters);
  assert.equal(first.choices.length, 3);
  assert.deepEqual(first.choices.map((c) => c.message.content), second.choices.map((c) => c.message.content));
  const token = first.choices[0].logprobs.content[0];
  assert.ok(token.logprob <= 0);
  assert.equal(token.top_logprobs.length, 2);
});

test('stop strings and limits', async () => {
  const stopped = await client.chat.completions.create({...base, messages: ask('Hello!'), stop: ['How']});
  assert.equal(stopped.choices[0].message.content, 'Hello! ');
  assert.equal(stopped.choices[0].finish_reason, 'stop');
  const cut = await client.chat.completions.create({...base, messages: ask('Hello!'), max_tokens: 2});
  assert.equal(cut.choices[0].finish_reason, 'length');
  assert.equal(cut.usage.completion_tokens, 2);
});

test('completions, plain and streamed', async () => {
  const parameters = {model: 'nano', prompt: 'Once upon a time', temperature: 0, max_tokens: 8};
  const plain = await client.completions.create(parameters);
  let text = '';
  for await (const chunk of await client.completions.create({...parameters, stream: true})) {
    text += chunk.choices[0]?.text ?? '';
  }
  assert.equal(text, plain.choices[0].text);
});

test('responses, plain and streamed', async () => {
  const parameters = {model: 'nano', input: 'Hello!', temperature: 0, max_output_tokens: 400};
  const plain = await client.responses.create(parameters);
  assert.equal(plain.output_text, 'Hello! How can I help you?');
  let text = '', completed = null;
  for await (const event of await client.responses.create({...parameters, stream: true})) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    if (event.type === 'response.completed') completed = event.response;
  }
  assert.equal(text, plain.output_text);
  assert.equal(completed.status, 'completed');
});

test('responses: a function call and its result', async () => {
  const flat = Object.entries(tools).map(([name, tool]) => ({type: 'function', name, ...tool, strict: false}));
  const input = [{role: 'user', content: 'What is 47 * 19?'}];
  const first = await client.responses.create({model: 'nano', input, tools: flat, temperature: 0});
  const call = first.output.find((item) => item.type === 'function_call');
  assert.equal(JSON.parse(call.arguments).expression, '47 * 19');
  const second = await client.responses.create({
    model: 'nano',
    temperature: 0,
    tools: flat,
    input: [...input, ...first.output, {type: 'function_call_output', call_id: call.call_id, output: '893'}],
  });
  assert.match(second.output_text, /893/);
});

test('responses: events in the order that Codex needs, with a custom tool', async () => {
  const custom = [{type: 'custom', name: 'apply_patch', description: 'Applies a patch.'}, {type: 'web_search'}];
  const stream = await client.responses.create({
    model: 'nano', input: 'Hello!', instructions: 'Be brief.', tools: custom, stream: true, store: false, temperature: 0,
    tool_choice: {type: 'custom', name: 'apply_patch'}, reasoning: {effort: 'none'}, max_output_tokens: 300,
    include: ['reasoning.encrypted_content'], prompt_cache_key: 'k',
  });
  const added = new Set(), done = [];
  let next = 0, last = null;
  for await (const event of stream) {
    assert.equal(event.sequence_number, next++);
    if (event.type === 'response.output_item.added') added.add(event.item.id);
    if (event.item_id) assert.ok(added.has(event.item_id), `${event.type} before its item`);
    if (event.type === 'response.output_item.done') done.push(event.item);
    last = event;
  }
  assert.ok(['response.completed', 'response.incomplete'].includes(last.type));
  assert.deepEqual(last.response.output, done);
  assert.equal(done[0].type, 'custom_tool_call');
  assert.equal(done[0].name, 'apply_patch');
  assert.equal(typeof done[0].input, 'string');
});

test('errors have types, codes and the field', async () => {
  await assert.rejects(client.chat.completions.create({...base, messages: ask('Hi'), top_p: 7}),
                       (error) => error instanceof OpenAI.BadRequestError && error.type === 'invalid_request_error' &&
                           /top_p/.test(error.message));
  await assert.rejects(client.chat.completions.create({...base, messages: ask('word '.repeat(20000))}),
                       (error) => error.status === 400 && error.code === 'context_length_exceeded');
  await assert.rejects(client.chat.completions.create({...base, messages: []}), OpenAI.BadRequestError);
});

test('an aborted stream frees its place', async () => {
  const stream = await client.chat.completions.create(
      {model: 'nano', messages: ask('Hello!'), stream: true, max_tokens: 4000, temperature: 1.5, logit_bias: {1: -100}});
  for await (const chunk of stream) {
    if (chunk.choices[0]) break;
  }
  stream.controller.abort();
  await until(async () => (await server.running()) === 0);
});

test('a wrong key is an authentication error', async () => {
  const {mkdtempSync, writeFileSync} = await import('node:fs');
  const file = `${mkdtempSync('/tmp/fathom-keys-')}/keys.json`;
  writeFileSync(file, '{"keys": []}');
  const locked = await startServer('--keys', file);
  try {
    const stranger = new OpenAI({baseURL: `${locked.url}/v1`, apiKey: 'wrong', maxRetries: 0});
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  } finally {
    await locked.stop();
  }
});
