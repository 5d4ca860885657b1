/**
 * What the pages of the repository lead to: other files and headings by links, tests by files and titles, commands of npm. Whoever
 * reads them for the first time follows them, and what leads nowhere tells him that nobody else does.
 */
import { posix } from 'node:path';
import { anchorOf } from '../../protocol/documents/anchor.ts';

/** What a page may lead to. */
export interface Places {
  /** The text of a file; null when there is none. Paths from the root of the repository. */
  read(path: string): string | null;
  isFolder(path: string): boolean;
  /** `npm run NAME`. */
  readonly commands: ReadonlySet<string>;
}

const LINK = /\]\(([^)\s]+)\)/g;
const TEST = /`([\w./-]+\.(?:test|contract)\.ts)`/g;
/** In a cell of a table: a file with tests, or the title of one of its tests or groups. */
const FILE_OR_TITLE = /`([\w./-]+\.(?:test|contract)\.ts)`|›\s*([^;|,`(]+)/g;
const COMMAND = /\bnpm run ([a-z-]+)/g;

const all = (text: string, what: RegExp): string[] => [...text.matchAll(what)].map(([, found]) => found!);

/** Everything in this page that leads nowhere, in its words. */
export function leadsNowhere(path: string, text: string, places: Places): string[] {
  const folder = posix.dirname(path);
  const from = (target: string): string => posix.normalize(posix.join(folder, target));
  const isThere = (link: string): boolean => {
    const [target = '', anchor] = link.split('#');
    const page = target === '' ? path : from(target);
    const there = target === '' ? text : places.read(page);
    if (there === null) return anchor === undefined && places.isFolder(page);
    return (
      anchor === undefined ||
      all(there, /^#+ (.+)$/gm)
        .map(anchorOf)
        .includes(anchor)
    );
  };
  // a test is named from its page, from the folder of the house that the page is about, or from the root
  const testOf = (name: string): string | null =>
    [from(name), posix.join(path.split('/')[0]!, name), name].map(places.read).find(one => one !== null) ??
    null;
  const titles = all(text, /\|([^|\n]*›[^|\n]*)/g).flatMap(cell => {
    let file = '';
    return [...cell.matchAll(FILE_OR_TITLE)].flatMap(([, name, title = '']) => {
      file = name ?? file;
      const isThere = testOf(file)?.toLowerCase().includes(title.trim().toLowerCase()) === true;
      return name !== undefined || isThere ? [] : [`${file} › ${title.trim()}`.trim()];
    });
  });
  return [
    ...all(text, LINK).filter(link => !link.includes('://') && !isThere(link)),
    ...all(text, TEST).filter(name => testOf(name) === null),
    ...titles,
    ...all(text, COMMAND)
      .filter(name => !places.commands.has(name))
      .map(name => `npm run ${name}`),
  ];
}
