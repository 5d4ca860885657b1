/** Nothing that is in the repository opens a door. Planted ones first: a search that finds nothing must be able to. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { secretsIn } from './secrets.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

test('a secret is known by its shape', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const jwk = privateKey.export({ format: 'jwk' });
  const letters = (count: number): string => 'A2'.repeat(count / 2);
  const planted: Record<string, string> = {
    'a private key': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    'a private JWK': JSON.stringify(jwk),
    'a key of AWS': `AKIA${letters(16)}`,
    'a seed of NATS': `SU${letters(56)}`,
    'a token of GitHub': `ghp_${letters(36)}`,
    'a token of npm': `npm_${letters(36)}`,
    'a token of Slack': `xoxb-${letters(10)}`,
    'a key of Google': `AIza${letters(34)}x`,
    'a key of Stripe': `sk_live_${letters(16)}`,
    'a token of ours': `eyJ${letters(20)}.eyJ${letters(40)}.${randomBytes(64).toString('base64url')}`,
  };
  for (const [what, text] of Object.entries(planted)) expect(secretsIn(`x = ${text};`)).toEqual([what]);
});

test.skipIf(!existsSync(`${ROOT}.git`))('no file of the repository has one', () => {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 });
  const files = listed.split('\0').filter(path => path !== '' && existsSync(ROOT + path));
  expect(files.length).toBeGreaterThan(1_000);
  const found = files.flatMap(path =>
    secretsIn(readFileSync(ROOT + path, 'latin1')).map(what => `${path}: ${what}`),
  );
  expect(found).toEqual([]);
});
