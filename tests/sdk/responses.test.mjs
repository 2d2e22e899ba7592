// Stored responses and reasoning of the Responses API with the official openai package.
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import OpenAI from 'openai';
import {startServer, tools} from './server.mjs';

let server, client;
const directory = mkdtempSync(join(tmpdir(), 'fathom-responses-'));
const connect = async (...options) => {
  server = await startServer('--cache-dir', directory, ...options);
  client = new OpenAI({baseURL: `${server.url}/v1`, apiKey: 'unused', maxRetries: 0});
};
before(() => connect());
after(async () => {
  assert.equal(await server.stop(), 0);
  rmSync(directory, {recursive: true, force: true});
});

const base = {model: 'nano', temperature: 0, max_output_tokens: 400};
const flat = Object.entries(tools).map(([name, tool]) => ({type: 'function', name, ...tool, strict: false}));

test('a conversation goes on by the id of its last response', async () => {
  const first = await client.responses.create({...base, input: 'What is 47 * 19?', tools: flat});
  assert.equal(first.store, true);
  const call = first.output.find((item) => item.type === 'function_call');
  const output = {type: 'function_call_output', call_id: call.call_id, output: '893'};
  const second = await client.responses.create(
      {...base, tools: flat, previous_response_id: first.id, input: [output]});
  assert.match(second.output_text, /893/);
  assert.equal(second.previous_response_id, first.id);
  assert.ok(second.usage.input_tokens_details.cached_tokens > 0);
  const third = await client.responses.create(
      {...base, tools: flat, previous_response_id: second.id, input: 'Thank you!', stream: true});
  let last = null;
  for await (const event of third) last = event;
  assert.equal(last.type, 'response.completed');

  const retrieved = await client.responses.retrieve(last.response.id);
  assert.deepEqual(retrieved.output, last.response.output);
  const items = [];
  for await (const item of client.responses.inputItems.list(last.response.id, {order: 'asc', limit: 2})) items.push(item);
  assert.deepEqual(items.filter((item) => item.type !== 'reasoning').map((item) => item.type),
                   ['message', 'function_call', 'function_call_output', 'message', 'message']);
  assert.equal(new Set(items.map((item) => item.id)).size, items.length);

  // Deleted parts are not found, and the conversation goes on.
  await client.responses.delete(first.id);
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
  await assert.rejects(client.responses.create({...base, input: 'x', previous_response_id: first.id}),
                       (error) => error.status === 400 && error.code === 'previous_response_not_found' &&
                           error.param === 'previous_response_id');
  const fourth = await client.responses.create({...base, previous_response_id: second.id, input: 'Hello!'});
  assert.ok(fourth.output_text);
});

test('stored responses outlive a restart', async () => {
  const kept = await client.responses.create({...base, input: 'Hello!'});
  const dropped = await client.responses.create({...base, input: 'Hello!', store: false});
  assert.equal(await server.stop(), 0);
  await connect();
  assert.deepEqual((await client.responses.retrieve(kept.id)).output, kept.output);
  await assert.rejects(client.responses.retrieve(dropped.id), OpenAI.NotFoundError);
  const next = await client.responses.create({...base, previous_response_id: kept.id, input: 'What is 2 + 3?'});
  assert.ok(next.usage.input_tokens > kept.usage.input_tokens);
});

test('items are referred to by their ids', async () => {
  const first = await client.responses.create({...base, input: 'Hello!'});
  const question = {role: 'user', content: 'And 2 + 3?'};
  const whole = await client.responses.create(
      {...base, input: [{role: 'user', content: 'Hello!'}, ...first.output, question]});
  const referred = await client.responses.create({
    ...base,
    input: [{role: 'user', content: 'Hello!'}, ...first.output.map(({id}) => ({type: 'item_reference', id})), question],
  });
  assert.equal(referred.usage.input_tokens, whole.usage.input_tokens);
  assert.equal(referred.output_text, whole.output_text);
});

test('reasoning summaries in the order that the package accumulates', async () => {
  const stream = client.responses.stream({...base, input: 'What is 347 + 285?', reasoning: {effort: 'high', summary: 'auto'}});
  const types = [];
  for await (const event of stream) types.push(event.type);
  const final = await stream.finalResponse();
  const reasoning = final.output[0];
  assert.equal(reasoning.type, 'reasoning');
  assert.ok(reasoning.summary[0].text.length > 0);
  const places = ['response.output_item.added', 'response.reasoning_summary_part.added',
                  'response.reasoning_summary_text.delta', 'response.reasoning_summary_text.done',
                  'response.reasoning_summary_part.done', 'response.output_item.done'].map((type) => types.indexOf(type));
  assert.deepEqual(places, [...places].sort((a, b) => a - b));
  assert.ok(places.every((place) => place >= 0));
  assert.ok(!types.includes('response.reasoning_text.delta'));
  // Without a summary the text itself is streamed.
  const plain = client.responses.stream({...base, input: 'What is 347 + 285?', reasoning: {effort: 'high'}});
  const answer = await plain.finalResponse();
  assert.equal(answer.output[0].content[0].text, reasoning.summary[0].text);
});

test('reasoning goes through the client sealed', async () => {
  const stateless = {...base, tools: flat, store: false, include: ['reasoning.encrypted_content']};
  const first = await client.responses.create({...stateless, input: 'What is 47 * 19?'});
  const reasoning = first.output.find((item) => item.type === 'reasoning');
  const call = first.output.find((item) => item.type === 'function_call');
  assert.match(reasoning.encrypted_content, /^[\w-]+$/);
  const send = (sealed) => client.responses.create({
    ...stateless,
    input: [
      {role: 'user', content: 'What is 47 * 19?'},
      {type: 'reasoning', id: reasoning.id, summary: [], encrypted_content: sealed},
      call,
      {type: 'function_call_output', call_id: call.call_id, output: '893'},
    ],
  });
  const second = await send(reasoning.encrypted_content);
  assert.match(second.output_text, /893/);
  await assert.rejects(send(reasoning.encrypted_content.slice(0, -2)),
                       (error) => error.status === 400 && /input\[1\]\.encrypted_content/.test(error.message));
});

test('logprobs of the text where they are included', async () => {
  const asked = {...base, input: 'What is 347 + 285?', reasoning: {effort: 'high'},
                 include: ['message.output_text.logprobs'], top_logprobs: 2};
  const whole = await client.responses.create(asked);
  const text = whole.output.at(-1).content[0];
  assert.equal(whole.output[0].type, 'reasoning');
  assert.equal(text.logprobs.map(({token}) => token).join(''), text.text);
  assert.ok(text.logprobs.every(({logprob, top_logprobs}) => logprob <= 0 && top_logprobs.length === 2));
  assert.equal(whole.top_logprobs, 2);

  const streamed = [];
  let done;
  for await (const event of await client.responses.create({...asked, stream: true})) {
    if (event.type === 'response.output_text.delta') streamed.push(...event.logprobs);
    if (event.type === 'response.output_text.done') done = event.logprobs;
  }
  assert.deepEqual(streamed, text.logprobs);
  assert.deepEqual(done, text.logprobs);

  const plain = await client.responses.create({...asked, include: []});
  assert.deepEqual(plain.output.at(-1).content[0].logprobs, []);
  await assert.rejects(client.responses.create({...asked, top_logprobs: 21}),
                       (error) => error.status === 400 && error.param === 'top_logprobs');
});

test('what is not there says so', async () => {
  const kept = await client.responses.create({...base, input: 'Hello!'});
  await assert.rejects(client.responses.cancel(kept.id), (error) => error.status === 400 && /background/.test(error.message));
  await assert.rejects(client.responses.create({...base, input: 'x', background: true}), OpenAI.BadRequestError);
  await assert.rejects(client.responses.retrieve('resp_none'), OpenAI.NotFoundError);
  await assert.rejects(client.responses.inputItems.list('resp_none'), OpenAI.NotFoundError);
  const counted = await client.responses.inputTokens.count({model: 'nano', input: 'Hello!'});
  assert.equal(counted.input_tokens, kept.usage.input_tokens);
});

test('a server that stores nothing answers as before', async () => {
  const other = await startServer('--response-bytes', '0');
  try {
    const stranger = new OpenAI({baseURL: `${other.url}/v1`, apiKey: 'unused', maxRetries: 0});
    const answer = await stranger.responses.create({...base, input: 'Hello!'});
    assert.equal(answer.store, false);
    await assert.rejects(stranger.responses.create({...base, input: 'x', previous_response_id: answer.id}),
                         (error) => error.code === 'previous_response_not_found');
  } finally {
    await other.stop();
  }
});
