// Small values that outlast the page, in localStorage. A browser that blocks it makes its very name throw, and one without
// room refuses to write: then they last as long as the page.

const unkept = new Map<string, string | null>();

export function recall(name: string): string | null {
  const value = unkept.get(name);
  if (value !== undefined) return value;
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

// null forgets the value.
export function keep(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
    unkept.delete(name);
  } catch {
    unkept.set(name, value);
  }
}
