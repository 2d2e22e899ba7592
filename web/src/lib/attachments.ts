// Text files that go along with a message, as fenced blocks behind its text.

import type { Attachment } from './types';

export const maxFileBytes = 2 * 1024 * 1024;
export const maxFiles = 20;

// Longer than any run of backticks inside.
export function fenceFor(text: string): string {
  const longest = Math.max(0, ...Array.from(text.matchAll(/`+/g), (run) => run[0].length));
  return '`'.repeat(Math.max(3, longest + 1));
}

export function withAttachments(content: string, attachments: Attachment[]): string {
  const blocks = attachments.map(({ name, text }) => {
    const fence = fenceFor(text);
    const extension = /\.([A-Za-z0-9+#]{1,12})$/.exec(name)?.[1]?.toLowerCase() ?? '';
    return `${name}:\n${fence}${extension}\n${text}${text.endsWith('\n') ? '' : '\n'}${fence}`;
  });
  return [content, ...blocks].filter((part) => part !== '').join('\n\n');
}

// The file's text; throws an Error with a sentence for the user.
export async function readAttachment(file: File): Promise<Attachment> {
  if (file.size > maxFileBytes) {
    throw new Error(`${file.name} has ${(file.size / 1024 / 1024).toFixed(1)} MB; at most 2 MB can be attached.`);
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  return { name: file.name, text: decodeText(file.name, bytes) };
}

export function decodeText(name: string, bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return text.replace(/\r\n/g, '\n');
  } catch {
    // falls through
  }
  throw new Error(`${name} is not a text file in UTF-8; only those can be attached.`);
}
