// Colours for code, loaded with the first code block that is shown.

import type { HLJSApi } from 'highlight.js';

let library: HLJSApi | null = null;
let loading: Promise<HLJSApi> | null = null;

export function loadHighlighter(): Promise<HLJSApi> {
  loading ??= import('./highlight_languages').then((module) => (library = module.default));
  return loading;
}

const maxLength = 100_000; // longer code stays plain

// The code as HTML that the library made; null if it is not loaded, does not know the language, or the code is long.
export function highlighted(code: string, language: string): string | null {
  if (!library || code.length > maxLength || !library.getLanguage(language)) return null;
  return library.highlight(code, { language, ignoreIllegals: true }).value;
}
