/** `npx node gateway/rfc6455/table.ts --write`: the tables of README.md from the cases. A test compares them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { CASES, HANDSHAKES } from './cases.ts';

interface Row {
  readonly section: string;
  readonly what: string;
  readonly rfc: readonly string[];
  readonly ours: string;
  readonly ws: string;
  readonly why?: string;
}

const BEGIN = '<!-- from here on: npx node gateway/rfc6455/table.ts --write -->';
const README = new URL('README.md', import.meta.url);

export const rows: readonly Row[] = [...HANDSHAKES, ...CASES];
/** What we do is not among what the RFC allows. */
export const deviates = ({ rfc, ours }: Row): boolean => !rfc.includes(ours);

const line = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** The generated end of the page. */
export const tables = (): string => {
  const deviations = rows.filter(deviates);
  const groups = new Map<string, Row[]>();
  for (const row of deviations) groups.set(row.why!, [...(groups.get(row.why!) ?? []), row]);
  const cell = (row: Row): string => line(row.section, row.what, row.rfc.join(' or '), row.ours, row.ws);
  const head = ['section', 'told', 'RFC 6455', 'ours', '`ws`'];
  const table = (some: readonly Row[]): string[] => [
    line(...head),
    `|${'---|'.repeat(head.length)}`,
    ...some.map(cell),
  ];
  return [
    BEGIN,
    '',
    `## Deviations: ${deviations.length} of ${rows.length} cases`,
    '',
    ...[...groups].flatMap(([why, some]) => [
      `**${why[0]!.toUpperCase()}${why.slice(1)}.**`,
      '',
      ...table(some),
      '',
    ]),
    '## As the RFC demands',
    '',
    ...table(rows.filter(row => !deviates(row))),
    '',
  ].join('\n');
};

/** The page with the tables of today. */
export const page = (text: string): string => `${text.slice(0, text.indexOf(BEGIN))}${tables()}`;
export const readPage = (): string => readFileSync(README, 'utf8');

if (import.meta.main && process.argv.includes('--write')) writeFileSync(README, page(readPage()));
