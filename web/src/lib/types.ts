// What is kept of a conversation. Stored in IndexedDB and exported as it stands.

export type Effort = 'default' | 'off' | 'low' | 'high' | 'max';

export interface Settings {
  system: string;
  effort: Effort;
  temperature: number | null; // null: the server's default
  topP: number | null;
  maxTokens: number | null;
  seed: number | null;
  tools: string; // JSON: a list of OpenAI tools; empty: none
}

export const defaultSettings: Settings = {
  system: '',
  effort: 'default',
  temperature: null,
  topP: null,
  maxTokens: null,
  seed: null,
  tools: '',
};

export interface Attachment {
  name: string;
  text: string;
}

export interface ToolCall {
  id: string;
  name: string;
  arguments: string; // JSON text as the model wrote it
}

export interface ToolResult {
  id: string;
  content: string;
}

export interface AnswerStats {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  reasoningTokens: number;
  promptPerSecond: number | null;
  tokensPerSecond: number | null;
  firstTokenMs: number | null;
  totalMs: number;
  thinkingMs: number | null;
}

// Why an answer ended; `running` in storage means the page was closed meanwhile.
export type Finish = 'running' | 'stop' | 'length' | 'tool_calls' | 'stopped' | 'error' | string;

export interface Node {
  id: string;
  parent: string | null;
  role: 'user' | 'assistant' | 'tool';
  created: number;
  content: string;
  reasoning?: string;
  attachments?: Attachment[];
  toolCalls?: ToolCall[];
  toolResults?: ToolResult[];
  model?: string;
  finish?: Finish;
  error?: string;
  stats?: AnswerStats;
}

export interface Conversation {
  id: string;
  title: string;
  created: number;
  updated: number;
  settings: Settings;
  nodes: Record<string, Node>;
  // The chosen child of each node; '' stands for the root.
  selected: Record<string, string>;
}

export interface ConversationSummary {
  id: string;
  title: string;
  created: number;
  updated: number;
  messages: number;
}
