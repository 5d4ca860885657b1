/** Pages that read without scripts, styles or fonts from anywhere else: the REST doors, and documents of Markdown. */

import { ERROR_WORDS } from '../../protocol/documents/words.ts';
import { ERROR } from '../../protocol/errors.ts';
import { html, markdown } from './docsMarkdown.ts';
import { statusOf } from './errors.ts';

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters?: readonly { name: string; in: string; schema?: Schema; required?: boolean }[];
  readonly requestBody?: { content: Record<string, { schema: Schema }> };
  readonly responses?: Record<string, { description?: string; content?: Record<string, { schema: Schema }> }>;
}
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Record<string, Schema>;
  readonly required?: readonly string[];
}

const prose = (text = ''): string =>
  html(text)
    .replace(/`([^`]+)`/g, '<code>$1</code>')
    .replace(/\*\*([^*]+)\*\*/g, '<b>$1</b>');

const typeOf = (schema: Schema | undefined): string => {
  if (schema === undefined) return '';
  if (schema.enum !== undefined) return schema.enum.map(String).join(' | ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items)}`;
  return schema.type ?? 'anything';
};

const fields = (schema: Schema | undefined): string => {
  const inner = schema?.type === 'array' ? schema.items : schema;
  const rows = Object.entries(inner?.properties ?? {}).map(([name, one]) => {
    const optional = inner?.required?.includes(name) ? '' : ' <i>optional</i>';
    const below = one.type === 'object' || one.type === 'array' ? fields(one) : '';
    const what = `${html(typeOf(one))}${optional}`;
    return `<tr><td><code>${html(name)}</code></td><td>${what}</td><td>${prose(one.description)}${below}</td></tr>`;
  });
  return rows.length === 0 ? '' : `<table>${rows.join('')}</table>`;
};

const operation = (method: string, path: string, op: Operation): string => {
  const parts = [`<h3><b>${method.toUpperCase()}</b> ${html(path)}</h3><p>${prose(op.summary)}.`];
  if (op.security !== undefined) parts.push(' Needs <code>Authorization: Bearer</code>.');
  parts.push(`</p><p>${prose(op.description)}</p>`);
  for (const { name, in: where, schema, required } of op.parameters ?? []) {
    const optional = required ? '' : ', optional';
    parts.push(
      `<p><code>${html(name)}</code> (${where}, ${html(typeOf(schema))}${optional}) ${prose(schema?.description)}</p>`,
    );
  }
  const body = op.requestBody?.content['application/json']?.schema;
  if (body !== undefined) parts.push(`<h4>Body</h4>${fields(body)}`);
  for (const [status, { content }] of Object.entries(op.responses ?? {})) {
    if (!/^2\d\d$/.test(status)) continue;
    parts.push(`<h4>${status}</h4>${fields(Object.values(content ?? {})[0]?.schema)}`);
  }
  return parts.join('');
};

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#123}
h1,h2,h3 b{color:#1456b8}h3{margin:2.5rem 0 0;font-weight:500}h4{margin:1rem 0 .2rem}p{margin:.3rem 0}
table{border-collapse:collapse;width:100%}td{border-top:1px solid #d5dde8;padding:.25rem .75rem .25rem 0;vertical-align:top}
th{text-align:left;padding-right:.75rem}code{background:#eef3fa;padding:0 .25em;border-radius:3px;overflow-wrap:anywhere}
pre{background:#eef3fa;padding:.6rem;border-radius:4px;overflow-x:auto;font-size:13px;line-height:1.45}
nav{margin:1rem 0}.wide{max-width:72rem}`;

/** What there is to read, in the order of reading. */
const PAGES: readonly (readonly [path: string, name: string])[] = [
  ['/docs', 'REST'],
  ['/docs/protocol', 'The WebSocket protocol'],
  ['/docs/conformance', 'Conformance kit for clients'],
  ['/docs/openapi.json', 'OpenAPI 3.1'],
  ['/docs/asyncapi.json', 'AsyncAPI 3'],
  ['/docs/vectors.json', 'Golden vectors'],
];
const NAV = `<nav>${PAGES.map(([path, name]) => `<a href="${path}">${name}</a>`).join(' · ')}</nav>`;

const page = (title: string, body: string, wide = false): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${html(title)}</title><style>${STYLE}</style><body${wide ? ' class="wide"' : ''}>${NAV}${body}</body></html>`;

/** Files that the documents name, where they are served. */
const SERVED: Readonly<Record<string, string>> = {
  'generated/vectors.json': '/docs/vectors.json',
  'generated/asyncapi.json': '/docs/asyncapi.json',
  '../gateway/conformance/README.md': '/docs/conformance',
};

/** A document of Markdown as a page. */
export const markdownPage = (source: string): string =>
  page(
    /^# (.*)$/m.exec(source)?.[1] ?? 'HeyBlue',
    markdown(source, target => SERVED[target] ?? null),
    true,
  );

/** The error family, from the words that the protocol page has. */
const errors = (): string => {
  const rows = Object.entries(ERROR).map(([name, code]) => {
    const { meaning, action } = ERROR_WORDS[name as keyof typeof ERROR];
    const status = statusOf({ code } as never);
    return `<tr><td><code>${code}</code>${status === code ? '' : ` (HTTP ${status})`}</td><td>${html(name)}</td><td>${prose(meaning)}</td><td>${prose(action)}</td></tr>`;
  });
  return `<h2>Errors</h2><p>Always <code>{"error":{"code","message","retryable"}}</code>, the numbers of the socket.
<code>retryable</code> is the contract: the same request may succeed later, after <code>Retry-After</code> if there is one.</p><table>${rows.join('')}</table>`;
};

/** @param document the OpenAPI object of the doors */
export const docsPage = (document: object): string => {
  const { info, tags, paths } = document as {
    info: { title: string; description?: string };
    tags: { name: string; description: string }[];
    paths: Record<string, Record<string, Operation>>;
  };
  const sections = tags.map(tag => {
    const rows = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, op]) => op.tags?.includes(tag.name))
        .map(([method, op]) => operation(method, path, op)),
    );
    return `<h2>${html(tag.description)}</h2>${rows.join('')}`;
  });
  return page(
    info.title,
    `<h1>${html(info.title)}</h1><p>${prose(info.description)}</p>${sections.join('')}${errors()}`,
  );
};
