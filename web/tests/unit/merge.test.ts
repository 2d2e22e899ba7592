import { beforeEach, describe, expect, it } from 'vitest';
import { adopt, baseOf, mergeConversations, type Base } from '../../src/lib/merge';
import { addNode, newConversation, removeSubtree, selectedPath } from '../../src/lib/tree';
import { defaultSettings, type Conversation, type Node } from '../../src/lib/types';

let mine: Conversation;
let stored: Conversation; // as another tab has changed it
let base: Base;
let question: Node;
const add = (to: Conversation, parent: Node | null, content: string, rest: Partial<Node> = {}) =>
  addNode(to, { parent: parent?.id ?? null, role: parent ? 'assistant' : 'user', content, ...rest });
const shown = (conversation: Conversation) => selectedPath(conversation).map((node) => node.content);
const contents = (conversation: Conversation) => Object.values(conversation.nodes).map((node) => node.content).sort();
const merged = () => mergeConversations(mine, stored, base);

beforeEach(() => {
  mine = newConversation(defaultSettings);
  question = add(mine, null, 'question');
  add(mine, question, 'answer');
  stored = structuredClone(mine);
  base = baseOf(stored);
});

describe('a conversation in two tabs', () => {
  it('keeps the messages of both', () => {
    const answer = selectedPath(mine).at(-1)!;
    add(mine, answer, 'mine');
    add(stored, answer, 'theirs');
    expect(contents(merged())).toEqual(['answer', 'mine', 'question', 'theirs']);
    expect(shown(merged())).toEqual(['question', 'answer', 'mine']);
    stored.nodes = {};
    expect(contents(mergeConversations(mine, stored))).toEqual(['answer', 'mine', 'question']);
  });

  it('loses what either removed, with what the other has below it', () => {
    const other = add(mine, question, 'other answer');
    stored = structuredClone(mine);
    base = baseOf(stored);
    add(stored, other, 'theirs');
    add(mine, selectedPath(mine).at(-2)!, 'mine');
    removeSubtree(mine, other.id);
    expect(contents(merged())).toEqual(['answer', 'mine', 'question']);

    removeSubtree(stored, question.id);
    expect(merged().nodes).toEqual({});
  });

  it('has the copy of an answer that has come further', () => {
    const answer = add(mine, question, 'Wor', { finish: 'running' });
    stored = structuredClone(mine);
    const theirs = stored.nodes[answer.id]!;
    theirs.content = 'Word';
    expect(merged().nodes[answer.id]).toEqual(theirs);
    answer.content = 'Word 1';
    expect(merged().nodes[answer.id]).toEqual(answer);
    theirs.finish = 'stopped';
    expect(merged().nodes[answer.id]).toEqual(theirs);
  });

  it('has the title, the settings and the choices that were changed last', () => {
    mine.settings.seed = 7;
    stored.settings.seed = 8;
    stored.settings.system = 'Be brief.';
    stored.title = 'theirs';
    stored.updated = mine.updated + 5;
    expect(merged().settings).toEqual({ ...defaultSettings, seed: 7, system: 'Be brief.' });
    expect(merged().title).toBe('theirs');
    expect(merged().updated).toBe(stored.updated);
    add(stored, question, 'other answer');
    expect(shown(merged())).toEqual(['question', 'other answer']);
    mine.title = 'mine';
    expect(merged().title).toBe('mine');
  });

  it('is taken over in place, with the branches that were chosen here', () => {
    const view = structuredClone(mine);
    const answer = selectedPath(view).at(-1)!;
    add(stored, question, 'other answer');
    add(stored, answer, 'theirs');
    stored.title = 'theirs';
    stored.settings.effort = 'high';
    adopt(view, mine, merged());
    expect(view.nodes[answer.id]).toBe(answer);
    expect(shown(view)).toEqual(['question', 'answer', 'theirs']);
    expect(view.title).toBe('theirs');
    expect(view.settings.effort).toBe('high');

    // Another branch here is no choice of this tab, and what this tab stores next leaves theirs.
    base = baseOf(stored, mine);
    mine = structuredClone(view);
    expect(shown(merged())).toEqual(['question', 'other answer']);

    removeSubtree(stored, answer.id);
    adopt(view, mine, merged());
    expect(shown(view)).toEqual(['question', 'other answer']);
  });
});
