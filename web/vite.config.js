import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// FATHOM_URL names the server that `npm run dev` talks to: the program or dev/mock.mjs.
const server = process.env.FATHOM_URL ?? 'http://127.0.0.1:8000';
const api = ['/v1', '/props', '/health', '/ready', '/metrics', '/debug'];

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // nothing as a data: address, which the content security policy would refuse
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: Object.fromEntries(api.map((path) => [path, server])) },
  test: { include: ['tests/unit/**/*.test.ts'], environment: 'node', setupFiles: ['tests/unit/setup.ts'] },
});
