// A `fathom serve` with Nano behind it, for the tests of one file. FATHOM_BINARY names the program.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export async function startServer(...options) {
  const binary = process.env.FATHOM_BINARY ?? join(root, 'build/release/bin/fathom');
  const directory = mkdtempSync(join(tmpdir(), 'fathom-sdk-'));
  const child = spawn(binary, ['serve', '--port', '0', '--model', join(root, 'models/nano'), ...options], {
    env: {...process.env, XDG_STATE_HOME: directory, XDG_CACHE_HOME: directory},
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
      const ready = /ready at (http\S+),/.exec(text);
      if (ready) resolve(ready[1]);
    });
    exited.then((code) => reject(new Error(`fathom serve ended with ${code}`)));
  });
  return {
    url,
    // How many answers are in progress, as the metrics say.
    async running() {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(/^vllm:num_requests_running\S* (\d+)/m.exec(text)[1]);
    },
    async stop() {
      child.kill('SIGTERM');
      const code = await exited;
      rmSync(directory, {recursive: true, force: true});
      return code;
    },
  };
}

// Waits until `condition` holds; node's test runner has the timeout.
export async function until(condition) {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

// The tools that Nano knows, in the shape of a function's parameters.
export const tools = {
  calculator: {
    description: 'Calculate an expression',
    parameters: {type: 'object', properties: {expression: {type: 'string'}}, required: ['expression']},
  },
  get_time: {
    description: 'Time in a city',
    parameters: {type: 'object', properties: {timezone: {type: 'string'}}, required: ['timezone']},
  },
};

// Small enough that a model of a few million parameters ends the JSON in time.
export const personSchema = {
  type: 'object',
  properties: {name: {type: 'string', maxLength: 20}, age: {type: 'integer', minimum: 0, maximum: 150}},
  required: ['name', 'age'],
  additionalProperties: false,
};
