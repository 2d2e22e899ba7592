// Formulas as MathML, which browsers draw themselves: no fonts to load and no inline styles, which the content security
// policy forbids. KaTeX is loaded with the first formula.

type Katex = typeof import('katex').default;

let library: Katex | null = null;
let loading: Promise<Katex> | null = null;

function load(): Promise<Katex> {
  loading ??= import('katex').then((module) => (library = module.default));
  return loading;
}

// Draws every formula below `root`, at once if KaTeX is loaded.
export function drawFormulas(root: ParentNode): void {
  const formulas = root.querySelectorAll<HTMLElement>('code.math');
  if (!formulas.length) return;
  if (library) {
    for (const formula of formulas) draw(library, formula);
  } else {
    void load().then((katex) => {
      for (const formula of formulas) draw(katex, formula);
    });
  }
}

function draw(katex: Katex, formula: HTMLElement): void {
  const display = formula.classList.contains('math-display');
  try {
    const html = katex.renderToString(formula.textContent ?? '', {
      displayMode: display,
      output: 'mathml',
      throwOnError: true,
      strict: false,
      trust: false,
      maxExpand: 500,
      maxSize: 20,
    });
    // KaTeX escapes quotes in text, so this finds attributes only.
    const span = document.createElement('span');
    span.className = display ? 'formula formula-display' : 'formula';
    span.innerHTML = html.replace(/ style="[^"]*"/g, '');
    formula.replaceWith(span);
  } catch {
    // Not TeX, or only half of it yet: it stays as it was written.
  }
}
