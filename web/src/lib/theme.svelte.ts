// Dark or light: as the system says, unless chosen here.

import { keep, recall } from './local';

export type Theme = 'auto' | 'light' | 'dark';
const themeName = 'fathom.theme';

function stored(): Theme {
  const value = recall(themeName);
  return value === 'light' || value === 'dark' ? value : 'auto';
}

export const theme = $state({ choice: stored() });

export function applyTheme(choice: Theme): void {
  theme.choice = choice;
  keep(themeName, choice === 'auto' ? null : choice);
  if (choice === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
}
