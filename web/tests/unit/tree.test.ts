import { beforeEach, describe, expect, it } from 'vitest';
import {
  addNode, newConversation, pathTo, removeSubtree, selectedPath, selectSibling, siblingPosition, titleFrom,
} from '../../src/lib/tree';
import { defaultSettings, type Conversation, type Node } from '../../src/lib/types';

let conversation: Conversation;
const add = (parent: Node | null, content: string, role: Node['role'] = 'user') =>
  addNode(conversation, { parent: parent?.id ?? null, role, content });
const shown = () => selectedPath(conversation).map((node) => node.content);

beforeEach(() => {
  conversation = newConversation(defaultSettings);
});

describe('a conversation', () => {
  it('shows the newest branch until another is chosen', () => {
    const a = add(null, 'a');
    const first = add(a, 'first', 'assistant');
    const b = add(first, 'b');
    const second = add(a, 'second', 'assistant');
    expect(shown()).toEqual(['a', 'second']);
    expect(siblingPosition(conversation, second)).toEqual({ index: 1, count: 2 });

    selectSibling(conversation, second, -1);
    expect(shown()).toEqual(['a', 'first', 'b']);
    selectSibling(conversation, first, -1);
    expect(shown()).toEqual(['a', 'first', 'b']);
    expect(pathTo(conversation, b.id).map((node) => node.content)).toEqual(['a', 'first', 'b']);
  });

  it('branches at the root when the first message is edited', () => {
    add(add(null, 'old'), 'answer', 'assistant');
    const edited = add(null, 'new');
    expect(shown()).toEqual(['new']);
    expect(siblingPosition(conversation, edited).count).toBe(2);
  });

  it('loses a message with all that follows, and shows what is left', () => {
    const a = add(null, 'a');
    const first = add(a, 'first', 'assistant');
    const second = add(a, 'second', 'assistant');
    add(second, 'b');
    removeSubtree(conversation, second.id);
    expect(shown()).toEqual(['a', 'first']);
    expect(Object.keys(conversation.nodes)).toHaveLength(2);
    removeSubtree(conversation, first.id);
    removeSubtree(conversation, a.id);
    expect(conversation.nodes).toEqual({});
    expect(conversation.selected).toEqual({});
  });

  it('survives circles and lost choices in its data', () => {
    const a = add(null, 'a');
    const b = add(a, 'b', 'assistant');
    conversation.selected[''] = 'gone';
    expect(shown()).toEqual(['a', 'b']);
    a.parent = b.id;
    expect(shown()).toEqual([]);
    expect(pathTo(conversation, b.id)).toHaveLength(2);
  });

  it('is named after its first message', () => {
    add(null, '\n  Hello there \nmore');
    expect(conversation.title).toBe('Hello there');
    expect(titleFrom({ content: 'x'.repeat(100) })).toHaveLength(60);
    expect(titleFrom({ content: '', attachments: [{ name: 'a.txt', text: '' }] })).toBe('a.txt');
  });
});
