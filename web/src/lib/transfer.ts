// Conversations as files: JSON, which can be read back, and Markdown for people.

import { fenceFor, withAttachments } from './attachments';
import { newId, selectedPath, titleFrom } from './tree';
import { defaultSettings, type Conversation, type Effort, type Node, type Settings } from './types';

export function exportJson(conversations: Conversation[]): string {
  return JSON.stringify({ format: 'fathom-conversations', version: 1, conversations }, null, 2);
}

export function exportMarkdown(conversation: Conversation): string {
  const parts = [`# ${conversation.title || 'Conversation'}`];
  if (conversation.settings.system.trim()) parts.push(`## System\n\n${conversation.settings.system.trim()}`);
  for (const node of selectedPath(conversation)) {
    if (node.role === 'user') {
      parts.push(`## You\n\n${withAttachments(node.content, node.attachments ?? [])}`);
    } else if (node.role === 'tool') {
      for (const result of node.toolResults ?? []) parts.push(`Result of \`${result.id}\`:\n\n${fenced(result.content)}`);
    } else {
      const answer = [`## ${node.model ?? 'Assistant'}`];
      if (node.reasoning) answer.push(`<details>\n<summary>Thinking</summary>\n\n${node.reasoning.trim()}\n\n</details>`);
      if (node.content) answer.push(node.content.trim());
      for (const call of node.toolCalls ?? []) answer.push(`Call of \`${call.name}\` (\`${call.id}\`):\n\n${fenced(call.arguments, 'json')}`);
      parts.push(answer.join('\n\n'));
    }
  }
  return `${parts.join('\n\n')}\n`;
}

function fenced(text: string, language = ''): string {
  const fence = fenceFor(text);
  return `${fence}${language}\n${text}\n${fence}`;
}

// What an exported file holds, checked field by field; throws an Error with a sentence for the user.
export function parseImport(text: string): Conversation[] {
  let file: any;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error('The file is not JSON; only exported conversations can be imported.');
  }
  if (file?.format !== 'fathom-conversations' || !Array.isArray(file.conversations)) {
    throw new Error('The file holds no conversations of this page.');
  }
  if (file.version !== 1) throw new Error(`The file has version ${file.version}; this page reads version 1.`);
  return file.conversations.map(conversationFrom);
}

const textOr = (value: unknown, otherwise = ''): string => (typeof value === 'string' ? value : otherwise);
const numberOr = <T>(value: unknown, otherwise: T): number | T =>
  typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
const listOf = <T>(value: unknown, item: (value: any) => T): T[] => (Array.isArray(value) ? value.map(item) : []);

function conversationFrom(from: any): Conversation {
  const nodes: Record<string, Node> = {};
  for (const value of Object.values<any>(from?.nodes ?? {})) {
    const node = nodeFrom(value);
    if (node) nodes[node.id] = node;
  }
  for (const node of Object.values(nodes)) {
    if (node.parent !== null && !nodes[node.parent]) throw new Error('The file is damaged: a message has no predecessor.');
  }
  const selected: Record<string, string> = {};
  for (const [parent, child] of Object.entries(from?.selected ?? {})) {
    if (typeof child === 'string' && nodes[child] && parent !== '__proto__') selected[parent] = child;
  }
  const first = Object.values(nodes).find((node) => node.parent === null);
  return {
    id: newId(), // never in place of one that is here
    title: textOr(from?.title) || (first ? titleFrom(first) : 'Untitled'),
    created: numberOr(from?.created, Date.now()),
    updated: numberOr(from?.updated, Date.now()),
    settings: settingsFrom(from?.settings),
    nodes,
    selected,
  };
}

function nodeFrom(from: any): Node | null {
  if (typeof from?.id !== 'string' || !/^[\w-]{1,64}$/.test(from.id) || from.id === '__proto__') return null;
  if (!['user', 'assistant', 'tool'].includes(from.role)) return null;
  const node: Node = {
    id: from.id,
    parent: typeof from.parent === 'string' ? from.parent : null,
    role: from.role,
    created: numberOr(from.created, 0),
    content: textOr(from.content),
  };
  if (from.reasoning) node.reasoning = textOr(from.reasoning);
  if (from.model) node.model = textOr(from.model);
  if (from.finish) node.finish = textOr(from.finish);
  if (from.error) node.error = textOr(from.error);
  if (from.attachments) {
    node.attachments = listOf(from.attachments, (item) => ({ name: textOr(item?.name), text: textOr(item?.text) }));
  }
  if (from.toolCalls) {
    node.toolCalls = listOf(from.toolCalls, (item) => ({
      id: textOr(item?.id),
      name: textOr(item?.name),
      arguments: textOr(item?.arguments),
    }));
  }
  if (from.toolResults) {
    node.toolResults = listOf(from.toolResults, (item) => ({ id: textOr(item?.id), content: textOr(item?.content) }));
  }
  if (from.stats) {
    const stats = from.stats;
    node.stats = {
      promptTokens: numberOr(stats.promptTokens, 0),
      cachedTokens: numberOr(stats.cachedTokens, 0),
      completionTokens: numberOr(stats.completionTokens, 0),
      reasoningTokens: numberOr(stats.reasoningTokens, 0),
      promptPerSecond: numberOr(stats.promptPerSecond, null),
      tokensPerSecond: numberOr(stats.tokensPerSecond, null),
      firstTokenMs: numberOr(stats.firstTokenMs, null),
      totalMs: numberOr(stats.totalMs, 0),
      thinkingMs: numberOr(stats.thinkingMs, null),
    };
  }
  return node;
}

const efforts: Effort[] = ['default', 'off', 'low', 'high', 'max'];

export function settingsFrom(from: any): Settings {
  return {
    system: textOr(from?.system),
    effort: efforts.includes(from?.effort) ? from.effort : defaultSettings.effort,
    temperature: numberOr(from?.temperature, null),
    topP: numberOr(from?.topP, null),
    maxTokens: numberOr(from?.maxTokens, null),
    seed: numberOr(from?.seed, null),
    tools: textOr(from?.tools),
  };
}

export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function fileName(title: string, extension: string): string {
  const base = title.normalize('NFKD').replace(/[^\w.-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '').slice(0, 60);
  return `${base || 'conversation'}.${extension}`;
}
