/** The snippets of a Markdown text that promise to run: fenced `ts` or `sh` blocks right after `<!-- test -->`. */

export interface Snippet {
  readonly language: 'ts' | 'sh';
  readonly code: string;
  /** Line of the README on which the code begins, for people who look for it. */
  readonly line: number;
}

const MARK = '<!-- test -->';

/** Marked snippets in order. Throws when a mark is followed by anything else than such a block. */
export const snippetsOf = (markdown: string): Snippet[] => {
  const lines = markdown.split('\n');
  const snippets: Snippet[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (lines[i]!.trim() !== MARK) continue;
    let open = i + 1;
    while (lines[open]?.trim() === '') open++;
    const language = /^```(ts|sh)$/.exec(lines[open]?.trim() ?? '')?.[1] as Snippet['language'] | undefined;
    const close = lines.findIndex((line, at) => at > open && line.trim() === '```');
    if (language === undefined || close < 0) {
      throw new Error(`line ${i + 1}: ${MARK} stands before something that is no ts or sh block`);
    }
    snippets.push({ language, code: lines.slice(open + 1, close).join('\n'), line: open + 2 });
    i = close;
  }
  return snippets;
};

/** Addresses as the README writes them, replaced by those of the town at hand. */
export interface Addresses {
  readonly rest: string;
  readonly realtime: string;
  readonly admin: string;
  readonly dataDir: string;
}

export const adapt = (code: string, { rest, realtime, admin, dataDir }: Addresses): string =>
  code
    .replaceAll(/(localhost|127\.0\.0\.1):8080/g, new URL(rest).host)
    .replaceAll(/(localhost|127\.0\.0\.1):8081/g, new URL(realtime).host)
    .replaceAll(/(localhost|127\.0\.0\.1):9090/g, new URL(admin).host)
    .replaceAll(/(?<![\w/.])(\.\/)?\.data\//g, `${dataDir}/`);
