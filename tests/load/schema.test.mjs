// A model of random weights obeys every JSON schema, over HTTP.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {join} from 'node:path';
import {test} from 'node:test';
import {post} from './client.mjs';
import {Server, long, makeDirectory, nothingLeft, removeDirectory, root} from './server.mjs';

// Each with a check of its own, so that the server's reading of schemas is not its own judge.
const keys = (value, names) => assert.deepEqual(Object.keys(value).sort(), [...names].sort());
const isInteger = (value, low, high) => assert.ok(Number.isInteger(value) && value >= low && value <= high, `${value}`);
const node = (value) => {
  keys(value, ['v', 'next']);
  isInteger(value.v, -9, 9);
  if (value.next !== null) node(value.next);
};
const cases = [
  {
    schema: {
      type: 'object',
      properties: {
        name: {type: 'string', maxLength: 8},
        age: {type: 'integer', minimum: 0, maximum: 150},
        tags: {type: 'array', items: {enum: ['a', 'b', 'c']}, maxItems: 3},
      },
      required: ['name', 'age', 'tags'],
      additionalProperties: false,
    },
    check(value) {
      keys(value, ['name', 'age', 'tags']);
      assert.ok(typeof value.name === 'string' && [...value.name].length <= 8);
      isInteger(value.age, 0, 150);
      assert.ok(Array.isArray(value.tags) && value.tags.length <= 3);
      for (const tag of value.tags) assert.ok(['a', 'b', 'c'].includes(tag));
    },
  },
  {
    schema: {
      type: 'array',
      items: {anyOf: [{type: 'boolean'}, {type: 'null'}, {const: 'x'}]},
      minItems: 1,
      maxItems: 4,
    },
    check(value) {
      assert.ok(Array.isArray(value) && value.length >= 1 && value.length <= 4);
      for (const item of value) assert.ok(typeof item === 'boolean' || item === null || item === 'x');
    },
  },
  {
    schema: {
      type: 'object',
      properties: {when: {type: 'string', format: 'date'}, kind: {enum: ['in', 'out']}},
      required: ['when', 'kind'],
      additionalProperties: false,
    },
    check(value) {
      keys(value, ['when', 'kind']);
      assert.match(value.when, /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/);
      assert.ok(['in', 'out'].includes(value.kind));
    },
  },
  {
    schema: {
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          properties: {
            v: {type: 'integer', minimum: -9, maximum: 9},
            next: {anyOf: [{type: 'null'}, {$ref: '#/$defs/node'}]},
          },
          required: ['v', 'next'],
          additionalProperties: false,
        },
      },
    },
    check: node,
  },
];

test('JSON-schema answers of a random model are all valid', async (t) => {
  const directory = makeDirectory();
  const model = join(directory, 'random');
  const binary = process.env.FATHOM_BINARY ?? join(root, 'build/release/bin/fathom');
  execFileSync(binary, ['synth', model, '--shape', 'tiny'], {stdio: 'ignore'});
  const server = await Server.start(model, '--max-sequences', '32');
  const count = long ? 1000 : 100;
  let next = 0;
  let valid = 0;
  const client = async () => {
    while (next < count) {
      const seed = next++;
      const {schema, check} = cases[seed % cases.length];
      const {status, body} = await post(server.port, '/v1/chat/completions', {
        messages: [{role: 'user', content: 'x'}],
        thinking: {type: 'disabled'},
        response_format: {type: 'json_schema', json_schema: {name: 'answer', strict: true, schema}},
        seed,
      });
      assert.equal(status, 200, body);
      const choice = JSON.parse(body).choices[0];
      assert.equal(choice.finish_reason, 'stop', body);
      check(JSON.parse(choice.message.content));
      ++valid;
    }
  };
  await Promise.all(Array.from({length: 16}, client));
  t.diagnostic(`${valid} of ${count} answers are valid`);
  assert.equal(valid, count);
  assert.deepEqual(await server.settle(), nothingLeft);
  assert.equal(await server.stop(), 0);
  removeDirectory(directory);
});
