// Node.js 18 has the Web Crypto interface, but not under its global name.
// @ts-expect-error: no types of Node.js are installed; this is its only use.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto as Crypto;
