// Which conversations contain every word of a query, in the title or in a message.

import type { Conversation } from './types';

export function wordsOf(query: string): string[] {
  return query.toLowerCase().split(/\s+/).filter(Boolean);
}

// A piece of the text around the first word, or null if some word is missing.
export function matchIn(conversation: Conversation, words: string[]): string | null {
  const texts = [conversation.title];
  for (const node of Object.values(conversation.nodes)) {
    texts.push(node.content);
    for (const attachment of node.attachments ?? []) texts.push(attachment.name);
  }
  const whole = texts.join('\n');
  const lower = whole.toLowerCase();
  if (!words.every((word) => lower.includes(word))) return null;
  const body = lower.indexOf(words[0] ?? '', conversation.title.length);
  if (body < 0) return '';
  const begin = Math.max(conversation.title.length, body - 24);
  return `${begin > conversation.title.length + 1 ? '…' : ''}${whole.slice(begin, body + 60).replace(/\s+/g, ' ').trim()}`;
}
