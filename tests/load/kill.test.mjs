// SIGKILL again and again while conversations go on, with kept prefixes on disk: all go on as if nothing had happened.
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {test} from 'node:test';
import {chatAnswer, post} from './client.mjs';
import {Server, long, makeDirectory, nano, nothingLeft, pause, randomNumbers, removeDirectory} from './server.mjs';

const kClients = long ? 16 : 6;
const kTurns = long ? 8 : 4;
const kKills = long ? 30 : 3;

const system = 'You are a careful assistant. '.repeat(30);

function request(client, turn, history) {
  const messages = [{role: 'system', content: system}, ...history];
  messages.push({role: 'user', content: `I am client ${client}. Question ${turn + 1}: what is ${turn + 3} times ${client + 2}?`});
  return {
    messages,
    thinking: {type: 'disabled'},
    stream: true,
    stream_options: {include_usage: true},
    logprobs: true,
    top_logprobs: 2,
    temperature: 0.8,
    seed: 1000 * client + turn,
    max_tokens: long ? 120 : 60,
  };
}

// Asks until there is an answer, whatever server is up meanwhile.
async function ask(place, body) {
  for (;;) {
    if (place.server === null) {
      await pause(20);
      continue;
    }
    const answer = await post(place.server.port, '/v1/chat/completions', body);
    if (answer.status === 200 && !answer.broken) return chatAnswer(answer);
    if (answer.status !== 0 && !answer.broken) throw new Error(`status ${answer.status}: ${answer.body}`);
    ++place.lost;
    await pause(20);
  }
}

// What every client was told, turn by turn, and how much of its prompt was cached.
async function converse(place, onTurn = () => {}) {
  return Promise.all(
    Array.from({length: kClients}, async (_, client) => {
      const history = [];
      const turns = [];
      for (let turn = 0; turn < kTurns; ++turn) {
        const body = request(client, turn, history);
        const {text, logprobs, finish, usage} = await ask(place, body);
        turns.push({text, finish, logprobs: JSON.stringify(logprobs.flatMap((one) => one.content ?? [])), usage});
        history.push(body.messages.at(-1), {role: 'assistant', content: text});
        onTurn(client, turn);
      }
      return turns;
    }),
  );
}

const bits = (conversations) => conversations.map((turns) => turns.map(({text, finish, logprobs}) => ({text, finish, logprobs})));

test('killed and restarted at any moment: every answer has the bits of an undisturbed run', async (t) => {
  const home = makeDirectory();
  const undisturbed = {server: await Server.start(nano), lost: 0};
  const expected = await converse(undisturbed);
  assert.equal(await undisturbed.server.stop(), 0);

  const options = ['--cache-dir', join(home, 'prefixes'), '--cache-disk', '1GB'];
  const place = {server: await Server.start(nano, ...options), lost: 0};
  const random = randomNumbers(3);
  let kills = 0;
  let rounds = 0;
  const killer = async () => {
    while (kills < kKills) {
      await pause(300 + random.below(long ? 2500 : 900));
      const server = place.server;
      place.server = null;
      assert.equal(await server.stop('SIGKILL'), 'SIGKILL');
      ++kills;
      place.server = await Server.start(nano, ...options);
    }
  };
  // The same conversations again and again, as long as there are kills: later rounds find what earlier ones kept.
  const killing = killer();
  const cached = [];
  do {
    const got = await converse(place);
    assert.deepEqual(bits(got), bits(expected));
    cached.push(got.flat().reduce((sum, turn) => sum + (turn.usage.prompt_tokens_details?.cached_tokens ?? 0), 0));
    ++rounds;
  } while (kills < kKills);
  await killing;
  // A last restart in peace: what was answered before is found.
  await pause(1500);
  await place.server.stop('SIGKILL');
  place.server = await Server.start(nano, ...options);
  const last = await converse(place);
  assert.deepEqual(bits(last), bits(expected));
  const of = (key) => last.flat().reduce((sum, {usage}) => sum + key(usage), 0);
  const hits = of((usage) => usage.prompt_tokens_details.cached_tokens);
  t.diagnostic(
    `${kills + 1} kills in ${rounds} rounds of ${kClients} conversations of ${kTurns} turns, ${place.lost} requests cut off; ` +
      `cached after the last restart: ${hits} of ${of((usage) => usage.prompt_tokens)} prompt tokens`,
  );
  for (const turns of last) assert.ok(turns[0].usage.prompt_tokens_details.cached_tokens > 0);
  assert.equal((await place.server.metrics()).fathom_prefix_damaged_total, 0);
  assert.deepEqual(await place.server.settle(), nothingLeft);
  assert.equal(await place.server.stop(), 0);
  removeDirectory(home);
});
