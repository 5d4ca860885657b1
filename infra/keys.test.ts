import { spawn } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadKeys } from './keys.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heyblue-keys-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = () => join(folder, 'keys', 'keys.json');
const jwk = (keys: ReturnType<typeof loadKeys>) => keys.signingKeys[0]!.publicKey.export({ format: 'jwk' }).x;

test('the first start makes keys that only the owner may read, the next one reads them', () => {
  const first = loadKeys(folder);
  expect(first.putAside).toBeNull();
  expect(first.signingKeys[0]!.privateKey.asymmetricKeyType).toBe('ed25519');
  expect([...first.qrMasters.keys()]).toEqual([1]);
  expect(first.qrMasters.get(1)).toHaveLength(32);
  expect(statSync(path()).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'keys')).mode & 0o777).toBe(0o700);
  const second = loadKeys(folder);
  expect([jwk(second), second.signingKeys[0]!.kid]).toEqual([jwk(first), first.signingKeys[0]!.kid]);
  expect(second.qrMasters).toEqual(first.qrMasters);
});

test('two folders have nothing in common', () => {
  const other = mkdtempSync(join(tmpdir(), 'heyblue-keys-'));
  expect(jwk(loadKeys(folder))).not.toBe(jwk(loadKeys(other)));
  rmSync(other, { recursive: true });
});

test('a crash while writing leaves the old file, or none: what lies beside it is swept away', () => {
  const first = loadKeys(folder);
  writeFileSync(`${path()}.new`, '{"version":1,"jwt":[{"kid":"half');
  expect(jwk(loadKeys(folder))).toBe(jwk(first));
  rmSync(path());
  expect(loadKeys(folder).putAside).toBeNull();
  expect(readdirSync(join(folder, 'keys'))).toEqual(['keys.json']);
});

test('nodes that start in the same moment take the same keys', async () => {
  const script = `
    import { loadKeys } from ${JSON.stringify(new URL('./keys.ts', import.meta.url).href)};
    console.log(loadKeys(${JSON.stringify(folder)}).signingKeys[0].kid);
  `;
  const crowd = Array.from({ length: 6 }, () => {
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return new Promise<string>(resolve => {
      let said = '';
      child.stdout.on('data', data => {
        said += data;
      });
      child.once('close', () => resolve(said.trim()));
    });
  });
  const kids = new Set(await Promise.all(crowd));
  expect([...kids]).toEqual([loadKeys(folder).signingKeys[0]!.kid]);
  expect(readdirSync(join(folder, 'keys'))).toEqual(['keys.json']);
});

test.each([
  ['cut short', () => truncateSync(path(), 40)],
  ['empty', () => truncateSync(path(), 0)],
  ['of another shape', () => writeFileSync(path(), '{"version":1,"jwt":[],"qr":[]}')],
  [
    'with a short key',
    () => writeFileSync(path(), readFileSync(path(), 'utf8').replace(/"key":"....../, '"key":"')),
  ],
])('a file that is %s is put aside and replaced by good keys', (_what, damage) => {
  const first = loadKeys(folder);
  damage();
  const next = loadKeys(folder);
  expect(next.putAside).toBe(`${path()}.unreadable`);
  expect(jwk(next)).not.toBe(jwk(first));
  expect(jwk(loadKeys(folder))).toBe(jwk(next));
});

test.skipIf(process.getuid?.() === 0)(
  'a file that may not be read is an error, not a reason to make new keys',
  () => {
    loadKeys(folder);
    chmodSync(path(), 0o000);
    expect(() => loadKeys(folder)).toThrow(/EACCES/);
    chmodSync(path(), 0o600);
  },
);
