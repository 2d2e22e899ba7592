// Dark or light: as the system says, unless chosen here.

export type Theme = 'auto' | 'light' | 'dark';
const themeName = 'fathom.theme';

function stored(): Theme {
  const value = localStorage.getItem(themeName);
  return value === 'light' || value === 'dark' ? value : 'auto';
}

export const theme = $state({ choice: stored() });

export function applyTheme(choice: Theme): void {
  theme.choice = choice;
  if (choice === 'auto') {
    localStorage.removeItem(themeName);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(themeName, choice);
    document.documentElement.dataset.theme = choice;
  }
}
