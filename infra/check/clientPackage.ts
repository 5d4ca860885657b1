/**
 * The client as others install it: one file of JavaScript without dependencies, its types, its README. Built from
 * gateway/client/ into a folder outside of git; what an app pays for it is measured here, so that it cannot grow unseen.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { COMMANDS, EVENTS, PROTOCOL_VERSION, SUBPROTOCOL } from '../../protocol/catalogue.ts';

/** What an app may pay for the client with its codec, compressed either way. */
export const CLIENT_BYTES_MAX = 25_600;

const ROOT = join(import.meta.dirname, '../..');
const CLIENT = join(ROOT, 'gateway/client');
const CATALOGUE = join(ROOT, 'protocol/catalogue.ts');

/** The catalogue is data; an app needs it without the sentences. */
const catalogueWithoutWords = (): string => {
  const data = { COMMANDS, EVENTS, SUBPROTOCOL, PROTOCOL_VERSION };
  const said = (name: string, value: unknown): unknown => (name === 'doc' ? undefined : value);
  return Object.entries(data)
    .map(([name, value]) => `export const ${name} = ${JSON.stringify(value, said)};`)
    .join('\n');
};

const ENTRY = '\0entry';

/**
 * JavaScript for browsers from 2020 on, in one piece.
 * @param entry source of a module that imports from `client`, to see what remains of it; default: everything
 */
export const bundleClient = async ({ entry = '', minify = false } = {}): Promise<string> => {
  const bundle = await rolldown({
    input: entry === '' ? join(CLIENT, 'index.ts') : ENTRY,
    platform: 'browser',
    transform: { target: 'es2020' },
    treeshake: { moduleSideEffects: false },
    external: [],
    plugins: [
      {
        name: 'heyblue-client',
        resolveId: id => (id === ENTRY ? ENTRY : id === 'client' ? join(CLIENT, 'index.ts') : null),
        load: id => {
          if (id === ENTRY) return entry;
          return id === CATALOGUE ? { code: catalogueWithoutWords(), moduleType: 'js' } : null;
        },
      },
    ],
  });
  try {
    const { output } = await bundle.generate({ format: 'esm', minify });
    const [chunk, ...more] = output;
    if (more.length > 0 || chunk.imports.length > 0) throw new Error('the client is more than one file');
    return chunk.code;
  } finally {
    await bundle.close();
  }
};

export interface ClientSize {
  readonly bytes: number;
  readonly gzipBytes: number;
  readonly brotliBytes: number;
}

/** What a web app downloads that uses the realtime client, or these names of the package. */
export const measureClient = async (names: readonly string[] = ['HeyBlueClient']): Promise<ClientSize> => {
  const list = names.join(', ');
  const entry = `import { ${list} } from 'client'; globalThis.used = [${list}];`;
  const code = Buffer.from(await bundleClient({ entry, minify: true }));
  return {
    bytes: code.length,
    gzipBytes: gzipSync(code, { level: 9 }).length,
    brotliBytes: brotliCompressSync(code).length,
  };
};

const TYPES = [
  ...['--ignoreConfig', '--declaration', '--emitDeclarationOnly', '--rootDir', ROOT],
  ...['--target', 'es2024', '--lib', 'es2024,dom', '--module', 'nodenext', '--types', '', '--skipLibCheck'],
  ...['--strict', '--verbatimModuleSyntax', '--erasableSyntaxOnly', '--rewriteRelativeImportExtensions'],
];

/** Builds the package into an empty `folder`, ready for `npm pack` and `npm publish`. */
export const buildClient = async (folder: string): Promise<void> => {
  rmSync(folder, { recursive: true, force: true });
  const types = join(folder, 'dist/types');
  mkdirSync(types, { recursive: true });
  writeFileSync(join(folder, 'dist/index.js'), await bundleClient());
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const entry = join(CLIENT, 'index.ts');
  await promisify(execFile)(process.execPath, [tsc, ...TYPES, '--outDir', types, entry]);
  for (const name of readdirSync(types, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue;
    const file = join(types, name);
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'"));
  }
  for (const name of ['package.json', 'README.md']) cpSync(join(CLIENT, name), join(folder, name));
  cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
};

const kilobytes = (bytes: number): string => `${(bytes / 1_024).toFixed(1)} KB`;

/** The size, and with a folder as its argument the package. */
if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder !== undefined) {
    await buildClient(folder);
    console.log(`${folder}: npm publish ${folder}`);
  }
  const { bytes, gzipBytes, brotliBytes } = await measureClient();
  console.log(
    `client, tree-shaken and minified ${kilobytes(bytes)}: gzip ${kilobytes(gzipBytes)}, brotli ${kilobytes(brotliBytes)} (at most ${kilobytes(CLIENT_BYTES_MAX)})`,
  );
  process.exitCode = gzipBytes <= CLIENT_BYTES_MAX && brotliBytes <= CLIENT_BYTES_MAX ? 0 : 1;
}
