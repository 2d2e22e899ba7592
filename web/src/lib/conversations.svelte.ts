// The conversations: the list, the open one, and what is being answered.

import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { ApiFailure } from './api';
import { requestBody, statsOf, streamAnswer, type Answer, type Clock } from './chat';
import * as db from './db';
import { keep, recall } from './local';
import { adopt, baseOf, mergeConversations, type Base } from './merge';
import { loadModel, noteFailure, server } from './server.svelte';
import type { Prefill } from './sse';
import { addNode, newConversation, pathTo, removeSubtree, selectedPath, selectSibling, summaryOf } from './tree';
import { settingsFrom } from './transfer';
import type { Attachment, Conversation, ConversationSummary, Node, Settings, ToolResult } from './types';

// An answer that is being generated.
export interface Run {
  node: string;
  prefill: Prefill | null;
  started: number;
  firstToken: number | null;
  firstContent: number | null;
  pieces: number; // about as many as tokens
  stop(): void;
}

// What tabs tell each other about a conversation: an answering one was stored, too, but is not complete.
interface Notice {
  id: string;
  event: 'stored' | 'answering' | 'removed';
}

const settingsName = 'fathom.settings';
const saveEveryMs = 2000;

class Conversations {
  list = $state<ConversationSummary[]>([]);
  current = $state<Conversation>(newConversation(storedSettings()));
  runs = new SvelteMap<string, Run>(); // by conversation
  elsewhere = new SvelteSet<string>(); // conversations that another tab is receiving an answer for
  problem = $state(''); // of storage; shown once at the top
  announcement = $state(''); // for screen readers

  private opens = 0; // how many were asked for, to know the last
  private removed = new Set<string>();
  // Those that are being answered or could not be stored: they stay the same objects while others are shown.
  private loaded = new Map<string, Conversation>();
  private bases = new WeakMap<Conversation, Base>();
  private channel = openChannel();

  path = $derived(selectedPath(this.current));
  run = $derived(this.runs.get(this.current.id) ?? null);

  async start(): Promise<void> {
    if (this.channel) this.channel.onmessage = ({ data }) => void this.hear(data as Notice);
    addEventListener('pagehide', () => {
      for (const conversation of this.loaded.values()) void this.save(conversation, true);
      for (const id of this.runs.keys()) this.tell(id, 'stored');
    });
    await this.refresh();
  }

  private tell(id: string, event: Notice['event']): void {
    this.channel?.postMessage({ id, event } satisfies Notice);
  }

  private async hear({ id, event }: Notice): Promise<void> {
    if (event === 'removed') return this.forget(id);
    if (event === 'answering') this.elsewhere.add(id);
    await Promise.all([this.refresh(), this.takeOver(id)]);
    if (event === 'stored') this.elsewhere.delete(id);
  }

  // What another tab stored of a conversation that is in memory here.
  private async takeOver(id: string): Promise<void> {
    const conversation = this.inMemory(id);
    if (!conversation) return;
    let base: Base | undefined;
    let stored: Conversation | undefined;
    // A save that ended meanwhile knows of more than what was read here.
    do {
      base = this.bases.get(conversation);
      stored = await db.loadConversation(id).catch(() => undefined);
    } while (this.bases.get(conversation) !== base);
    if (!stored) return;
    const mine = $state.snapshot(conversation) as Conversation;
    adopt(conversation, mine, mergeConversations(mine, stored, base));
    this.bases.set(conversation, baseOf(stored, mine));
  }

  private async refresh(): Promise<void> {
    try {
      const stored = (await db.loadSummaries()).filter(({ id }) => !this.loaded.has(id) && !this.removed.has(id));
      this.list = newestFirst([...Array.from(this.loaded.values(), summaryOf), ...stored]);
    } catch (error) {
      this.problem = `Conversations cannot be kept in this browser: ${(error as Error).message}`;
    }
  }

  // Shows another conversation; false if there is none of that id.
  async open(id: string): Promise<boolean> {
    const number = ++this.opens;
    if (this.current.id === id) return true;
    const conversation = this.loaded.get(id) ?? (await this.load(id));
    if (!conversation) return false;
    // Meanwhile another one may have been asked for.
    if (number === this.opens) this.current = conversation;
    return true;
  }

  // The conversation as it is now; undefined if there is none of that id, or if it cannot be read.
  async find(id: string): Promise<Conversation | undefined> {
    return this.inMemory(id) ?? (await this.load(id));
  }

  private inMemory(id: string): Conversation | undefined {
    return this.current.id === id ? this.current : this.loaded.get(id);
  }

  private async load(id: string): Promise<Conversation | undefined> {
    try {
      const stored = await db.loadConversation(id);
      if (!stored) return undefined;
      stored.settings = settingsFrom(stored.settings);
      const conversation = reactive(stored);
      this.bases.set(conversation, baseOf(stored));
      return conversation;
    } catch (error) {
      this.problem = `The conversation cannot be read: ${(error as Error).message}`;
      return undefined;
    }
  }

  create(): void {
    this.opens++;
    this.current = newConversation(storedSettings());
  }

  async rename(id: string, title: string): Promise<void> {
    const conversation = await this.find(id);
    if (!conversation || !title.trim()) return;
    conversation.title = title.trim().slice(0, 200);
    await this.save(conversation);
  }

  async remove(id: string): Promise<void> {
    await this.forget(id);
    this.tell(id, 'removed');
  }

  private async forget(id: string): Promise<void> {
    this.removed.add(id); // its answer, just stopped, must not save it again
    this.runs.get(id)?.stop();
    this.loaded.delete(id);
    this.list = this.list.filter((entry) => entry.id !== id);
    if (this.current.id === id) this.create();
    await db.deleteConversation(id).catch((error: Error) => (this.problem = error.message));
  }

  // Calls `visit` for one conversation after the other, as they are now, until it returns false.
  async each(visit: (conversation: Conversation) => boolean): Promise<void> {
    const here = new Map(this.loaded);
    if (Object.keys(this.current.nodes).length) here.set(this.current.id, this.current);
    for (const conversation of here.values()) if (!visit(conversation)) return;
    try {
      await db.eachConversation((conversation) => here.has(conversation.id) || visit(conversation));
    } catch (error) {
      this.problem = `Stored conversations are left out, for they cannot be read: ${(error as Error).message}`;
    }
  }

  async add(imported: Conversation[]): Promise<void> {
    for (const conversation of imported) await this.save(reactive(conversation));
    if (imported[0]) await this.open(imported[0].id);
  }

  // `leaving`: the page goes, with no time to look at what is stored.
  private async save(conversation: Conversation, leaving = false): Promise<void> {
    const { id, nodes } = conversation;
    if (this.removed.has(id) || !Object.keys(nodes).length) return;
    const mine = $state.snapshot(conversation) as Conversation;
    const base = this.bases.get(conversation);
    this.list = newestFirst([summaryOf(mine), ...this.list.filter((entry) => entry.id !== id)]);
    this.loaded.set(id, conversation);
    try {
      const join = (stored: Conversation) => mergeConversations(mine, stored, base);
      const saved = await db.saveConversation(mine, leaving ? undefined : join);
      adopt(conversation, mine, saved);
      this.bases.set(conversation, baseOf(saved, mine));
      if (!this.runs.has(id)) this.loaded.delete(id);
      this.tell(id, this.runs.has(id) ? 'answering' : 'stored');
    } catch (error) {
      if (this.removed.has(id)) return;
      this.loaded.set(id, conversation);
      this.problem = `The conversation cannot be kept in this browser: ${(error as Error).message}`;
    }
  }

  saveSettings(): void {
    const { settings } = this.current;
    keep(settingsName, JSON.stringify(settings));
    void this.save(this.current);
  }

  // --- messages ---------------------------------------------------------------------------------------------------

  send(content: string, attachments: Attachment[]): void {
    const parent = this.path.at(-1)?.id ?? null;
    const node = addNode(this.current, { parent, role: 'user', content, attachments });
    void this.answer(this.current, node.id);
  }

  // A new version of a user's message beside the old one, and an answer to it.
  edit(node: Node, content: string): void {
    if (this.run) return;
    const attachments = $state.snapshot(node.attachments) as Attachment[] | undefined;
    const added = addNode(this.current, { parent: node.parent, role: 'user', content, attachments });
    void this.answer(this.current, added.id);
  }

  // Another answer beside this one.
  regenerate(node: Node): void {
    if (!this.run) void this.answer(this.current, node.parent);
  }

  // Drops an answer that failed and asks again.
  retry(node: Node): void {
    if (this.run) return;
    if (!node.content && !node.reasoning) removeSubtree(this.current, node.id);
    void this.answer(this.current, node.parent);
  }

  giveResults(node: Node, toolResults: ToolResult[]): void {
    if (this.run) return;
    const added = addNode(this.current, { parent: node.id, role: 'tool', content: '', toolResults });
    void this.answer(this.current, added.id);
  }

  switchBranch(node: Node, step: number): void {
    if (this.run) return;
    selectSibling(this.current, node, step);
    void this.save(this.current);
  }

  removeMessage(node: Node): void {
    if (this.run) return;
    removeSubtree(this.current, node.id);
    void this.save(this.current);
  }

  stop(): void {
    this.run?.stop();
  }

  // --- answers ----------------------------------------------------------------------------------------------------

  private async answer(conversation: Conversation, parent: string | null): Promise<void> {
    if (this.runs.has(conversation.id) || parent === null) return;
    const path = pathTo(conversation, parent);
    const node = addNode(conversation, { parent, role: 'assistant', content: '', finish: 'running' });
    const abort = new AbortController();
    this.loaded.set(conversation.id, conversation);
    this.runs.set(conversation.id, {
      node: node.id, prefill: null, started: performance.now(), firstToken: null, firstContent: null, pieces: 0,
      stop: () => abort.abort(),
    });
    this.announcement = 'Answering';
    await this.save(conversation);
    const updates = new Updates(node, (change) => this.change(conversation, change));
    const saving = setInterval(() => void this.save(conversation), saveEveryMs);
    try {
      if (!server.model) await loadModel();
      const body = requestBody($state.snapshot(path) as Node[], conversation.settings, server.model?.id ?? 'default');
      const answer = await streamAnswer(body, updates, abort.signal);
      updates.finish();
      node.finish = answer.finish ?? 'stop';
      node.stats = statsOf(answer, updates.clock());
      this.announcement = 'Answer complete';
    } catch (error) {
      updates.finish();
      if (abort.signal.aborted) {
        node.finish = 'stopped';
        if (updates.latest) node.stats = statsOf(updates.latest, updates.clock());
        this.announcement = 'Answer stopped';
      } else {
        node.finish = 'error';
        node.error = (error as Error).message;
        if (error instanceof ApiFailure && error.retryAfterS) node.error += ` Try again in ${error.retryAfterS} s.`;
        noteFailure(error);
        this.announcement = 'The answer failed';
      }
    } finally {
      clearInterval(saving);
      conversation.updated = Date.now();
      this.runs.delete(conversation.id);
      this.loaded.delete(conversation.id);
      await this.save(conversation);
    }
  }

  private change(conversation: Conversation, change: Partial<Run>): void {
    const run = this.runs.get(conversation.id);
    if (run) this.runs.set(conversation.id, { ...run, ...change });
  }
}

// Gathers the pieces of an answer and shows them once per frame.
class Updates {
  latest: Answer | null = null;
  private readonly started = performance.now();
  private firstToken: number | null = null;
  private firstContent: number | null = null;
  private pieces = 0;
  private scheduled = false;
  private finished = false;

  constructor(
    private readonly node: Node,
    private readonly change: (change: Partial<Run>) => void,
  ) {}

  onPrefill(prefill: Prefill): void {
    this.change({ prefill });
  }

  onAnswer(answer: Answer): void {
    this.latest = answer;
    this.pieces++;
    const begun = answer.content || answer.reasoning || answer.toolCalls.length;
    if (begun) this.firstToken ??= performance.now();
    if (answer.content || answer.toolCalls.length) this.firstContent ??= performance.now();
    if (this.scheduled) return;
    this.scheduled = true;
    // A hidden page gets no frames.
    if (document.hidden) setTimeout(() => this.flush(), 200);
    else requestAnimationFrame(() => this.flush());
  }

  // Shows the rest; a frame that was asked for before changes nothing any more.
  finish(): void {
    this.flush();
    this.finished = true;
  }

  private flush(): void {
    this.scheduled = false;
    const { latest, node } = this;
    if (!latest || this.finished) return;
    if (latest.content !== node.content) node.content = latest.content;
    if (latest.reasoning && latest.reasoning !== node.reasoning) node.reasoning = latest.reasoning;
    if (latest.toolCalls.length) node.toolCalls = latest.toolCalls.map((call) => ({ ...call }));
    if (latest.model) node.model = latest.model;
    this.change({ firstToken: this.firstToken, firstContent: this.firstContent, pieces: this.pieces });
  }

  clock(): Clock {
    return {
      start: this.started, firstToken: this.firstToken, firstContent: this.firstContent, end: performance.now(),
    };
  }
}

// Some browsers that block storage block this, too; then tabs learn of each other when they save.
function openChannel(): BroadcastChannel | null {
  try {
    return new BroadcastChannel('fathom');
  } catch {
    return null;
  }
}

function newestFirst(list: ConversationSummary[]): ConversationSummary[] {
  return list.sort((a, b) => b.updated - a.updated);
}

// The conversation as an object whose changes the page follows.
function reactive(conversation: Conversation): Conversation {
  const followed = $state(conversation);
  return followed;
}

function storedSettings(): Settings {
  try {
    return settingsFrom(JSON.parse(recall(settingsName) ?? '{}'));
  } catch {
    return settingsFrom({});
  }
}

export const conversations = new Conversations();
