// What is known about the server: its model, its context, whether it answers and whether it wants a key.

import { ApiFailure, getJson, storeKey, storedKey } from './api';

export interface ModelInfo {
  id: string;
  max_model_len?: number;
  meta?: { n_ctx_train?: number; n_vocab?: number; n_embd?: number; n_params?: number; size?: number };
  [field: string]: unknown;
}

export const server = $state({
  model: null as ModelInfo | null,
  error: '',
  hasKey: storedKey() !== '',
  keyDialog: false,
  keyRefused: false, // the stored key was not accepted
  keysSet: 0, // how many were entered; what ended for want of one begins again with the next
});

export function contextSize(): number | null {
  return server.model?.max_model_len ?? server.model?.meta?.n_ctx_train ?? null;
}

export async function loadModel(): Promise<void> {
  try {
    const list = await getJson<{ data?: ModelInfo[] }>('/v1/models');
    server.model = list.data?.[0] ?? null;
    server.error = server.model ? '' : 'The server names no model.';
  } catch (error) {
    server.error = (error as Error).message;
    noteFailure(error);
    // The model is still being loaded.
    if (error instanceof ApiFailure && error.status === 503) setTimeout(() => void loadModel(), 2000);
  }
}

// Asks for a key if that is what a request failed for.
export function noteFailure(error: unknown): void {
  if (error instanceof ApiFailure && error.status === 401) {
    server.keyRefused = storedKey() !== '';
    server.keyDialog = true;
  }
}

export function setKey(key: string): void {
  storeKey(key.trim());
  server.hasKey = key.trim() !== '';
  server.keyDialog = false;
  server.keyRefused = false;
  server.keysSet++;
  void loadModel();
}
