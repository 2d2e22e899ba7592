// A conversation is a tree of messages: an edited or regenerated one is a sibling of the old one. What is shown is the
// path of chosen children from the root.

import type { Conversation, ConversationSummary, Node, Settings } from './types';

export function newId(): string {
  // randomUUID() needs a secure context; a page over plain HTTP from another machine is none.
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function newConversation(settings: Settings, now = Date.now()): Conversation {
  return { id: newId(), title: '', created: now, updated: now, settings: { ...settings }, nodes: {}, selected: {} };
}

// The children of a node (null: the root), oldest first.
export function childrenOf(conversation: Conversation, parent: string | null): Node[] {
  return Object.values(conversation.nodes)
    .filter((node) => node.parent === parent)
    .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

// The chosen child, or the newest where nothing (any longer) is chosen.
export function selectedChild(conversation: Conversation, parent: string | null): Node | undefined {
  const chosen = conversation.nodes[conversation.selected[parent ?? ''] ?? ''];
  return chosen && chosen.parent === parent ? chosen : childrenOf(conversation, parent).at(-1);
}

// The messages that are shown, first to last.
export function selectedPath(conversation: Conversation): Node[] {
  const byParent = new Map<string, Node[]>();
  for (const node of Object.values(conversation.nodes)) {
    const key = node.parent ?? '';
    byParent.set(key, [...(byParent.get(key) ?? []), node]);
  }
  const path: Node[] = [];
  const seen = new Set<string>();
  for (let key = ''; ; ) {
    const children = byParent.get(key);
    if (!children) return path;
    const chosen =
      children.find((node) => node.id === conversation.selected[key]) ??
      children.reduce((a, b) => (b.created > a.created || (b.created === a.created && b.id > a.id) ? b : a));
    if (seen.has(chosen.id)) return path; // imported data may have a circle
    seen.add(chosen.id);
    path.push(chosen);
    key = chosen.id;
  }
}

// The messages from the root to this node, inclusive.
export function pathTo(conversation: Conversation, id: string): Node[] {
  const path: Node[] = [];
  const seen = new Set<string>();
  for (let node = conversation.nodes[id]; node && !seen.has(node.id); node = conversation.nodes[node.parent ?? '']) {
    seen.add(node.id);
    path.unshift(node);
  }
  return path;
}

// Adds a message below `parent` and chooses it.
export function addNode(conversation: Conversation, node: Omit<Node, 'id' | 'created'>): Node {
  const created = Math.max(Date.now(), ...childrenOf(conversation, node.parent).map((sibling) => sibling.created + 1));
  const added: Node = { ...node, id: newId(), created };
  conversation.nodes[added.id] = added;
  conversation.selected[node.parent ?? ''] = added.id;
  conversation.updated = Math.max(conversation.updated, created);
  if (!conversation.title && node.role === 'user') conversation.title = titleFrom(node);
  return conversation.nodes[added.id]!;
}

// Where a message stands among its siblings: {index: 1, count: 3} is the second of three.
export function siblingPosition(conversation: Conversation, node: Node): { index: number; count: number } {
  const siblings = childrenOf(conversation, node.parent);
  return { index: siblings.findIndex((sibling) => sibling.id === node.id), count: siblings.length };
}

export function selectSibling(conversation: Conversation, node: Node, step: number): void {
  const siblings = childrenOf(conversation, node.parent);
  const next = siblings[siblings.findIndex((sibling) => sibling.id === node.id) + step];
  if (next) conversation.selected[node.parent ?? ''] = next.id;
}

// Removes a message and all that follows it, in every branch.
export function removeSubtree(conversation: Conversation, id: string): void {
  const node = conversation.nodes[id];
  if (!node) return;
  for (const child of childrenOf(conversation, id)) removeSubtree(conversation, child.id);
  delete conversation.nodes[id];
  delete conversation.selected[id];
  const key = node.parent ?? '';
  if (conversation.selected[key] === id) delete conversation.selected[key];
}

export function titleFrom(node: Pick<Node, 'content' | 'attachments'>): string {
  const line = node.content.trim().split('\n', 1)[0]?.trim() || node.attachments?.[0]?.name || 'Untitled';
  return line.length > 60 ? `${line.slice(0, 59).trimEnd()}…` : line;
}

export function summaryOf(conversation: Conversation): ConversationSummary {
  const { id, title, created, updated, nodes } = conversation;
  return { id, title, created, updated, messages: Object.keys(nodes).length };
}
