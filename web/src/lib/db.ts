// Conversations in IndexedDB: the whole of each in `conversations`, what the list shows in `summaries`.

import { summaryOf } from './tree';
import type { Conversation, ConversationSummary } from './types';

let opened: Promise<IDBDatabase> | null = null;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('fathom', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('conversations', { keyPath: 'id' });
      request.result.createObjectStore('summaries', { keyPath: 'id' });
    };
    request.onsuccess = () => {
      // Another tab with a newer page wants to change the structure.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error ?? new Error('IndexedDB cannot be opened'));
  });
  return opened;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB request failed'));
  });
}

function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () =>
      reject(transaction.error ?? new Error('IndexedDB transaction failed'));
  });
}

const both = ['conversations', 'summaries'];

export async function loadSummaries(): Promise<ConversationSummary[]> {
  const db = await open();
  const all: ConversationSummary[] = await done(db.transaction('summaries').objectStore('summaries').getAll());
  return all.sort((a, b) => b.updated - a.updated);
}

export async function loadConversation(id: string): Promise<Conversation | undefined> {
  const db = await open();
  return done(db.transaction('conversations').objectStore('conversations').get(id));
}

// Stores a conversation, or what `join` makes of the one that is stored already; returns what it stored. Without `join`
// nothing is waited for, which is all that a page has time for when it goes.
export async function saveConversation(
  conversation: Conversation,
  join?: (stored: Conversation) => Conversation,
): Promise<Conversation> {
  const transaction = (await open()).transaction(both, 'readwrite');
  const conversations = transaction.objectStore('conversations');
  let saved = conversation;
  const put = () => {
    conversations.put(saved);
    transaction.objectStore('summaries').put(summaryOf(saved));
  };
  if (join) {
    const read = conversations.get(conversation.id);
    read.onsuccess = () => {
      if (read.result) saved = join(read.result as Conversation);
      put();
    };
  } else {
    put();
    transaction.commit();
  }
  await finished(transaction);
  return saved;
}

export async function deleteConversation(id: string): Promise<void> {
  const transaction = (await open()).transaction(both, 'readwrite');
  for (const store of both) transaction.objectStore(store).delete(id);
  await finished(transaction);
}

// Calls `visit` for one conversation after the other until it returns false.
export async function eachConversation(visit: (conversation: Conversation) => boolean): Promise<void> {
  const db = await open();
  await new Promise<void>((resolve, reject) => {
    const request = db.transaction('conversations').objectStore('conversations').openCursor();
    request.onerror = () => reject(request.error ?? new Error('IndexedDB request failed'));
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor && visit(cursor.value as Conversation)) cursor.continue();
      else resolve();
    };
  });
}
