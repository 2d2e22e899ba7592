// Several tabs may change one conversation. What each did since it last read or wrote it is joined, so that no tab stores
// over the messages of another.

import { removeSubtree } from './tree';
import type { Conversation, Node, Settings } from './types';

// A conversation as a tab last read or wrote it: enough to tell what the tab, or another one, has changed since.
export interface Base {
  title: string;
  settings: Partial<Settings>;
  selected: Record<string, string>;
  ids: Set<string>; // of its messages
}

const neverStored: Base = { title: '', settings: {}, selected: {}, ids: new Set() };

// `mine` is what the tab shows. It goes on looking at the branches it has chosen, whatever others choose; so that is what
// its next choice differs from.
export function baseOf(stored: Conversation, mine = stored): Base {
  return {
    title: stored.title,
    settings: { ...stored.settings },
    selected: { ...stored.selected, ...mine.selected },
    ids: new Set(Object.keys(stored.nodes)),
  };
}

// What `mine` and `stored` together have become since `base`. Where both changed the same, mine counts.
export function mergeConversations(mine: Conversation, stored: Conversation, base: Base = neverStored): Conversation {
  const merged: Conversation = {
    ...mine,
    title: mine.title === base.title ? stored.title : mine.title,
    updated: Math.max(mine.updated, stored.updated),
    settings: mergeFields(mine.settings, stored.settings, base.settings),
    selected: mergeFields(mine.selected, stored.selected, base.selected),
    nodes: { ...stored.nodes },
  };
  for (const [id, node] of Object.entries(mine.nodes)) {
    const other = stored.nodes[id];
    merged.nodes[id] = other && progress(other) > progress(node) ? other : node;
  }
  // What one of them removed is gone, with all that the other has below it.
  for (const id of base.ids) {
    if (!mine.nodes[id] || !stored.nodes[id]) removeSubtree(merged, id);
  }
  return merged;
}

// Changes `conversation`, of which `mine` is a copy, to `merged`. What did not change stays the same object: the page keeps
// what it shows, and a running answer goes on in it.
export function adopt(conversation: Conversation, mine: Conversation, merged: Conversation): void {
  if (merged.title !== mine.title) conversation.title = merged.title;
  conversation.updated = Math.max(conversation.updated, merged.updated);
  changeFields(conversation.settings, mine.settings, merged.settings);
  changeFields(conversation.nodes, mine.nodes, merged.nodes);
  for (const [parent, child] of Object.entries(merged.selected)) {
    if (conversation.nodes[child]) conversation.selected[parent] ??= child;
  }
}

// A message changes only while it is answered, and only by growing.
function progress({ finish, content, reasoning }: Node): number {
  return finish === 'running' ? content.length + (reasoning?.length ?? 0) : Infinity;
}

type Fields = Record<string, unknown>;

function mergeFields<T extends object>(mine: T, stored: T, base: Partial<T>): T {
  const [ours, before, merged] = [mine as Fields, base as Fields, { ...stored } as Fields];
  for (const key of Object.keys({ ...before, ...ours })) {
    if (ours[key] === before[key]) continue;
    if (key in ours) merged[key] = ours[key];
    else delete merged[key];
  }
  return merged as T;
}

function changeFields<T extends object>(fields: T, before: T, after: T): void {
  const [changed, from, to] = [fields as Fields, before as Fields, after as Fields];
  for (const key of Object.keys(from)) if (!(key in to)) delete changed[key];
  for (const key of Object.keys(to)) if (to[key] !== from[key]) changed[key] = to[key];
}
