// Markdown to nodes that cannot run anything: HTML in the text is shown as text (but for a few tags without
// attributes), and DOMPurify passes only what is listed here.

import DOMPurify from 'dompurify';
import { Marked, type Tokens } from 'marked';

const plainTag = /^<\/?(?:br|sub|sup|kbd|b|i|u|em|strong|mark|del|ins|small|details|summary|hr)\s*\/?>$/i;
const safeLink = /^(?:https?:\/\/|mailto:)/i;

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

function mathHtml(tex: string, display: boolean): string {
  return `<code class="${display ? 'math math-display' : 'math'}">${escapeHtml(tex)}</code>`;
}

interface MathToken extends Tokens.Generic {
  tex: string;
  display: boolean;
}

const inlineMath = [
  /^\$\$([^$]+?)\$\$/,
  /^\$(?![\s$])((?:\\[\s\S]|[^$\\\n])*?[^\s\\$])\$(?![\d$])/,
  /^\\\(([\s\S]+?)\\\)/,
  /^\\\[([\s\S]+?)\\\]/,
];

const marked = new Marked({
  gfm: true,
  breaks: false,
  extensions: [
    {
      name: 'mathBlock',
      level: 'block',
      start: (source) => source.match(/(?:^|\n)\s*(?:\$\$|\\\[)/)?.index,
      tokenizer(source) {
        const match = /^\s*(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])\s*(?:\n|$)/.exec(source);
        if (!match) return undefined;
        return { type: 'mathBlock', raw: match[0], tex: (match[1] ?? match[2]!).trim(), display: true };
      },
      renderer: (token) => `<p>${mathHtml((token as MathToken).tex, true)}</p>`,
    },
    {
      name: 'math',
      level: 'inline',
      start: (source) => source.match(/\$|\\[([]/)?.index,
      tokenizer(source) {
        for (const pattern of inlineMath) {
          const match = pattern.exec(source);
          if (match) {
            const display = match[0].startsWith('$$') || match[0].startsWith('\\[');
            return { type: 'math', raw: match[0], tex: match[1]!.trim(), display };
          }
        }
        return undefined;
      },
      renderer: (token) => mathHtml((token as MathToken).tex, (token as MathToken).display),
    },
  ],
  renderer: {
    html({ text }) {
      return text
        .split(/(<[^<>]*>)/)
        .map((part) => (plainTag.test(part) ? part : escapeHtml(part)))
        .join('');
    },
    // Pictures would be loaded from elsewhere: their address is offered instead.
    image({ href, text }) {
      return safeLink.test(href) ? `<a href="${escapeHtml(href)}">${escapeHtml(text || href)}</a>` : escapeHtml(text);
    },
    link({ href, tokens }) {
      const label = this.parser.parseInline(tokens);
      return safeLink.test(href) ? `<a href="${escapeHtml(href)}">${label}</a>` : label;
    },
    table(token) {
      const cells = (row: Tokens.TableCell[]) => row.map((cell) => this.tablecell(cell)).join('');
      const rows = token.rows.map((row) => `<tr>${cells(row)}</tr>`).join('');
      return `<div class="table"><table><thead><tr>${cells(token.header)}</tr></thead><tbody>${rows}</tbody></table></div>`;
    },
  },
});

const purify = DOMPurify(window);
purify.addHook('afterSanitizeAttributes', (node) => {
  if (node.nodeName !== 'A') return;
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer');
});

export function renderMarkdown(text: string): DocumentFragment {
  return purify.sanitize(marked.parse(text, { async: false }), {
    ALLOWED_TAGS: [
      'a', 'b', 'blockquote', 'br', 'code', 'del', 'details', 'div', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr',
      'i', 'input', 'ins', 'kbd', 'li', 'mark', 'ol', 'p', 'pre', 'small', 'strong', 'sub', 'summary', 'sup', 'table',
      'tbody', 'td', 'th', 'thead', 'tr', 'u', 'ul',
    ],
    ALLOWED_ATTR: ['href', 'class', 'start', 'align', 'type', 'checked', 'disabled'],
    ALLOWED_URI_REGEXP: safeLink,
    ADD_URI_SAFE_ATTR: ['start', 'align', 'type'],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
}
