// Markdown cut into blocks that can be rendered one by one. While an answer streams, only the last block changes, so
// only that one is rendered again.

export type Block =
  | { kind: 'text'; text: string }
  | { kind: 'code'; language: string; text: string; closed: boolean };

const fenceStart = /^( {0,3})(`{3,}|~{3,})\s*([^`]*)$/;
const listItem = /^\s*(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;

export function splitBlocks(markdown: string): Block[] {
  const blocks: Block[] = [];
  let text: string[] = [];
  const flush = () => {
    while (text.length && text.at(-1)!.trim() === '') text.pop();
    if (text.length) blocks.push({ kind: 'text', text: text.join('\n') });
    text = [];
  };
  const lines = markdown.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    const fence = fenceStart.exec(line);
    if (fence && !(fence[1] && insideList(text))) {
      const end = closingLine(lines, i + 1, fence[2]!);
      flush();
      blocks.push({
        kind: 'code',
        language: (fence[3] ?? '').trim().split(/[\s{,]/, 1)[0]!.toLowerCase(),
        text: lines.slice(i + 1, end).map((code) => unindent(code, fence[1]!.length)).join('\n'),
        closed: end < lines.length,
      });
      i = end;
      continue;
    }
    if (fenceInList(line)) {
      // A fence inside of a list item belongs to the item, to its end.
      const marker = /(`{3,}|~{3,})/.exec(line)![1]!;
      const end = closingLine(lines, i + 1, marker, true);
      text.push(...lines.slice(i, end + 1));
      i = end;
      continue;
    }
    const mathEnd = mathBlockEnd(lines, i);
    if (mathEnd !== null) {
      text.push(...lines.slice(i, mathEnd + 1));
      i = mathEnd;
      continue;
    }
    if (line.trim() === '' && text.length && endsBlock(text, lines, i)) flush();
    else if (line.trim() !== '' || text.length) text.push(line);
  }
  flush();
  return blocks;
}

// Whether an empty line at `index` ends the block of `text`: not between the items of one list, nor before the
// indented continuation of an item.
function endsBlock(text: string[], lines: string[], index: number): boolean {
  if (!insideList(text)) return true;
  const next = lines.slice(index + 1).find((line) => line.trim() !== '');
  if (next === undefined) return false;
  return !listItem.test(next) && !/^\s{2,}/.test(next);
}

function insideList(text: string[]): boolean {
  return text.length > 0 && listItem.test(text[0]!);
}

function fenceInList(line: string): boolean {
  return /^(?:\s{2,}|\s*(?:[-*+]|\d{1,9}[.)])\s+)(?:`{3,}[^`]*|~{3,}.*)$/.test(line);
}

function closingLine(lines: string[], from: number, marker: string, indented = false): number {
  const closing = new RegExp(`^${indented ? ' *' : ' {0,3}'}${marker[0]}{${marker.length},}\\s*$`);
  for (let i = from; i < lines.length; i++) {
    if (closing.test(lines[i]!)) return i;
  }
  return lines.length;
}

function unindent(line: string, columns: number): string {
  let cut = 0;
  while (cut < columns && line[cut] === ' ') cut++;
  return line.slice(cut);
}

// $$ and \[ on a line of their own begin mathematics, which may contain empty lines.
function mathBlockEnd(lines: string[], index: number): number | null {
  const start = /^\s*(\$\$|\\\[)/.exec(lines[index]!);
  if (!start) return null;
  const closing = start[1] === '$$' ? '$$' : '\\]';
  if (lines[index]!.slice(start[0].length).includes(closing)) return null; // all on one line
  for (let i = index + 1; i < lines.length; i++) {
    if (lines[i]!.includes(closing)) return i;
  }
  return lines.length - 1;
}

// The last block of an answer that is still coming, without what would change its look for a moment: marks that are
// not closed yet are closed, half a link is its text, a line that may become a heading's underline waits.
export function mendTail(text: string): string {
  const lines = text.split('\n');
  if (lines.length > 1 && /^\s*(?:-{1,2}|=+|[*_]{1,2}|\|?[\s:|-]*)$/.test(lines.at(-1)!) && lines.at(-1) !== '') lines.pop();
  let last = lines.pop() ?? '';
  last = last.replace(/!?\[([^\]]*)\]\([^)\s]*$/, '$1').replace(/!?\[([^\]]*)\]?$/, (whole, label: string) =>
    /^[ xX]?$/.test(label) ? whole : label,
  );
  const code = codeSpans(last);
  if (code.open) last += code.open;
  else {
    if (code.fresh) last = last.replace(/`+$/, '');
    const plain = code.without.replace(/^\s*[*+-]\s/, '').replace(/\\[\s\S]/g, '');
    if (/(?:^|\s)\*{1,3}$/.test(plain)) last = last.replace(/\*{1,3}$/, '');
    else {
      if (odd(plain, /\*\*/g)) last = last.endsWith('*') && !last.endsWith('**') ? `${last}*` : `${last.trimEnd()}**`;
      else if (odd(plain.replace(/\*\*/g, ''), /(?<=\s|^)\*(?=\S)|(?<=\S)\*/g)) last = `${last.trimEnd()}*`;
      if (odd(plain, /~~/g)) last += '~~';
    }
  }
  return [...lines, last].join('\n');
}

// The line without its code; the marks of code that is not closed, and whether the line ends with marks that may open
// some.
function codeSpans(line: string): { without: string; open: string; fresh: boolean } {
  const runs = Array.from(line.matchAll(/`+/g), (run) => ({ at: run.index, marks: run[0] }));
  let without = '';
  let from = 0;
  for (let i = 0; i < runs.length; i++) {
    const { at, marks } = runs[i]!;
    without += line.slice(from, at);
    const closing = runs.findIndex((run, index) => index > i && run.marks.length === marks.length);
    if (closing < 0) {
      const fresh = at + marks.length === line.length;
      return { without, open: fresh ? '' : marks, fresh };
    }
    from = runs[closing]!.at + marks.length;
    i = closing;
  }
  return { without: without + line.slice(from), open: '', fresh: false };
}

function odd(text: string, pattern: RegExp): boolean {
  return (text.match(pattern)?.length ?? 0) % 2 === 1;
}
