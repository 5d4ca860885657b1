/**
 * Our own Markdown as HTML, for `/docs`: headings with anchors, paragraphs, lists, tables, fenced code, links, bold and code.
 * What the documents do not use is not here; whatever stands in them is escaped.
 */

import { anchorOf } from '../../protocol/documents/anchor.ts';

/** Text that stands for itself in HTML. */
export const html = (text: string): string =>
  text.replace(/[&<>"]/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);

/** Links stay within the page or go to a name that `linked` knows; others are words. */
const inline = (text: string, linked: (target: string) => string | null): string =>
  text
    .split(/(`[^`]*`)/)
    .map((part, nth) => {
      if (nth % 2 === 1) return `<code>${html(part.slice(1, -1))}</code>`;
      return html(part)
        .replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, (_, words: string, target: string) => {
          const url = target.startsWith('#') ? target : linked(target);
          return url === null ? words : `<a href="${url}">${words}</a>`;
        })
        .replace(/\*\*([^*]+)\*\*/g, '<b>$1</b>');
    })
    .join('');

const cells = (line: string): string[] =>
  line
    .replace(/^\s*\||\|\s*$/g, '')
    .split(/(?<!\\)\|/)
    .map(cell => cell.trim().replaceAll('\\|', '|'));

/** HTML of the body of a page. */
export const markdown = (source: string, linked: (target: string) => string | null = () => null): string => {
  const lines = source.replace(/<!--[\s\S]*?-->/g, '').split('\n');
  const out: string[] = [];
  const text = (words: string): string => inline(words, linked);
  let at = 0;
  /** Takes lines while they fit. */
  const take = (fits: (line: string) => boolean): string[] => {
    const from = at;
    while (at < lines.length && fits(lines[at]!)) at++;
    return lines.slice(from, at);
  };
  const BLOCK = /^(#{1,6} |```|\||- |\d+\. |\s*$| {4})/;
  const list = (mark: RegExp, tag: string): void => {
    const items: string[] = [];
    for (const line of take(one => mark.test(one) || /^ +\S/.test(one))) {
      if (mark.test(line)) items.push(line.replace(mark, ''));
      else items[items.length - 1] += ` ${line.trim()}`;
    }
    out.push(`<${tag}>${items.map(item => `<li>${text(item)}</li>`).join('')}</${tag}>`);
  };
  while (at < lines.length) {
    const line = lines[at]!;
    const heading = /^(#{1,6}) (.*)$/.exec(line);
    if (heading !== null) {
      const level = heading[1]!.length;
      const plain = heading[2]!.replaceAll('`', '');
      out.push(`<h${level} id="${anchorOf(plain)}">${text(heading[2]!)}</h${level}>`);
      at++;
    } else if (line.startsWith('```')) {
      at++;
      const code = take(one => !one.startsWith('```'));
      at++;
      out.push(`<pre>${html(code.join('\n'))}</pre>`);
    } else if (line.startsWith('    ')) {
      out.push(
        `<pre>${html(
          take(one => one.startsWith('    '))
            .map(one => one.slice(4))
            .join('\n'),
        )}</pre>`,
      );
    } else if (line.startsWith('|')) {
      const [head = '', , ...rows] = take(one => one.startsWith('|'));
      const row = (one: string, tag: string): string =>
        `<tr>${cells(one)
          .map(cell => `<${tag}>${text(cell)}</${tag}>`)
          .join('')}</tr>`;
      out.push(`<table>${row(head, 'th')}${rows.map(one => row(one, 'td')).join('')}</table>`);
    } else if (line.startsWith('- ')) list(/^- /, 'ul');
    else if (/^\d+\. /.test(line)) list(/^\d+\. /, 'ol');
    else if (line.trim() === '') at++;
    else out.push(`<p>${text(take(one => !BLOCK.test(one)).join(' '))}</p>`);
  }
  return out.join('\n');
};
