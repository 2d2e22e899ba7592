// 200 clients that stream answers all the time.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {chatAnswer, post} from './client.mjs';
import {Server, long, mb, nano, nothingLeft, shares} from './server.mjs';

const kClients = 200;
const seconds = long ? 120 : 8;

// Greedy, so that equal prompts have equal answers; every few are asked often.
function request(number) {
  const prompt = number % 40;
  return {
    messages: [{role: 'user', content: `Count from ${prompt + 1} to ${prompt + 60} and say what you think of it.`}],
    stream: true,
    stream_options: {include_usage: true},
    temperature: 0,
    max_tokens: 60 + 5 * prompt,
  };
}

test('200 clients stream answers: all end well, equal prompts are answered alike, memory is bounded', async (t) => {
  const server = await Server.start(nano, '--max-sequences', String(kClients), '--cache-ram', '2GB');
  const known = new Map();  // prompt -> its answer
  let answers = 0;
  const check = (number, raw) => {
    const {text, reasoning, finish, usage} = chatAnswer(raw);
    const {max_tokens, messages} = request(number);
    assert.ok(['stop', 'length'].includes(finish), finish);
    assert.ok(usage.completion_tokens > 0 && usage.completion_tokens <= max_tokens);
    if (finish === 'length') assert.equal(usage.completion_tokens, max_tokens);
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    const said = JSON.stringify([text, reasoning, finish, usage.prompt_tokens, usage.completion_tokens]);
    const key = messages[0].content;
    if (!known.has(key)) known.set(key, said);
    assert.equal(said, known.get(key));
    ++answers;
  };
  const before = await server.engine();
  const began = Date.now();
  const cpu = server.cpuSeconds();
  let warm = 0;  // bytes after half the time
  const client = async (number) => {
    for (let turn = 0; Date.now() - began < 1000 * seconds; ++turn) {
      const which = number + 7 * turn;
      check(which, await post(server.port, '/v1/chat/completions', request(which)));
      if (warm === 0 && Date.now() - began > 500 * seconds) warm = server.memory().now;
    }
  };
  await Promise.all(Array.from({length: kClients}, (_, number) => client(number)));
  const after = await server.engine();
  const {now, most} = server.memory();
  t.diagnostic(`${answers} answers; ${shares(before, after)}`);
  t.diagnostic(
    `CPU of the server ${(server.cpuSeconds() - cpu).toFixed(1)} s; ` +
      `resident ${mb(warm)} at half time, ${mb(now)} at the end, ${mb(most)} at most`,
  );
  assert.ok(answers >= kClients);
  // What is kept of finished answers stays below --cache-ram; beside it are the weights and what requests need.
  assert.ok(most < 2.4e9, mb(most));
  if (long) assert.ok(now < 1.1 * warm + 50e6, `${mb(warm)} -> ${mb(now)}`);
  assert.deepEqual(await server.settle(), nothingLeft);
  assert.equal(await server.stop(), 0);
});
